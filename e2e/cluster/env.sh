# shellcheck shell=bash
# Where the cluster keeps its things and which addresses it uses. The scripts of this folder source
# it; `e2e/cluster/env.sh` alone does nothing.
# shellcheck disable=SC2034 # its variables are used by the scripts

CLUSTER=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPOSITORY=$(cd "$CLUSTER/../.." && pwd)

# What is built stays between runs; several working trees may share it.
CACHE=${TIDEGATE_E2E_CACHE:-$REPOSITORY/e2e/.cache}
BIN=$CACHE/bin
STAMPS=$CACHE/stamps
IMAGES=$CACHE/images

# What one cluster leaves on the disk. `down.sh` removes all of it but the logs.
STATE=${TIDEGATE_E2E_STATE:-$CACHE/state}
LOGS=$STATE/logs
PKI=$STATE/pki
CONTAINERD_SOCKET=$STATE/containerd.sock
export KUBECONFIG=$STATE/admin.kubeconfig
export KUBECACHEDIR=$STATE/kubectl

# The compiler of Kubernetes 1.37.
export GOTOOLCHAIN=go1.27.4
# The newest is built as Debian's is: the programs run wherever these scripts do.
export CGO_ENABLED=0
GO_BUILD=(go build -buildvcs=false -trimpath)

KUBERNETES_VERSION=v1.37.2
PAUSE_IMAGE=tidegate.dev/e2e/pause:1

# The node's address is on an interface of its own, and every port of the cluster is bound to it:
# nothing is reachable from another machine, and nothing is taken that something else may want.
# These networks are routed on this machine only.
NODE=tidegate-e2e
LINK=tidegate-e2e
NODE_IP=172.30.100.1
POD_CIDR=172.30.128.0/20
SERVICE_CIDR=172.30.64.0/20
KUBERNETES_SERVICE_IP=172.30.64.1
LOADBALANCER_CIDR=172.30.200.0/24
# For the conformance suite: an address that a Gateway may ask for, which no other gets as long as
# there are not hundreds, and one that nobody can give.
USABLE_ADDRESS=172.30.200.250
UNUSABLE_ADDRESS=172.30.201.1
NETWORK=172.30.0.0/16
API_SERVER=https://$NODE_IP:6443
ETCD=http://$NODE_IP:2379

# In the order of their start.
PROCESSES=(containerd etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy
  coredns allocator)

# Everything that runs for the cluster runs in control groups of this name.
CGROUP=tidegate-e2e

fail() {
  echo "$*" >&2
  exit 1
}

# True as soon as the command is; false when it still is not after so many seconds.
eventually() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.2
  done
}

kubectl() {
  "$BIN/kubectl" "$@"
}

# Where the directory of a Go module is; downloads it if need be.
module() {
  (cd / && go mod download -json "$1") | sed -n 's/^\t"Dir": "\(.*\)",\?$/\1/p'
}
