#!/usr/bin/env bash
# Makes keys, a token, certificates and folders; a second run changes nothing.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
run_demo setup "$@"
