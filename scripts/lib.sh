# shellcheck shell=bash
# Sourced by the wrappers: builds demo once, then becomes it.
#
# The wrappers are for people who know these names from an older harness. Each
# is one demo command; arguments are passed on, exit codes are those of demo.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# run_demo COMMAND [ARGUMENT...]: on this checkout, whatever the current folder.
run_demo() {
  local quiet=(--quiet)
  # The first build takes minutes: then cargo may say what it does.
  [ -x "${CARGO_TARGET_DIR:-$root/target}/debug/demo" ] || quiet=()
  # bash 3.2 of macOS takes an empty array for an unset one.
  exec cargo run ${quiet[@]+"${quiet[@]}"} --locked --manifest-path "$root/Cargo.toml" -- \
    --project-dir "$root" "$@"
}

# need_name "$@": a usage error (exit 2) before anything is built.
need_name() {
  if [ $# -eq 0 ]; then
    echo "usage: $(basename "$0") NAME [OPTION...]" >&2
    exit 2
  fi
}
