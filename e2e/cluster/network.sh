# shellcheck shell=bash
# What the cluster needs of the machine's network and kernel, and how that is taken back. Source
# env.sh first.

# Settings of the whole machine that we, the kubelet or kube-proxy change.
SYSCTLS=(net/ipv4/ip_forward kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys
  kernel/keys/root_maxbytes vm/overcommit_memory vm/panic_on_oom)

save_sysctls() {
  local name
  for name in "${SYSCTLS[@]}"; do
    [ ! -r "/proc/sys/$name" ] || echo "$name $(<"/proc/sys/$name")"
  done >"$STATE/sysctls"
}

restore_sysctls() {
  local name value
  [ -f "$STATE/sysctls" ] || return 0
  while read -r name value; do
    [ "$(<"/proc/sys/$name")" = "$value" ] || echo "$value" >"/proc/sys/$name"
  done <"$STATE/sysctls"
}

# A bridge without ports, which leads nowhere and which every kernel has, holds the node's address. Packets to Services leave through it
# unless kube-proxy has rewritten their destination: to an address that no Service has there is no
# answer, as in a real network, and nothing gets out.
add_network() {
  local other
  other=$(ip -4 route show root "$NETWORK")
  [ -z "$other" ] || fail "this machine routes $NETWORK already, the cluster's network: $other"
  ip link add "$LINK" type bridge
  ip address add "$NODE_IP/32" dev "$LINK"
  ip link set "$LINK" arp off up
  ip route add "$SERVICE_CIDR" dev "$LINK" src "$NODE_IP"
  ip route add "$LOADBALANCER_CIDR" dev "$LINK" src "$NODE_IP"
  echo 1 >/proc/sys/net/ipv4/ip_forward
}

# The pods' ends of their links go with their namespaces, whose end the kernel does later.
remove_network() {
  local family
  for family in ip ip6; do
    ! nft list table "$family" kube-proxy >/dev/null 2>&1 || nft delete table "$family" kube-proxy
  done
  ! ip link show dev "$LINK" >/dev/null 2>&1 || ip link delete "$LINK"
  # What the kernel remembers of translated addresses would misguide the next cluster.
  conntrack -D --orig-dst "$NETWORK" >/dev/null 2>&1 || true
  conntrack -D --orig-src "$NETWORK" >/dev/null 2>&1 || true
  eventually 20 no_routes || echo "routes of the cluster remain: $(ip -4 route show root "$NETWORK")" >&2
}

no_routes() {
  [ -z "$(ip -4 route show root "$NETWORK")" ]
}
