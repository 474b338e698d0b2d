#!/usr/bin/env bash
# Feeds the fuzz targets: each parser that meets a stranger's bytes, led by coverage.
# Nothing that it finds is written into the repository unless --keep is given.
#
#   scripts/fuzz.sh                   every target for 20 s
#   scripts/fuzz.sh 3600 judge token  these two for an hour each
#   scripts/fuzz.sh --keep 600        and keep what reaches new code in fuzz/corpus
#
# The targets work with `cargo fuzz`, too (`cargo fuzz run -s none judge`); here they
# are built with the same flags by the one toolchain that there is.
set -euo pipefail
cd "$(dirname "$0")/.."

keep=
if [ "${1:-}" = --keep ]; then keep=yes; shift; fi
seconds=${1:-20}
[ $# -eq 0 ] || shift
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for file in fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

host=$(rustc -vV | awk '/^host/ { print $2 }')
flags=(--cfg fuzzing -C passes=sancov-module)
for option in level=4 inline-8bit-counters pc-table trace-compares; do
  flags+=(-C "llvm-args=-sanitizer-coverage-$option")
done
# With a target named, build scripts and macros are built without the flags.
RUSTFLAGS="${flags[*]}" cargo build --locked --quiet --release --target "$host" --manifest-path fuzz/Cargo.toml

scratch=$(mktemp -d)
pids=()
# shellcheck disable=SC2317 # the trap calls it
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$scratch"
}
trap finish EXIT

built=fuzz/target/$host/release
[ -z "${CARGO_TARGET_DIR:-}" ] || built=$CARGO_TARGET_DIR/$host/release
cores=$(getconf _NPROCESSORS_ONLN)
failed=0

# feed TARGET: what is new goes to the scratch folder.
feed() {
  local target=$1
  mkdir -p "$scratch/$target" "fuzz/corpus/$target"
  "$built/$target" "$scratch/$target" "fuzz/corpus/$target" \
    -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$scratch/found-$target-" >"$scratch/$target.log" 2>&1
}

# collect: waits for all that run, and tells what they came to.
total=0
collect() {
  local index target status count
  for index in "${!pids[@]}"; do
    target=${running[$index]} status=0
    wait "${pids[$index]}" || status=$?
    count=$(awk '/^stat::number_of_executed_units/ { print $2 }' "$scratch/$target.log")
    if [ "$status" -eq 0 ] && [ -n "$count" ]; then
      printf '%-16s %12d inputs, no crash\n' "$target" "$count"
      total=$((total + count))
    else
      failed=1
      echo "$target: exit $status" >&2
      tail -n 40 "$scratch/$target.log" >&2
      for file in "$scratch/found-$target-"*; do
        [ -e "$file" ] || continue
        mkdir -p fuzz/artifacts
        cp "$file" fuzz/artifacts/
        echo "kept: fuzz/artifacts/$(basename "$file")" >&2
      done
    fi
    if [ -n "$keep" ]; then
      mkdir -p "$scratch/merged-$target"
      "$built/$target" -merge=1 -max_len=4096 "$scratch/merged-$target" "fuzz/corpus/$target" "$scratch/$target" >/dev/null 2>&1
      rm -rf "fuzz/corpus/$target"
      mv "$scratch/merged-$target" "fuzz/corpus/$target"
    fi
  done
  pids=() running=()
}

running=()
for target in "${targets[@]}"; do
  feed "$target" &
  pids+=($!) running+=("$target")
  [ ${#pids[@]} -lt "$cores" ] || collect
done
collect
echo "fuzzed: $total inputs in ${#targets[@]} targets, $([ "$failed" -eq 0 ] && echo "0 crashes" || echo "see above")"
exit "$failed"
