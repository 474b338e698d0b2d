# shellcheck shell=bash
# Sourced by the benches: what they all begin and end with.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
demo=
project=

# need PROGRAM...: exit 2 unless each is there.
need() {
  local program
  for program; do
    command -v "$program" >/dev/null || { echo "$(basename "$0") needs $program" >&2; exit 2; }
  done
}

# find_demo: `demo` is DEMO, or the binary that one would keep, of this checkout and
# built first.
find_demo() {
  demo=${DEMO:-}
  [ -z "$demo" ] || return 0
  cargo build --locked --profile dist --quiet --manifest-path "$root/Cargo.toml"
  demo=${CARGO_TARGET_DIR:-$root/target}/dist/demo
}

# enter_project: a project of the bench's own becomes the current folder. A server
# that this checkout has already is not fetched again.
enter_project() {
  local path
  project=$(mktemp -d)
  cd "$project" || exit 1
  if [ -z "${DEMO_SQLD_BIN:-}" ] && path=$("$demo" --project-dir "$root" -q sqld path 2>/dev/null); then
    export DEMO_SQLD_BIN=$path
  fi
  unset DEMO_TOKEN DEMO_TOKEN_PATH
}

# leave_project: nothing of it stays.
leave_project() {
  [ -n "$project" ] || return 0
  "$demo" --project-dir "$project" -q cleanup || true
  rm -rf "$project"
}

# stack_ports COUNT: free ports of loopback for the servers, exported as the compose
# files name them; `more_ports` holds COUNT more.
more_ports=()
stack_ports() {
  local ports
  # bash 3.2 of macOS has no mapfile.
  read -ra ports < <(python3 -c '
import socket, sys
held = [socket.socket() for _ in range(4 + int(sys.argv[1]))]
for one in held: one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in held))' "$1")
  export PRIMARY_HTTP_PORT=${ports[0]} PRIMARY_GRPC_PORT=${ports[1]}
  export PRIMARY_ADMIN_PORT=${ports[2]} REPLICA_HTTP_PORT=${ports[3]}
  # shellcheck disable=SC2034 # of whoever sources this
  more_ports=("${ports[@]:4}")
}
