#!/usr/bin/env bash
# restart.sh NAME: kills a process of the cluster and starts it again as it was started.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/env.sh"
# shellcheck source-path=SCRIPTDIR
source "$CLUSTER/process.sh"

alive "$1" || fail "$1 does not run"
read -r pid _ <"$STATE/run/$1"
mapfile -d '' -t command <"/proc/$pid/cmdline"
kill -KILL "$pid"
eventually 10 gone "$1" || fail "$1 (pid $pid) does not end"
begin "$1" "${command[@]}"
