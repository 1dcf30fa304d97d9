//go:build programs

package conformance

import (
	// The backend of the suite: one program, and what it does is said by its environment.
	_ "sigs.k8s.io/gateway-api-conformance-images/echo-basic"
)
