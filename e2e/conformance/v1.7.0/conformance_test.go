// Package conformance runs the suite of Gateway API v1.7.0 as it is: every option is a flag, which
// e2e/conformance/run.sh gives.
package conformance

import (
	"testing"

	"sigs.k8s.io/gateway-api/conformance"
)

func TestConformance(t *testing.T) {
	conformance.RunConformance(t)
}
