#!/usr/bin/env bash
# Gives images to the running cluster: import.sh ARCHIVE…; pods use them with imagePullPolicy
# IfNotPresent or Never. An archive with the same name replaces what was there for new pods.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/env.sh"

for archive in "$@"; do
  ctr --address "$CONTAINERD_SOCKET" --namespace k8s.io images import "$archive" >/dev/null
done
