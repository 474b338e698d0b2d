#!/usr/bin/env bash
# The tests of the docker engine, on a real daemon. As root on Debian it installs
# what it needs, starts a daemon where none answers and stops it afterwards; the
# image is built here, since nothing has to be pulled. Arguments go to `cargo test`.
set -euo pipefail
cd "$(dirname "$0")/.."

# Docker Compose 2.26.1 of Debian trixie: bookworm's own is version 1.
compose_deb=pool/main/d/docker-compose/docker-compose_2.26.1-4_amd64.deb
compose_sha256=47681197cb2b1ab88206b42a1a92fc75f50d9530a6322d03494a473eed0408ea

scratch=$(mktemp -d)
daemon=
finish() {
  if [ -n "$daemon" ]; then
    kill "$daemon" 2>/dev/null || true
    wait "$daemon" || true
  fi
  rm -rf "$scratch"
}
trap finish EXIT

missing=()
while read -r program package; do
  command -v "$program" >/dev/null || missing+=("$package")
done <<'LIST'
dockerd docker.io
docker docker.io
iptables iptables
debootstrap debootstrap
docker-registry docker-registry
curl curl
LIST
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "missing: ${missing[*]}" >&2
    exit 2
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get -o DPkg::Lock::Timeout=300 update -qq
  apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "${missing[@]}" >&2
fi

if ! docker info >/dev/null 2>&1; then
  dockerd >"$scratch/dockerd.log" 2>&1 &
  daemon=$!
  # Each try waits for the daemon's answer, or fails at once.
  for _ in $(seq 300); do
    docker info >/dev/null 2>&1 && break
    kill -0 "$daemon" 2>/dev/null || { tail -20 "$scratch/dockerd.log" >&2; exit 1; }
    read -rt 0.1 <> <(:) || true
  done
  docker info >/dev/null
fi

if ! docker compose version >/dev/null 2>&1; then
  # From the mirror that apt uses here.
  # shellcheck disable=SC2016 # apt-get's own format
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Release: bookworm' | head -n 1)
  curl -fsS --max-time 120 "${mirror%/}/$compose_deb" -o "$scratch/compose.deb"
  echo "$compose_sha256  $scratch/compose.deb" | sha256sum --check --quiet
  dpkg-deb -x "$scratch/compose.deb" "$scratch/compose"
  export DOCKER_CONFIG=$scratch/docker-config
  mkdir -p "$DOCKER_CONFIG/cli-plugins"
  cp "$scratch/compose/usr/libexec/docker/cli-plugins/docker-compose" "$DOCKER_CONFIG/cli-plugins/"
fi

scripts/build-base.sh >&2
cargo build --locked --quiet
DEMO_TEST_IMAGE=$(target=${CARGO_TARGET_DIR:-target} && "$target/debug/demo" -q image build --base libsql-demo/base:bookworm)
export DEMO_TEST_IMAGE
cargo test --locked --test docker "$@"
