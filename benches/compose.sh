#!/usr/bin/env bash
# Compares `demo up --engine docker` with `docker compose up -d --wait` on the same
# files and image, in one run: until both servers are ready. Prints seconds and the
# ratio; never fails for being slow. Needs Docker, Compose and LIBSQL_IMAGE.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
runs=${RUNS:-5}
: "${LIBSQL_IMAGE:?name the server image that Docker has}"
demo=${DEMO:-${CARGO_TARGET_DIR:-$root/target}/release/demo}
[ -x "$demo" ] || { echo "build it first: cargo build --release" >&2; exit 2; }

project=$(mktemp -d)
finish() {
  (cd "$project" && "$demo" -q cleanup) || true
  rm -rf "$project"
}
trap finish EXIT
cp "$root"/docker-compose*.yml "$project"
cd "$project"
sed -i.bak 's/^name: .*/name: demo-bench/' docker-compose.yml
export PRIMARY_HTTP_PORT=28180 PRIMARY_GRPC_PORT=28181 PRIMARY_ADMIN_PORT=28182 REPLICA_HTTP_PORT=28183
"$demo" -q setup

# timed COMMAND...: seconds, on stdout alone.
timed() {
  local TIMEFORMAT=%R
  { time "$@" >/dev/null 2>&1; } 2>&1
}

median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

for _ in $(seq "$runs"); do
  timed "$demo" -q up --engine docker >>ours.times
  "$demo" -q down
  timed docker compose up -d >>up.times
  "$demo" -q down
  timed docker compose up -d --wait >>wait.times
  "$demo" -q down
done
ours=$(median <ours.times)
for other in up wait; do
  theirs=$(median <"$other.times")
  awk -v a="$ours" -v b="$theirs" -v n="$other" -v r="$runs" 'BEGIN {
    printf "demo up %.2f s, docker compose (%s) %.2f s: ratio %.2f (median of %d)\n", a, n, b, a / b, r }'
done
