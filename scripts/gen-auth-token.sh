#!/usr/bin/env bash
# Prints a new token, and nothing else, on stdout.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
run_demo token mint "$@"
