#!/usr/bin/env bash
# Prints the certificates that a sample needs, as manifests:
#
#   config/samples/certificates.sh redis-tls | kubectl apply -f -
#
# All of them are from one authority, made now and forgotten at the end; its certificate is printed
# too, as the ConfigMap sample-authority, so that clients can check. Needs openssl.
set -euo pipefail

# sample, namespace, Secret, names in the certificate
wanted="
broker         sample-broker        mqtt-example-com             mqtt.example.com
listener-set   sample-tenant        redis-tenant-example-com     redis.tenant.example.com
postgres       sample-postgres      edge-db-example-com          edge.db.example.com
postgres       sample-postgres      orders-db-example-com        orders.db.example.com
re-encryption  sample-re-encryption ledger-example-com           ledger.example.com
re-encryption  sample-re-encryption ledger-internal-example-com  ledger.internal.example.com
redis-tls      sample-redis-tls     redis-example-com            redis.example.com
sni            sample-sni           vault-example-com            vault.example.com
sni            sample-sni           wildcard-shops-example-com   *.shops.example.com
"

[ $# -eq 1 ] && [ -d "$(dirname "$0")/$1" ] || {
  echo "usage: certificates.sh SAMPLE" >&2
  exit 2
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

key() {
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"
}

key ca.key
openssl req -x509 -new -key ca.key -subj /CN=sample-authority -days 30 -out ca.crt \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign

indent() {
  sed 's/^/    /' "$1"
}

last=
while read -r sample namespace secret name; do
  [ "$sample" = "$1" ] || continue
  key tls.key
  openssl req -new -key tls.key -subj "/CN=$name" -out tls.csr
  openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 -out tls.crt \
    -extfile <(echo "subjectAltName=DNS:$name") 2>/dev/null
  cat <<END
---
apiVersion: v1
kind: Secret
metadata:
  name: $secret
  namespace: $namespace
type: kubernetes.io/tls
stringData:
  tls.crt: |
$(indent tls.crt)
  tls.key: |
$(indent tls.key)
END
  [ "$namespace" != "$last" ] || continue
  last=$namespace
  cat <<END
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: sample-authority
  namespace: $namespace
data:
  ca.crt: |
$(indent ca.crt)
END
done <<<"$wanted"
