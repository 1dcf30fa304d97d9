#!/usr/bin/env bash
# build.sh [ALLOCATOR]: builds every program of the cluster from Go modules, and the images that hold
# some of them. ALLOCATOR is the program tidegate-e2e-allocator, which cargo builds.
# What has been built from the same sources and with the same flags is not built again. The first
# time takes ten to fifteen minutes on two cores, nearly all of it Kubernetes.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/env.sh"

mkdir -p "$BIN" "$STAMPS" "$IMAGES"

# once NAME KEY COMMAND…: runs the command unless it has succeeded with this key before. The key is
# all that decides the result: versions, checksums of modules, this script.
once() {
  local name=$1 key begun=$SECONDS
  key=$(printf '%s\n' "$2" | sha256sum | cut -d ' ' -f 1)
  shift 2
  if [ "$(cat "$STAMPS/$name" 2>/dev/null)" = "$key" ]; then
    return
  fi
  echo "building $name"
  rm -f "$STAMPS/$name"
  "$@"
  echo "$key" >"$STAMPS/$name"
  echo "built $name in $((SECONDS - begun)) s"
}

# What a module is built from: its sums say everything about what is downloaded.
sources() {
  echo "$GOTOOLCHAIN ${GO_BUILD[*]}"
  cat "$1"/go.mod "$1"/go.sum "$1"/*.go
  type -- "$2"
}

kubernetes() {
  local version=${KUBERNETES_VERSION#v} set=k8s.io/component-base/version
  (cd "$CLUSTER/kubernetes" && "${GO_BUILD[@]}" -ldflags "-s -w -X $set.gitVersion=$KUBERNETES_VERSION \
-X $set.gitMajor=${version%%.*} -X $set.gitMinor=$(cut -d . -f 2 <<<"$version")" -o "$BIN/" \
    k8s.io/kubernetes/cmd/{kube-apiserver,kube-controller-manager,kube-scheduler,kubelet,kube-proxy,kubectl})
}

etcd() {
  (cd "$CLUSTER/etcd" && "${GO_BUILD[@]}" -ldflags '-s -w' -o "$BIN/etcd" go.etcd.io/etcd/server/v3)
}

coredns() {
  (cd "$CLUSTER/coredns" && "${GO_BUILD[@]}" -ldflags '-s -w' -o "$BIN/coredns" .)
}

echo_basic() {
  local conformance=$REPOSITORY/e2e/conformance
  (cd "$conformance/v1.6.3" && "${GO_BUILD[@]}" -ldflags '-s -w' -o "$BIN/v1.6.3/echo-basic" \
    sigs.k8s.io/gateway-api/conformance/echo-basic)
  (cd "$conformance/v1.7.0" && "${GO_BUILD[@]}" -ldflags '-s -w' -o "$BIN/v1.7.0/echo-basic" \
    sigs.k8s.io/gateway-api-conformance-images/echo-basic)
}

pause() {
  gcc -Os -static -s -Wall -Wextra -o "$BIN/pause" "$CLUSTER/pause.c"
}

once kubernetes "$KUBERNETES_VERSION $(sources "$CLUSTER/kubernetes" kubernetes)" kubernetes
once etcd "$(sources "$CLUSTER/etcd" etcd)" etcd
once coredns "$(sources "$CLUSTER/coredns" coredns)" coredns
once echo-basic "$(for suite in v1.6.3 v1.7.0; do
  sources "$REPOSITORY/e2e/conformance/$suite" echo_basic
done)" echo_basic
once pause "$(cat "$CLUSTER/pause.c")" pause
once images "$PAUSE_IMAGE $(cat "$CLUSTER"/image{,s}.sh "$STAMPS"/{echo-basic,coredns,pause})" "$CLUSTER/images.sh"

# A running cluster keeps the program that it was started with.
[ $# -eq 0 ] || cmp -s "$1" "$BIN/tidegate-e2e-allocator" ||
  install -m 0755 "$1" "$BIN/tidegate-e2e-allocator"
