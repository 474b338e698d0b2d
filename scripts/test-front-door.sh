#!/usr/bin/env bash
# The front door as a whole: login issuer, mint, gate, servers, and the real clients, which
# npm fetches into the target folder. Arguments go to `cargo test`.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
examples=$target/front-door/examples
mkdir -p "$examples"
cp -R examples/clients examples/issuer examples/todos examples/package.json examples/package-lock.json "$examples"/
# What the packages would run at their installation is not needed, so it is not run.
npm ci --prefix "$examples" --ignore-scripts --omit=dev --no-audit --no-fund --silent

npm test --prefix "$examples" --silent

DEMO_TEST_EXAMPLES=$examples exec cargo test --locked --test front_door "$@"
