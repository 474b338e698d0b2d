#!/usr/bin/env bash
# Makes the CA, server and client certificates, where missing or out of date.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
run_demo certs generate "$@"
