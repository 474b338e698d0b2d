#!/bin/bash
# What the upstream image does before the server starts: turn SQLD_* variables
# into flags, give the data folder to uid 666, and become that user.
set -euo pipefail

readonly server_uid=666

if [[ ${1:-} == /bin/sqld ]]; then
  data=${SQLD_DB_PATH:-iku.db}
  set -- "$@" --db-path "$data" --http-listen-addr "${SQLD_HTTP_LISTEN_ADDR:-0.0.0.0:8080}"
  case ${SQLD_NODE:-} in
    primary) set -- "$@" --grpc-listen-addr "${SQLD_GRPC_LISTEN_ADDR:-0.0.0.0:5001}" ;;
    replica) set -- "$@" --primary-grpc-url "${SQLD_PRIMARY_URL:?a replica needs SQLD_PRIMARY_URL}" ;;
  esac
  mkdir -p "$data"
  chown -R "$server_uid:$server_uid" "$data"
fi

# exec: signals must arrive at the server, not at this script.
exec setpriv --reuid="$server_uid" --regid="$server_uid" --clear-groups -- "$@"
