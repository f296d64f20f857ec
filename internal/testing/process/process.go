// Package process holds what the test servers have in common: how their
// processes end with the test binary, and how they get a free port.
package process

import (
	"net"
	"testing"
)

// FreeAddr returns 127.0.0.1 and a TCP port that was free a moment ago. Another
// program may take the port before it is used.
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
