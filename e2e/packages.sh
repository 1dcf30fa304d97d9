#!/usr/bin/env bash
# Installs the Debian packages whose programs the tests start, and only those that are missing:
# packages.sh [tests|cluster|image]; without a word those of the tests that need no cluster.
# No service of theirs is started: the tests and the cluster run their own instances.
set -euo pipefail

# program (as a path or a name on PATH), package
tests="
c++ g++
curl curl
openssl openssl
/usr/sbin/nginx nginx-light
redis-server redis-server
redis-cli redis-tools
/usr/sbin/mariadbd mariadb-server
mariadb mariadb-client
/usr/lib/postgresql/*/bin/initdb postgresql
psql postgresql-client
/usr/sbin/knotd knot
kdig knot-dnsutils
lua5.1 lua5.1
iperf3 iperf3
"
cluster="
containerd containerd
runc runc
/usr/lib/cni/ptp containernetworking-plugins
/usr/sbin/nft nftables
/usr/sbin/conntrack conntrack
ip iproute2
mount mount
flock util-linux
openssl openssl
gcc gcc
/usr/include/stdlib.h libc6-dev
curl curl
"
image="
c++ g++
readelf binutils
/usr/share/ca-certificates/mozilla/ISRG_Root_X1.crt ca-certificates
"
case ${1:-tests} in
  tests) wanted=$tests ;;
  cluster) wanted=$cluster ;;
  image) wanted=$image ;;
  *)
    echo "packages.sh [tests|cluster|image]" >&2
    exit 2
    ;;
esac

missing=()
while read -r program package; do
  [ -n "$program" ] || continue
  # shellcheck disable=SC2086 # the pattern is meant to expand
  command -v "$program" >/dev/null 2>&1 || ls $program >/dev/null 2>&1 || missing+=("$package")
done <<<"$wanted"
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
  echo "missing packages: ${missing[*]}; install them, or run this as root" >&2
  exit 1
fi

# invoke-rc.d asks this file before it starts a service; 101 means no.
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  chmod +x /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi

export DEBIAN_FRONTEND=noninteractive
echo "installing ${missing[*]}"
for attempt in 1 2 3; do
  if apt-get -qq update && apt-get -qq -y --no-install-recommends install "${missing[@]}" >/dev/null; then
    exit 0
  fi
  echo "attempt $attempt failed" >&2
done
exit 1
