#!/usr/bin/env bash
# Installs Tidegate in the running cluster, as it is in this tree: the image that `make image` has
# written, and config/e2e. Once more after a change: what runs with an older image is replaced.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/env.sh"

image=${TIDEGATE_IMAGE_ARCHIVE:-${CARGO_TARGET_DIR:-$REPOSITORY/target}/tidegate-image.tar}
config=$REPOSITORY/config/e2e
namespace=tidegate
[ -f "$image" ] || fail "there is no $image: make image"
[ -d "$config" ] || fail "there is no $config"

"$CLUSTER/import.sh" "$image"
# An image whose name stays the same is no change to Kubernetes; its checksum is.
digest=$(sha256sum "$image" | cut -c 1-16)
kubectl apply --server-side --force-conflicts -k "$config" >/dev/null
before=$(kubectl -n "$namespace" get configmap e2e-image -o 'jsonpath={.data.digest}' --ignore-not-found)
for deployment in $(kubectl -n "$namespace" get deployments -o name); do
  kubectl -n "$namespace" patch "$deployment" --patch \
    "{\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"tidegate.dev/e2e-image\":\"$digest\"}}}}}" >/dev/null
done
if [ -n "$before" ] && [ "$before" != "$digest" ]; then
  kubectl delete pods --all-namespaces --wait=false \
    --selector=gateway.networking.k8s.io/gateway-name >/dev/null
fi
kubectl -n "$namespace" create configmap e2e-image --from-literal=digest="$digest" \
  --dry-run=client -o yaml | kubectl apply --server-side -f - >/dev/null

for deployment in $(kubectl -n "$namespace" get deployments -o name); do
  kubectl -n "$namespace" rollout status "$deployment" --timeout=60s >/dev/null || {
    kubectl -n "$namespace" get pods -o wide >&2
    kubectl -n "$namespace" logs "$deployment" --tail=30 >&2 || true
    fail "$deployment is not available after 60 s"
  }
done
echo "Tidegate is installed: image $digest"
