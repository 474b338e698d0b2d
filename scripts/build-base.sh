#!/usr/bin/env bash
# Makes the base image for `demo image build` on a machine that can pull nothing:
# a minimal Debian, by debootstrap. Needs root and Docker.
#
#   scripts/build-base.sh [NAME]        default: libsql-demo/base:bookworm
set -euo pipefail

name=${1:-libsql-demo/base:bookworm}
suite=bookworm
# The mirror that apt uses here, if it is apt's machine; else debootstrap's own choice.
# shellcheck disable=SC2016 # apt-get's own format
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' "Release: $suite" 2>/dev/null | head -n 1 || true)

if docker image inspect "$name" >/dev/null 2>&1; then
  echo "$name is there already" >&2
  exit 0
fi

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
# setpriv is in util-linux, which even the smallest Debian has. The server panics
# at start where there are no CA certificates (measured on 0.24.32).
debootstrap --variant=minbase --include=ca-certificates "$suite" "$root" ${mirror:+"$mirror"} >&2
rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
tar -C "$root" -c . | docker import - "$name"
