#!/usr/bin/env bash
# The tests of the docker engine, on a real daemon. As root on Debian it installs
# what it needs, starts a daemon where none answers and stops it afterwards; the
# image is built here, since nothing has to be pulled. Arguments go to `cargo test`.
#
# Exit 77: nothing was tested, since this machine has no daemon and can start none,
# or lacks a tool and cannot get it. A test that fails keeps its own status.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

# not_tested REASON: as loud as a failure, and not one.
not_tested() {
  echo "== docker: not tested on this machine: $*" >&2
  exit 77
}

# Docker Compose 2.26.1 of Debian trixie: bookworm's own is version 1.
compose_deb=pool/main/d/docker-compose/docker-compose_2.26.1-4_amd64.deb
compose_sha256=47681197cb2b1ab88206b42a1a92fc75f50d9530a6322d03494a473eed0408ea

scratch=$(mktemp -d)
daemon=
finish() {
  local status=$? left
  # Containers of projects under this target folder; and those of the tests' names
  # that never ran, which nothing else owns.
  left=$({
    docker ps -a --format '{{.ID}} {{.Label "com.docker.compose.project.working_dir"}}' |
      awk -v folder="${CARGO_TARGET_DIR:-$PWD/target}/tmp/" 'index($2, folder) == 1 { print $1 }'
    docker ps -a --format '{{.ID}}' --filter name=demo-test-project- --filter status=created
  } 2>/dev/null | sort -u || true)
  if [ -n "$left" ]; then
    echo "== containers were left: ${left//$'\n'/, }" >&2
    xargs docker rm -f >/dev/null <<<"$left" || true
    [ "$status" -ne 0 ] || status=1
  fi
  if [ -n "$daemon" ]; then
    kill "$daemon" 2>/dev/null || true
    wait "$daemon" || true
  fi
  let_services_start
  rm -rf "$scratch"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

install_missing <<'LIST'
dockerd docker.io
docker docker.io
iptables iptables
debootstrap debootstrap
docker-registry docker-registry
curl curl
LIST

if ! docker info >/dev/null 2>&1; then
  [ "$(id -u)" -eq 0 ] || not_tested "no Docker engine answers, and only root can start one"
  dockerd >"$scratch/dockerd.log" 2>&1 &
  daemon=$!
  # Each try waits for the daemon's answer, or fails at once.
  for _ in $(seq 300); do
    docker info >/dev/null 2>&1 && break
    kill -0 "$daemon" 2>/dev/null || break
    read -rt 0.1 <> <(:) || true
  done
  if ! docker info >/dev/null 2>&1; then
    tail -20 "$scratch/dockerd.log" >&2
    not_tested "dockerd does not start; its last lines are above"
  fi
fi

if ! docker compose version >/dev/null 2>&1; then
  # From the mirror that apt uses here.
  # shellcheck disable=SC2016 # apt-get's own format
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Release: bookworm' | head -n 1)
  curl -fsS --max-time 120 "${mirror%/}/$compose_deb" -o "$scratch/compose.deb" ||
    not_tested "Docker Compose cannot be fetched"
  echo "$compose_sha256  $scratch/compose.deb" | sha256sum --check --quiet
  dpkg-deb -x "$scratch/compose.deb" "$scratch/compose"
  export DOCKER_CONFIG=$scratch/docker-config
  mkdir -p "$DOCKER_CONFIG/cli-plugins"
  cp "$scratch/compose/usr/libexec/docker/cli-plugins/docker-compose" "$DOCKER_CONFIG/cli-plugins/"
fi

scripts/build-base.sh >&2 || not_tested "the base image cannot be made"
cargo build --locked --quiet
DEMO_TEST_IMAGE=$(target=${CARGO_TARGET_DIR:-target} && "$target/debug/demo" -q image build --base libsql-demo/base:bookworm)
export DEMO_TEST_IMAGE
cargo test --locked --test docker "$@"
