#!/usr/bin/env bash
# Compares `demo count` and `demo token mint` with curl sending the request that
# `count` sends, in one run on one standing stack of its own, and prints medians,
# ratios and peak memory against the targets. It never fails for being slow.
#
#   benches/compare.sh             builds the binary first (profile dist)
#   DEMO=/path/demo benches/compare.sh
set -euo pipefail
. "$(dirname "$0")/lib.sh"

runs=${RUNS:-100}
need curl python3
find_demo
trap leave_project EXIT
enter_project
stack_ports 0

"$demo" -q setup >/dev/null
"$demo" -q up >/dev/null
"$demo" -q run --label first >/dev/null

# The same request, its token out of the process list.
cat >curl.conf <<CONF
url = "http://127.0.0.1:$PRIMARY_HTTP_PORT/v2/pipeline"
header = "Authorization: Bearer $(cat .local/jwt/jwt.token)"
header = "Content-Type: application/json"
data = "{\"requests\":[{\"type\":\"execute\",\"stmt\":{\"sql\":\"select count(*) from items\"}},{\"type\":\"close\"}]}"
silent
fail
CONF
chmod 600 curl.conf
curl -K curl.conf | grep -q '"value":"1"'
[ "$("$demo" count)" = 1 ]

# median MILLISECONDS-FILE; one number a line.
median() { sort -n "$1" | awk '{ v[NR] = $1 } END { printf "%.2f", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# measure NAME COMMAND...: wall times in ms into NAME.ms.
measure() {
  local name=$1 began i
  shift
  if command -v hyperfine >/dev/null; then
    hyperfine --shell=none --warmup 10 --runs "$runs" --style none --export-json "$name.json" "$(printf '%q ' "$@")" >/dev/null 2>&1
    python3 -c 'import json, sys; print(*(t * 1000 for t in json.load(open(sys.argv[1]))["results"][0]["times"]), sep="\n")' "$name.json" >"$name.ms"
  else
    for ((i = 0; i < runs; i++)); do
      began=$(date +%s%N)
      "$@" >/dev/null
      echo $(($(date +%s%N) - began)) | awk '{ print $1 / 1e6 }'
    done >"$name.ms"
  fi
}

# peak COMMAND...: the most memory it had, in MiB. Without GNU time it is an upper
# bound: a child of python counts the memory of python before its exec.
peak() {
  if /usr/bin/time -f %M true >/dev/null 2>&1; then
    /usr/bin/time -f %M -o peak.kib "$@" >/dev/null
    awk '{ printf "%.1f", $1 / 1024 }' peak.kib
  else
    python3 -c '
import resource, subprocess, sys
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
unit = 1024 * 1024 if sys.platform == "darwin" else 1024
print("%.1f" % (resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / unit))' "$@"
  fi
}

measure curl curl -K curl.conf
measure count "$demo" count
measure mint "$demo" token mint

base=$(median curl.ms)
# row NAME LABEL TARGET-IN-MS COMMAND...
row() {
  local name=$1 label=$2 limit=$3 value memory
  shift 3
  value=$(median "$name.ms")
  memory=$(peak "$@")
  awk -v n="$label" -v v="$value" -v b="$base" -v m="$memory" -v l="$limit" 'BEGIN {
    target = l == "-" ? "" : sprintf("< %d ms, 25 MiB", l)
    verdict = l == "-" ? "" : (v < l && m < 25 ? "within" : "over")
    printf "%-18s %8.2f ms  %6.2fx  %6.1f MiB  %-14s %s\n", n, v, v / b, m, target, verdict }'
}

timer=hyperfine
command -v hyperfine >/dev/null || timer='date +%s%N'
echo "$(uname -sm), $(getconf _NPROCESSORS_ONLN) cores, $runs runs each, timed by $timer"
printf '%-18s %11s  %7s  %10s  %-14s\n' command median 'to curl' 'peak' target
row curl 'curl (pipeline)' - curl -K curl.conf
row count 'demo count' 15 "$demo" count
row mint 'demo token mint' 5 "$demo" token mint
