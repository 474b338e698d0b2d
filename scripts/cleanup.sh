#!/usr/bin/env bash
# Stops everything and removes what was made under .local.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
run_demo cleanup "$@"
