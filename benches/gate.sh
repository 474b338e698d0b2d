#!/usr/bin/env bash
# The gate beside the server alone and beside a bare nginx, in one run with the
# same requests: throughput ratios, median latencies and what is added to them (the
# medians of all rounds), the processor's time for each request (user and system, of the
# gate and of nginx with its workers), and the memory of the gate over many requests. The
# gate has its default limits. It never fails for being slow.
#
#   benches/gate.sh                builds the binary first (profile dist)
#   DEMO=/path/demo SECONDS_EACH=5 ROUNDS=20 REQUESTS=200000 benches/gate.sh
set -euo pipefail
. "$(dirname "$0")/lib.sh"

seconds=${SECONDS_EACH:-1} rounds=${ROUNDS:-30} requests=${REQUESTS:-200000}
need wrk nginx python3 curl
find_demo

gate_pid='' nginx_pid=''
finish() {
  for pid in $gate_pid $nginx_pid; do
    if kill "$pid" 2>/dev/null; then wait "$pid" 2>/dev/null || true; fi
  done
  leave_project
}
trap finish EXIT
enter_project
stack_ports 2
gate=${more_ports[0]} nginx=${more_ports[1]}

"$demo" -q up --variant namespaced >/dev/null
"$demo" -q namespace create bench >/dev/null
token=$("$demo" -q token mint --namespace bench)
primary=127.0.0.1:$PRIMARY_HTTP_PORT

cat >gate.yaml <<YAML
listen: 127.0.0.1:$gate
primary: http://$primary
keys: .local/jwt/jwt.pub
YAML
"$demo" gate serve -c gate.yaml --log-level warn 2>gate.log &
gate_pid=$!

mkdir -p nginx
cat >nginx.conf <<CONF
daemon off; worker_processes auto; pid $project/nginx/pid; error_log $project/nginx/error.log warn;
events { worker_connections 1024; }
http {
  access_log off; client_body_temp_path $project/nginx/body; proxy_temp_path $project/nginx/proxy;
  fastcgi_temp_path $project/nginx/f; uwsgi_temp_path $project/nginx/u; scgi_temp_path $project/nginx/s;
  keepalive_requests 1000000;
  upstream sqld { server $primary; keepalive 128; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:$nginx;
    location / { proxy_pass http://sqld; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
CONF
nginx -e "$project/nginx/error.log" -c "$project/nginx.conf" &
nginx_pid=$!

umask 077
cat >request.lua <<LUA
wrk.method = "POST"
wrk.path = "/v2/pipeline"
wrk.headers["Authorization"] = "Bearer $token"
wrk.headers["x-namespace-bin"] = "$(printf bench | base64 | tr -d =)"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"requests":[{"type":"execute","stmt":{"sql":"select 1"}},{"type":"close"}]}'
done = function(summary, latency)
  io.write(string.format("\nRESULT %.1f %.4f %d %d\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, summary.requests,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout))
end
LUA

# curl itself waits until they listen.
for port in "$gate" "$nginx"; do
  curl --silent --retry 50 --retry-connrefused --retry-delay 0 --retry-max-time 10 --max-time 10 \
    --output /dev/null "http://127.0.0.1:$port/version"
done

# shot NAME PORT CONNECTIONS SECONDS: requests a second, median in ms; appended to NAME.
shot() {
  wrk -t1 -c"$3" -d"${4}s" -s request.lua "http://127.0.0.1:$2" | awk '/^RESULT/ { print $2, $3, $4, $5 }' >>"$1"
}
# Hundredths of a second that the processes $2... have had, appended to $1.
ticks() {
  local name=$1 sum=0 pid stat
  shift
  for pid in "$@"; do
    read -r -a stat < <(sed 's/.*) //' "/proc/$pid/stat")
    sum=$((sum + stat[11] + stat[12]))
  done
  echo "$sum" >>"$name"
}
nginx_pids() { echo "$nginx_pid $(cat "/proc/$nginx_pid/task/$nginx_pid/children")"; }
processor() {
  case $1 in
    nginx)
      local pids
      read -r -a pids < <(nginx_pids)
      ticks nginx.ticks "${pids[@]}"
      ;;
    gate) ticks gate.ticks "$gate_pid" ;;
  esac
}
for _ in $(seq "$rounds"); do
  for pair in "server:$PRIMARY_HTTP_PORT" "nginx:$nginx" "gate:$gate"; do
    processor "${pair%%:*}"
    shot "${pair%%:*}.many" "${pair##*:}" 16 "$seconds"
    processor "${pair%%:*}"
    shot "${pair%%:*}.one" "${pair##*:}" 1 "$seconds"
  done
done

rss() { awk '/^VmRSS/ { print $2 }' "/proc/$gate_pid/status"; }
before=$(rss)
sent=0
while [ "$sent" -lt "$requests" ]; do
  shot flood "$gate" 16 "$seconds"
  sent=$(awk '{ sum += $3 } END { print sum }' flood)
done
after=$(rss)

python3 - "$before" "$after" "$sent" "$(getconf CLK_TCK)" <<'PY'
import statistics, sys
def rows(name): return [list(map(float, line.split())) for line in open(name)]
def median(name, column): return statistics.median(row[column] for row in rows(name))
wrong = sum(row[3] for kind in ("many", "one") for who in ("server", "nginx", "gate") for row in rows(f"{who}.{kind}"))
# Each round beside the server of the same round: machines are quick and slow by turns.
def paired(who, column, of):
    return [of(mine[column], base[column]) for mine, base in zip(rows(who), rows("server" + who[who.index("."):]))]
# Microseconds of the processor for each request of all rounds with 16 connections.
def processor(who):
    if who == "server": return None
    ticks = [row[0] for row in rows(f"{who}.ticks")]
    spent = sum(after - before for before, after in zip(ticks[::2], ticks[1::2]))
    return spent / float(sys.argv[4]) * 1e6 / sum(row[2] for row in rows(f"{who}.many"))
print(f"{'':8}{'req/s, 16':>12}{'of server':>11}{'each round':>14}{'median ms, 1':>14}{'added ms':>10}{'CPU us/req':>12}")
for who in ("server", "nginx", "gate"):
    shares = paired(f"{who}.many", 0, lambda mine, base: mine / base)
    added = statistics.median(paired(f"{who}.one", 1, lambda mine, base: mine - base))
    spread = f"{min(shares):.2f}-{max(shares):.2f}"
    cost = processor(who)
    cost = "" if cost is None else f"{cost:.0f}"
    print(f"{who:8}{median(f'{who}.many', 0):12.0f}{statistics.median(shares):11.2f}{spread:>14}{median(f'{who}.one', 1):14.3f}{added:10.3f}{cost:>12}")
of_nginx = statistics.median(gate[0] / nginx[0] for gate, nginx in zip(rows("gate.many"), rows("nginx.many")))
print(f"gate     {of_nginx:.2f} of nginx's requests a second, {processor('gate') / processor('nginx'):.2f} times its CPU for each request")
print(f"errors   {wrong:.0f}")
print(f"memory   {int(sys.argv[1]) / 1024:.1f} MiB before, {int(sys.argv[2]) / 1024:.1f} MiB after {sys.argv[3]} requests")
print("targets  gate at least 0.95 of nginx and at most 2 times its CPU, less than 0.25 ms added, memory flat")
PY
