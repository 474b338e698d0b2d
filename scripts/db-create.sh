#!/usr/bin/env bash
# Makes a namespace: db-create.sh NAME
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_name "$@"
run_demo namespace create "$@"
