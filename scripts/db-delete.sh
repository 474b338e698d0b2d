#!/usr/bin/env bash
# Deletes a namespace with all its data: db-delete.sh NAME
set -euo pipefail
. "$(dirname "$0")/lib.sh"
need_name "$@"
run_demo namespace delete "$@"
