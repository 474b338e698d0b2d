#!/usr/bin/env bash
# Runs every scenario from a clean slate and leaves nothing running.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
run_demo smoke "$@"
