#!/usr/bin/env bash
# Writes Tidegate's image without any container tool: write.sh PROGRAM ARCHIVE REFERENCE
#
# Inside are one static program and the public certificate authorities, for backends whose
# BackendTLSPolicy trusts the system's. The same program gives the same bytes, on machines with the
# same ca-certificates.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
program=$1 archive=$2 reference=$3

# glibc finds names by itself when it is linked statically, since 2.34: before, it would look for
# libraries that the image does not have.
if readelf --program-headers "$program" | grep -q INTERP; then
  echo "$program is not static: build it with -C target-feature=+crt-static" >&2
  exit 1
fi
glibc=$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)
if [ "$(printf '%s\n' 2.34 "$glibc" | sort -V | head -n 1)" != 2.34 ]; then
  echo "glibc $glibc cannot find names in a static program; 2.34 or newer can" >&2
  exit 1
fi

# Not this machine's own bundle: it may trust more than the world does.
shopt -s nullglob
authorities=(/usr/share/ca-certificates/mozilla/*.crt)
[ ${#authorities[@]} -gt 0 ] || {
  echo "there are no public certificate authorities: apt-get install ca-certificates" >&2
  exit 1
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
LC_ALL=C cat "${authorities[@]}" >"$scratch/ca-certificates.crt"

export IMAGE_LABELS="{\"org.opencontainers.image.title\":\"tidegate\",\"org.opencontainers.image.licenses\":\"Apache-2.0\",\"org.opencontainers.image.version\":\"${reference##*:}\",\"org.opencontainers.image.revision\":\"${TIDEGATE_REVISION:-unknown}\"}"
"$here/../../e2e/cluster/image.sh" "$archive" "$reference" \
  "$program=/tidegate" "$scratch/ca-certificates.crt=/etc/ssl/certs/ca-certificates.crt"
echo "$archive: $reference, $(stat -c %s "$archive" | awk '{ printf "%.1f MB", $1 / 1e6 }')"
