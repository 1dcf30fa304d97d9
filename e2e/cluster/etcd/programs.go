//go:build programs

// Package programs names the etcd server, so that `go mod tidy` keeps what it needs.
package programs

import (
	_ "go.etcd.io/etcd/server/v3"
)
