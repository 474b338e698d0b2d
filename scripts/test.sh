#!/usr/bin/env bash
# The test command: formatting, lints, scripts, tests. Arguments go to `cargo test`.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo fmt --all --check
cargo clippy --locked --workspace --all-targets -- -D warnings
if command -v shellcheck >/dev/null; then
  shellcheck .ci/run scripts/*.sh benches/*.sh
else
  echo "note: shellcheck is not installed, so the shell scripts were not checked" >&2
fi
exec cargo test --locked --workspace "$@"
