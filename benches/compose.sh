#!/usr/bin/env bash
# Compares `demo up --engine docker` with `docker compose up -d --wait` on the same
# files and image, in one run: until both servers are ready. Prints seconds and the
# ratio; never fails for being slow. Needs Docker, Compose and LIBSQL_IMAGE.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

runs=${RUNS:-5}
: "${LIBSQL_IMAGE:?name the server image that Docker has}"
need docker python3
find_demo
trap leave_project EXIT
enter_project
cp "$root"/docker-compose*.yml .
sed -i.bak 's/^name: .*/name: demo-bench/' docker-compose.yml
stack_ports 0
"$demo" -q setup
# Compose itself knows nothing of the file.
LIBSQL_ADMIN_AUTH_KEY=$(cat .local/admin/admin.key)
export LIBSQL_ADMIN_AUTH_KEY

# Not local to `timed`: bash 5.2 then crashes when the command fails.
TIMEFORMAT=%R
# timed COMMAND...: seconds, on stdout alone.
timed() {
  if ! { time "$@" >words 2>&1; } 2>&1; then
    echo "compose.sh: this failed: $*" >&2
    cat words >&2
    exit 1
  fi
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
