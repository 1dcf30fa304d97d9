#!/usr/bin/env bash
# Makes the certificates of one cluster, valid for a month, and the kubeconfigs that hold some.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/env.sh"

umask 077
mkdir -p "$PKI"
cd "$PKI"

key() {
  openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"
}

# certificate NAME SUBJECT EXTENSIONS: signed by the cluster's authority.
certificate() {
  key "$1"
  openssl req -new -key "$1.key" -subj "$2" |
    openssl x509 -req -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out "$1.crt" \
      -extfile <(printf 'keyUsage=critical,digitalSignature\n%s\n' "$3") 2>/dev/null
}

# kubeconfig NAME FILE: for the client certificate of that name.
kubeconfig() {
  cat >"$2" <<END
apiVersion: v1
kind: Config
clusters:
- name: tidegate-e2e
  cluster:
    server: $API_SERVER
    certificate-authority-data: $(base64 -w 0 ca.crt)
users:
- name: $1
  user:
    client-certificate-data: $(base64 -w 0 "$1.crt")
    client-key-data: $(base64 -w 0 "$1.key")
contexts:
- name: tidegate-e2e
  context:
    cluster: tidegate-e2e
    user: $1
current-context: tidegate-e2e
END
}

key ca
openssl req -x509 -new -key ca.key -subj /CN=tidegate-e2e -days 30 -out ca.crt \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
key service-accounts

client=extendedKeyUsage=clientAuth
server=extendedKeyUsage=serverAuth
services=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local
certificate apiserver /CN=kube-apiserver \
  "$server"$'\n'"subjectAltName=$services,IP:$NODE_IP,IP:$KUBERNETES_SERVICE_IP"
certificate kubelet "/CN=$NODE" "$server"$'\n'"subjectAltName=DNS:$NODE,IP:$NODE_IP"
certificate apiserver-kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client "$client"
certificate admin /O=system:masters/CN=admin "$client"
certificate controller-manager /CN=system:kube-controller-manager "$client"
certificate scheduler /CN=system:kube-scheduler "$client"
certificate kube-proxy /CN=system:kube-proxy "$client"
certificate node "/O=system:nodes/CN=system:node:$NODE" "$client"

for name in admin controller-manager scheduler kube-proxy node; do
  kubeconfig "$name" "$STATE/$name.kubeconfig"
done
