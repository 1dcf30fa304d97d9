#!/usr/bin/env bash
# Ends the cluster, whether it is well, half started or crashed, and leaves nothing of it: no
# process, mount, namespace, control group, link, route or rule. Only its logs stay.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/env.sh"
# shellcheck source-path=SCRIPTDIR
source "$CLUSTER/process.sh"
# shellcheck source-path=SCRIPTDIR
source "$CLUSTER/network.sh"

# The first file that up.sh writes.
[ -e "$STATE/sysctls" ] || exit 0
lock
begun=$SECONDS

# First everything that would start something again, then the pods, then what holds them.
for ((index = ${#PROCESSES[@]} - 1; index > 0; index--)); do
  finish "${PROCESSES[index]}"
done
cgroup_hierarchies | while read -r hierarchy; do
  end_cgroup "$hierarchy/$CGROUP/kubepods"
done
finish "${PROCESSES[0]}"
# What is left are the shims, one for each pod, which outlive containerd on purpose. Where their
# sockets are is known to their state only.
shims=()
for file in "$STATE"/containerd/state/io.containerd.runtime.v2.task/k8s.io/*/address; do
  [ ! -e "$file" ] || shims+=("$(sed 's#^unix://##' "$file")")
done
cgroup_hierarchies | while read -r hierarchy; do
  end_cgroup "$hierarchy/$CGROUP"
done
rm -f "${shims[@]}"

# Volumes, root file systems and network namespaces of pods; the last mounted first.
mounts() {
  awk -v below="$STATE/" 'index($5, below) == 1 { print $5 }' /proc/self/mountinfo
}
unmounted() {
  mounts | tac | while read -r mount; do
    umount "$mount" || umount --lazy "$mount" || true
  done
  [ -z "$(mounts)" ]
}
eventually 10 unmounted || fail "mounts remain below $STATE: $(mounts)"
remove_network
restore_sysctls

# What containerd, its network plugins and the kubelet write at fixed places; only what names our
# state is ours.
grep -lsF "$STATE/" /var/lib/cni/results/* | while read -r result; do
  rm -f "$result"
done || true
for link in /var/log/containers/*; do
  case $(readlink "$link" || true) in
    "$STATE"/*) rm -f "$link" ;;
  esac
done
socket=/var/lib/kubelet/device-plugins/kubelet.sock
grep -qF "$socket" /proc/net/unix || rm -f "$socket"
for folder in /var/log/containers /var/lib/cni/results /var/lib/cni /run/containerd/s \
  /run/containerd /var/lib/kubelet/device-plugins /var/lib/kubelet; do
  rmdir "$folder" 2>/dev/null || true
done

find "$STATE" -mindepth 1 -maxdepth 1 ! -name logs -exec rm -rf --one-file-system {} +
echo "cluster is down after $((SECONDS - begun)) s; its logs are in $LOGS"
