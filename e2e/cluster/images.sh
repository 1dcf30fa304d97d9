#!/usr/bin/env bash
# Writes the images of the cluster and of the conformance suites to CACHE/images. They have the
# names under which the suites' manifests ask for them, and are never pulled.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/env.sh"

"$CLUSTER/image.sh" "$IMAGES/pause.tar" "$PAUSE_IMAGE" "$BIN/pause"

# The suite of v1.6.3 asks for three releases of one program; all of them are what its own module
# holds.
suite=registry.k8s.io/gateway-api/echo-basic
"$CLUSTER/image.sh" "$IMAGES/echo-basic-v1.6.3.tar" \
  "$suite:v1.5.1,$suite:v1.6.0-dev.2,$suite:v1.6.0-dev.3" "$BIN/v1.6.3/echo-basic"

# The suite of v1.7.0 asks for v0.2.0 once; see e2e/conformance/v1.7.0/go.mod.
suite=registry.k8s.io/gateway-api/conformance/echo-basic
"$CLUSTER/image.sh" "$IMAGES/echo-basic-v1.7.0.tar" "$suite:v0.1.0,$suite:v0.2.0" \
  "$BIN/v1.7.0/echo-basic"

# The backend of UDP tests of v1.6.3: port 53, and no privilege that a file could give.
IMAGE_USER=0:0 "$CLUSTER/image.sh" "$IMAGES/coredns.tar" registry.k8s.io/coredns/coredns:v1.12.2 \
  "$BIN/coredns"
