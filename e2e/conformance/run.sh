#!/usr/bin/env bash
# Runs the conformance suite of one release of Gateway API, unmodified, against Tidegate in the
# running cluster: run.sh v1.6.3|v1.7.0. Fails if a test fails, and also if one that belongs to a
# profile does not run.
#
#   RUN_TEST=Name    that test only, and no report
#   TIMEOUT=60m      of the whole run
#   PARALLEL=2       tests at once, of those that allow it
#   DEBUG=true       the suite's own debug output
#   INSTALL=no       take Tidegate and the CRDs as they are in the cluster
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "$0")/../cluster/env.sh"

case ${1:-} in
  v1.6.3 | v1.7.0) version=$1 ;;
  *) fail "run.sh v1.6.3|v1.7.0" ;;
esac
channel=standard
class=${GATEWAY_CLASS:-tidegate}
folder=$REPOSITORY/e2e/conformance
project_version=${VERSION:-v$(sed -n 's/^version = "\(.*\)"$/\1/p' "$REPOSITORY/Cargo.toml" | head -n 1)}
report=$folder/reports/$version/$channel-$project_version-default-report.yaml
log=$LOGS/conformance-$version.log

kubectl get --raw /readyz >/dev/null || fail "no cluster runs: make cluster-up"
if [ "${INSTALL:-yes}" != no ]; then
  "$CLUSTER/crds.sh" "$version" "$channel"
  "$CLUSTER/install.sh"
fi
kubectl wait gatewayclass "$class" --for=condition=Accepted --timeout=60s >/dev/null ||
  fail "GatewayClass $class is not accepted"

# What the run before has left goes by itself, a little after it.
for namespace in infra app-backend web-backend; do
  kubectl wait namespace "gateway-conformance-$namespace" --for=delete --timeout=120s >/dev/null 2>&1 || true
done

mkdir -p "$BIN/$version"
(cd "$folder/$version" && go test -c -buildvcs=false -trimpath -o "$BIN/$version/conformance" .)

arguments=(
  -test.v -test.timeout="${TIMEOUT:-60m}" -test.parallel="${PARALLEL:-2}"
  -gateway-class="$class"
  "-conformance-profiles=GATEWAY-TCP,GATEWAY-UDP,GATEWAY-TLS"
  -usable-address="$USABLE_ADDRESS" -unusable-address="$UNUSABLE_ADDRESS"
  -debug="${DEBUG:-false}"
)
if [ -n "${RUN_TEST:-}" ]; then
  arguments+=(-run-test="$RUN_TEST")
else
  mkdir -p "$(dirname "$report")"
  rm -f "$report"
  arguments+=(
    -report-output="$report" -version="$project_version"
    -organization="${ORGANIZATION:-tidegate}" -project=tidegate
    -url="${URL:-https://tidegate.dev}" -contact="${CONTACT:-https://tidegate.dev}"
  )
fi

begun=$SECONDS
status=0
mkdir -p "$LOGS"
"$BIN/$version/conformance" "${arguments[@]}" >"$log" 2>&1 || status=$?

# One line for each test of the suite: its result, name and seconds.
results() {
  sed -nE 's#^ {4}--- (PASS|FAIL|SKIP): TestConformance/([A-Za-z0-9]+) \(([0-9.]+)s\)$#\1 \2 \3#p' "$log"
}
count() {
  results | grep -c "^$1 " || true
}
echo "suite $version: $(count PASS) passed, $(count FAIL) failed after $((SECONDS - begun)) s; log $log"
results | grep '^FAIL ' || true

if [ "$status" -ne 0 ]; then
  # Its preparations have failed: the last lines but those of clearing up.
  [ "$(count FAIL)" -ne 0 ] || grep -vE '(Applying|Creating|Updating|Deleting) ' "$log" | tail -n 25 >&2
  exit 1
fi
if [ -n "${RUN_TEST:-}" ]; then
  results | grep -q "^PASS $RUN_TEST " || fail "$RUN_TEST did not run: is it a test of $version?"
  exit 0
fi
[ "$(count PASS)" -gt 0 ] || fail "no test ran"

# The suite passes with tests that its profiles have and that did not run; we do not.
sed -n '/^profiles:/,$p' "$report" | grep -E '^ *-? ?(name|result|summary|Failed|Passed|Skipped):'
if grep -qE '^ *result: (partial|failure)$|^ *skippedTests:' "$report"; then
  fail "$report is not a whole success"
fi
[ "$version" != v1.7.0 ] ||
  echo "this suite asks for release v0.2.0 of its images, which cannot be had: its backends are v0.1.0"
