#!/usr/bin/env bash
# Installs the CRDs of one release and channel of Gateway API in the running cluster, in place of any
# other: crds.sh v1.6.3 standard. The suites refuse to run on another release's. What was there of
# Gateway API goes with its CRDs.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/env.sh"

[ $# -eq 2 ] || fail "crds.sh VERSION standard|experimental"
version=$1
channel=$2
folder=$(module "sigs.k8s.io/gateway-api@$version")/config/crd/$channel
[ -d "$folder" ] || fail "Gateway API $version has no channel $channel"

# What is installed, as "version channel", one line for each pair.
installed() {
  kubectl get customresourcedefinitions -o go-template='{{range .items}}{{with .metadata.annotations}}{{index . "gateway.networking.k8s.io/bundle-version"}} {{index . "gateway.networking.k8s.io/channel"}}
{{end}}{{end}}' | grep '^v' | sort -u || true
}

have=$(installed)
if [ "$have" = "$version $channel" ]; then
  exit 0
fi
if [ -n "$have" ]; then
  # The release forbids to go back or to the other channel, by a policy that is part of it.
  kubectl delete --ignore-not-found --wait=true \
    validatingadmissionpolicybindings,validatingadmissionpolicies \
    safe-upgrades.gateway.networking.k8s.io >/dev/null
  kubectl get customresourcedefinitions -o name | grep -E '\.gateway\.networking\.(x-)?k8s\.io$' |
    xargs "$BIN/kubectl" delete --wait=true >/dev/null
fi

files=()
for file in "$folder"/gateway.networking.*.yaml; do
  files+=(-f "$file")
done
kubectl apply --server-side "${files[@]}" >/dev/null
kubectl get customresourcedefinitions -o name | grep -E '\.gateway\.networking\.(x-)?k8s\.io$' |
  xargs "$BIN/kubectl" wait --for=condition=Established --timeout=30s >/dev/null
echo "cluster has Gateway API $version, channel $channel"
