# shellcheck shell=bash
# Processes of the cluster: each is started with its pid kept in STATE/run and ended by that pid.
# Source env.sh first.

# One script at a time starts or ends the cluster. up.sh calls down.sh with the lock in its hand.
lock() {
  [ -z "${TIDEGATE_E2E_LOCKED:-}" ] || return 0
  mkdir -p "$CACHE"
  exec 9>"$CACHE/lock"
  flock 9
  export TIDEGATE_E2E_LOCKED=1
}

# The hierarchies of control groups; one on a machine with cgroup v2.
cgroup_hierarchies() {
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    echo /sys/fs/cgroup
  else
    awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/mounts
  fi
}

# The one hierarchy that tells which processes are the cluster's: children inherit it, so that
# nothing can leave. The pods have groups of their own below the same root.
cgroup_of_processes() {
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    echo "/sys/fs/cgroup/$CGROUP"
  else
    echo "/sys/fs/cgroup/pids/$CGROUP"
  fi
}

# When a process was started, in ticks since boot. With it, a kept pid that the kernel has given
# to another process since is not mistaken for ours.
started_at() {
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  # The name in parentheses may hold blanks; this is field 22, and field 3 comes after the name.
  # shellcheck disable=SC2086 # fields
  set -- ${stat##*) }
  [ "$1" != Z ] || return 1
  echo "${20}"
}

# alive NAME: it has been started and still runs.
alive() {
  local pid started
  read -r pid started 2>/dev/null <"$STATE/run/$1" || return 1
  [ "$(started_at "$pid")" = "$started" ]
}

# begin NAME PROGRAM ARGUMENT…: starts it in the background; its output is LOGS/NAME.log.
begin() {
  local name=$1 group
  shift
  group=$(cgroup_of_processes)/system
  mkdir -p "$STATE/run" "$LOGS" "$group"
  (
    echo "$BASHPID" >"$group/cgroup.procs"
    # A session of its own: an interrupt that is meant for make does not reach it. Descriptor 9
    # is the lock of up.sh and down.sh.
    exec setsid "$@" 9>&-
  ) >>"$LOGS/$name.log" 2>&1 </dev/null &
  echo "$! $(started_at "$!")" >"$STATE/run/$name"
}

# finish NAME: asks it to end, makes it end after 10 seconds.
finish() {
  local pid _
  if alive "$1"; then
    read -r pid _ <"$STATE/run/$1"
    kill "$pid"
    eventually 10 gone "$1" || kill -KILL "$pid"
    eventually 10 gone "$1" || echo "$1 (pid $pid) does not end" >&2
  fi
  rm -f "$STATE/run/$1"
}

gone() {
  ! alive "$1"
}

# Ends every process in the control groups below a folder and removes the groups.
end_cgroup() {
  local group=$1
  [ -d "$group" ] || return 0
  # shellcheck disable=SC2317 # called through eventually
  emptied() {
    local pids
    pids=$(find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null)
    # shellcheck disable=SC2086 # one argument each
    [ -z "$pids" ] || { kill -KILL $pids; false; }
  }
  eventually 20 emptied || echo "processes in $group do not end" >&2
  find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
}

# print_logs COUNT: the last lines of every log, for a run that has failed.
print_logs() {
  local log
  for log in "$LOGS"/*.log; do
    [ -s "$log" ] || continue
    echo "== $log"
    tail -n "$1" "$log" | cut -c 1-400
  done >&2
}
