# shellcheck shell=bash
# Sourced by the tests that need more than Rust and npm. They have a function
# `not_tested REASON`, which says why nothing was tried and ends.

# The file that keeps packages from starting their services, while it is ours.
policy=

# install_missing: of the lines `PROGRAM PACKAGE` on stdin, installs on Debian, as root,
# the packages of the programs that are not there.
install_missing() {
  local missing=() program package words
  while read -r program package; do
    command -v "$program" >/dev/null || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    not_tested "missing and not installed (no root, or no apt-get): ${missing[*]}"
  fi
  export DEBIAN_FRONTEND=noninteractive
  # Else there are daemons and databases that nobody here would stop.
  if [ ! -e /usr/sbin/policy-rc.d ]; then
    policy=/usr/sbin/policy-rc.d
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  for words in "update -qq" "install -y -qq --no-install-recommends ${missing[*]}"; do
    # shellcheck disable=SC2086 # words
    apt-get -o DPkg::Lock::Timeout=300 $words >&2 || not_tested "apt-get cannot install ${missing[*]}"
  done
  let_services_start
}

# let_services_start: packages may start their services again; also at the end of a
# test that was cut off.
let_services_start() {
  [ -z "$policy" ] || rm -f "$policy"
  policy=
}
