#!/usr/bin/env bash
# Starts the cluster: one node, ready for pods, and prints where its kubeconfig is. Does nothing if
# it runs already; clears away what a crashed one has left. build.sh must have run.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/env.sh"
# shellcheck source-path=SCRIPTDIR
source "$CLUSTER/process.sh"
# shellcheck source-path=SCRIPTDIR
source "$CLUSTER/network.sh"

[ "$(id -u)" -eq 0 ] || fail "a cluster takes root: namespaces, control groups, nftables"
# The socket of containerd's second service is the longest path; the kernel takes 107 bytes.
longest=$STATE/containerd.sock.ttrpc
[ ${#longest} -le 107 ] || fail "set TIDEGATE_E2E_STATE to a shorter path: $longest"

lock

usage() {
  echo "cluster: export KUBECONFIG=$KUBECONFIG"
}

runs() {
  local name
  for name in "${PROCESSES[@]}"; do
    alive "$name" || return 1
  done
  kubectl get --raw /readyz >/dev/null 2>&1
}

if runs; then
  usage
  exit 0
fi
[ ! -e "$STATE/sysctls" ] || "$CLUSTER/down.sh"

begun=$SECONDS
failed() {
  local status=$?
  [ "$status" -ne 0 ] || return 0
  print_logs 15
  echo "the cluster has not started; whole logs are in $LOGS" >&2
  "$CLUSTER/down.sh" || true
  exit "$status"
}
trap failed EXIT

# render TEMPLATE FILE: fills in the variables of env.sh.
render() {
  local text name
  text=$(<"$CLUSTER/config/$1")
  for name in STATE NODE NODE_IP POD_CIDR CGROUP PAUSE_IMAGE; do
    text=${text//@$name@/${!name}}
  done
  mkdir -p "$(dirname "$2")"
  echo "$text" >"$2"
}

mkdir -p "$STATE"
rm -rf "$LOGS"
save_sysctls
cgroup_hierarchies | while read -r hierarchy; do
  mkdir -p "$hierarchy/$CGROUP"
done
add_network
render containerd.toml "$STATE/containerd/config.toml"
render cni.conflist "$STATE/cni/conf/10-tidegate-e2e.conflist"
render kubelet.yaml "$STATE/kubelet/config.yaml"
render kube-proxy.yaml "$STATE/kube-proxy.yaml"
render Corefile "$STATE/Corefile"
echo "nameserver $NODE_IP" >"$STATE/resolv.conf"

begin containerd containerd --config "$STATE/containerd/config.toml"
# A cluster that is thrown away needs no disk to be waited for.
begin etcd "$BIN/etcd" --name="$NODE" --data-dir="$STATE/etcd" --unsafe-no-fsync \
  --listen-client-urls="$ETCD" --advertise-client-urls="$ETCD" \
  --listen-peer-urls="http://$NODE_IP:2380" --initial-advertise-peer-urls="http://$NODE_IP:2380" \
  --initial-cluster="$NODE=http://$NODE_IP:2380" --log-level=warn
"$CLUSTER/pki.sh"

begin kube-apiserver "$BIN/kube-apiserver" \
  --bind-address="$NODE_IP" --advertise-address="$NODE_IP" --secure-port=6443 \
  --etcd-servers="$ETCD" --service-cluster-ip-range="$SERVICE_CIDR" \
  --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction \
  --allow-privileged=true --client-ca-file="$PKI/ca.crt" \
  --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" \
  --cert-dir="$STATE/apiserver" \
  --kubelet-certificate-authority="$PKI/ca.crt" --kubelet-preferred-address-types=InternalIP \
  --kubelet-client-certificate="$PKI/apiserver-kubelet-client.crt" \
  --kubelet-client-key="$PKI/apiserver-kubelet-client.key" \
  --service-account-issuer=https://kubernetes.default.svc.cluster.local \
  --service-account-key-file="$PKI/service-accounts.key" \
  --service-account-signing-key-file="$PKI/service-accounts.key"

# While the API server starts: the images, as containerd is there by now.
eventually 20 ctr --address "$CONTAINERD_SOCKET" version || fail "containerd does not answer"
for image in "$IMAGES"/*.tar; do
  "$CLUSTER/import.sh" "$image"
done

eventually 60 kubectl get --raw /readyz || fail "kube-apiserver is not ready after 60 s"
begin kube-controller-manager "$BIN/kube-controller-manager" \
  --kubeconfig="$STATE/controller-manager.kubeconfig" --leader-elect=false \
  --bind-address="$NODE_IP" --use-service-account-credentials=true \
  --root-ca-file="$PKI/ca.crt" --service-account-private-key-file="$PKI/service-accounts.key" \
  --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key"
begin kube-scheduler "$BIN/kube-scheduler" --kubeconfig="$STATE/scheduler.kubeconfig" \
  --leader-elect=false --bind-address="$NODE_IP"
begin kubelet "$BIN/kubelet" --config="$STATE/kubelet/config.yaml" \
  --kubeconfig="$STATE/node.kubeconfig" --root-dir="$STATE/kubelet" \
  --cert-dir="$STATE/kubelet/pki" --hostname-override="$NODE" --node-ip="$NODE_IP"
begin kube-proxy "$BIN/kube-proxy" --config="$STATE/kube-proxy.yaml"
begin coredns "$BIN/coredns" -conf "$STATE/Corefile"
begin allocator "$BIN/tidegate-e2e-allocator" --kubeconfig "$KUBECONFIG" \
  --pool "$LOADBALANCER_CIDR"

eventually 30 kubectl get node "$NODE" || fail "the kubelet has not registered its node"
kubectl wait node "$NODE" --for=condition=Ready --timeout=60s >/dev/null
# Without it no pod is admitted.
eventually 30 kubectl get serviceaccount default || fail "no controller has made service accounts"
# Exit status 2 of nft is "no such table".
eventually 30 nft list table ip kube-proxy || fail "kube-proxy has written no rules"
runs || fail "something ended"

cat >"$STATE/addresses.env" <<END
KUBECONFIG=$KUBECONFIG
LOADBALANCER_CIDR=$LOADBALANCER_CIDR
USABLE_ADDRESS=$USABLE_ADDRESS
UNUSABLE_ADDRESS=$UNUSABLE_ADDRESS
END
echo "cluster is up after $((SECONDS - begun)) s"
usage
