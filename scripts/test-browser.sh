#!/usr/bin/env bash
# The HTML report in a real browser, headless. It needs chromedriver and a Chromium of the
# same version (Debian: chromium and chromium-driver) and fails without them. Arguments go
# to `cargo test`.
set -euo pipefail
cd "$(dirname "$0")/.."

exec cargo test --locked --test browser "$@"
