#!/usr/bin/env bash
# Writes an image without any container tool: static programs and files on nothing.
#
#   image.sh ARCHIVE REFERENCE[,REFERENCE…] PROGRAM[=/PATH] [FILE=/PATH]…
#
# The first file is the entry point; without =/PATH a file lies at the root under its own name.
# The archive is an OCI layout that `docker load` reads too. The same input gives the same bytes:
# no time, user or order of this machine gets in. IMAGE_USER is the numeric user (65532:65532),
# IMAGE_LABELS a JSON object of labels.
set -euo pipefail

[ $# -ge 3 ] || {
  sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
archive=$1
IFS=, read -ra references <<<"$2"
shift 2
user=${IMAGE_USER:-65532:65532}
case $(uname -m) in
  x86_64) architecture=amd64 ;;
  aarch64) architecture=arm64 ;;
  *) architecture=$(uname -m) ;;
esac

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$scratch/root" "$scratch/layout/blobs/sha256"

entry=
for item in "$@"; do
  file=${item%%=*}
  path=/$(basename "$file")
  [ "$item" = "$file" ] || path=${item#*=}
  mode=0644
  [ ! -x "$file" ] || mode=0755
  install -D -m "$mode" "$file" "$scratch/root$path"
  entry=${entry:-$path}
done
# Folders have the mode that the umask of whoever calls leaves them, unless it is said.
find "$scratch/root" -type d -exec chmod 0755 {} +

deterministic_tar() {
  tar --create --format=ustar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner "$@"
}

# blob FILE: moves it into the layout; sets digest and size.
blob() {
  digest=$(sha256sum "$1" | cut -d ' ' -f 1)
  size=$(stat -c %s "$1")
  mv "$1" "$scratch/layout/blobs/sha256/$digest"
}

(cd "$scratch/root" && find . -mindepth 1 -printf '%P\n' | LC_ALL=C sort |
  deterministic_tar --no-recursion --files-from=-) >"$scratch/layer"
blob "$scratch/layer"
layer=$digest
layer_size=$size

printf '{"created":"1970-01-01T00:00:00Z","architecture":"%s","os":"linux","config":{"User":"%s","Entrypoint":["%s"],"WorkingDir":"/","Labels":%s},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created":"1970-01-01T00:00:00Z"}]}' \
  "$architecture" "$user" "$entry" "${IMAGE_LABELS:-null}" "$layer" >"$scratch/config"
blob "$scratch/config"
config=$digest

printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%d},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:%s","size":%d}]}' \
  "$config" "$size" "$layer" "$layer_size" >"$scratch/manifest"
blob "$scratch/manifest"

manifests=
names=
for reference in "${references[@]}"; do
  manifests+=$(printf ',{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%d,"annotations":{"io.containerd.image.name":"%s","org.opencontainers.image.ref.name":"%s"},"platform":{"architecture":"%s","os":"linux"}}' \
    "$digest" "$size" "$reference" "${reference##*:}" "$architecture")
  names+=",\"$reference\""
done
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[%s]}' \
  "${manifests#,}" >"$scratch/layout/index.json"
printf '{"imageLayoutVersion":"1.0.0"}' >"$scratch/layout/oci-layout"
# What `docker save` writes beside them.
printf '[{"Config":"blobs/sha256/%s","RepoTags":[%s],"Layers":["blobs/sha256/%s"]}]' \
  "$config" "${names#,}" "$layer" >"$scratch/layout/manifest.json"
chmod 0755 "$scratch/layout" "$scratch/layout/blobs" "$scratch/layout/blobs/sha256"
find "$scratch/layout" -type f -exec chmod 0644 {} +

mkdir -p "$(dirname "$archive")"
(cd "$scratch/layout" && find . -mindepth 1 -printf '%P\n' | LC_ALL=C sort |
  deterministic_tar --no-recursion --files-from=-) >"$scratch/archive"
mv "$scratch/archive" "$archive"
