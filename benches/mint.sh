#!/usr/bin/env bash
# How many tokens a second `demo mint serve` gives, beside a bare /healthz of the
# same process in the same run, and what its memory does over 200,000 requests.
# It never fails for being slow.
#
#   benches/mint.sh                      builds the binary first (profile dist)
#   DEMO=/path/demo benches/mint.sh      LOGINS=1000 ROUND=10s MINIMUM=200000
#
# All logins are of different users, verified with an ES256 key of the issuer in
# examples/; the namespaces are there when the clock starts.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

logins=${LOGINS:-1000}
round=${ROUND:-10s}
minimum=${MINIMUM:-200000}
need wrk node curl python3
find_demo

mint=
issuer=
finish() {
  for pid in $mint $issuer; do kill "$pid" 2>/dev/null || true; done
  leave_project
}
trap finish EXIT
enter_project
stack_ports 3
issuer_port=${more_ports[0]} mint_port=${more_ports[1]} metrics_port=${more_ports[2]}

"$demo" -q up --variant namespaced >/dev/null
node "$root/examples/issuer/issuer.mjs" --listen "127.0.0.1:$issuer_port" --key issuer.pem >issuer.log 2>&1 &
issuer=$!
cat >mint.yaml <<YAML
listen: 127.0.0.1:$mint_port
adminListen: 127.0.0.1:$metrics_port
login:
  issuer: http://127.0.0.1:$issuer_port/auth/v1
  audience: authenticated
  role: authenticated
  jwks: http://127.0.0.1:$issuer_port/auth/v1/.well-known/jwks.json
token:
  databaseUrl: http://{namespace}.localhost:$PRIMARY_HTTP_PORT
keys:
  active: .local/jwt/jwt.key
admin:
  url: http://127.0.0.1:$PRIMARY_ADMIN_PORT
  key: ${LIBSQL_ADMIN_AUTH_KEY:-local-admin-key}
limits: {perUserPerMinute: 100000000, perAddressPerMinute: 100000000}
YAML
"$demo" mint serve --log-format json >mint.log 2>&1 &
mint=$!
base=http://127.0.0.1:$mint_port
metrics=http://127.0.0.1:$metrics_port
for url in "http://127.0.0.1:$issuer_port/auth/v1/health" "$metrics/healthz"; do
  curl -fs --retry 30 --retry-delay 1 --retry-connrefused -o /dev/null "$url"
done
node "$root/examples/issuer/logins.mjs" --key issuer.pem --issuer "http://127.0.0.1:$issuer_port/auth/v1" --count "$logins" >logins.txt

rss() { awk '/VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$mint/status"; }
minted() { curl -fsS "$metrics/metrics" | awk '/^demo_mint_outcomes_total\{code="minted"\}/ { print $2; found = 1 } END { if (!found) print 0 }'; }

# Every namespace is made, and every login seen, before the clock starts.
separator=
while IFS= read -r login; do
  printf '%surl = "%s/token"\nheader = "Authorization: Bearer %s"\nrequest = "POST"\noutput = "/dev/null"\n' "$separator" "$base" "$login"
  separator=$'next\n'
done <logins.txt >first.conf
chmod 600 first.conf
curl -sS -K first.conf
[ "$(minted)" = "$logins" ] || { echo "the first $logins logins did not all get a token: $(tail -1 mint.log)" >&2; exit 1; }

cat >token.lua <<'LUA'
local requests, next_one = {}, 0
function init()
  for line in io.lines("logins.txt") do
    requests[#requests + 1] = wrk.format("POST", "/token", { ["Authorization"] = "Bearer " .. line })
  end
  next_one = math.random(#requests)
end
function request()
  next_one = next_one % #requests + 1
  return requests[next_one]
end
function done(summary)
  local refused = summary.errors.status + summary.errors.read + summary.errors.timeout
  io.write(string.format("%.0f %d\n", summary.requests / summary.duration * 1e6, refused))
end
LUA
cat >health.lua <<'LUA'
function done(summary)
  io.write(string.format("%.0f %d\n", summary.requests / summary.duration * 1e6, summary.errors.status))
end
LUA

load() { wrk -t1 -c32 -d"$2" -s "$1" "${3:-$base/token}" | tail -1; }

read -r healthy _ < <(load health.lua "$round" "$metrics/healthz")
before=$(rss)
echo "memory before: $before MiB, after $logins logins"
best=0
while [ "$(minted)" -lt "$minimum" ]; do
  read -r rate refused < <(load token.lua "$round")
  echo "tokens a second: $rate, not 200: $refused, minted so far: $(minted), memory: $(rss) MiB"
  [ "$rate" -gt 0 ] || break
  [ "$rate" -le "$best" ] || best=$rate
done
awk -v best="$best" -v healthy="$healthy" -v before="$before" -v after="$(rss)" 'BEGIN {
  printf "\ntokens a second, best round   %d   (5,000 wanted)\n", best
  printf "/healthz a second             %d\n", healthy
  printf "mint / healthz                %.2f\n", best / healthy
  printf "memory                        %.1f MiB before, %.1f MiB after\n", before, after
}'
