package command_test

import (
	"testing"

	"github.com/addcard/addcard/cmd/internal/command"
)

func TestLoopback(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"127.0.0.1:8081": true, "127.9.9.9:0": true, "[::1]:80": true, "localhost:80": true, "[::ffff:127.0.0.1]:80": true,
		":8081": false, "0.0.0.0:8081": false, "[::]:80": false, "192.168.1.2:80": false, "example.org:80": false,
		"localhost.example.org:80": false, "127.0.0.1": false, "": false, "127.1:80": false,
	} {
		if got := command.Loopback(addr); got != want {
			t.Errorf("%q: got %v, want %v", addr, got, want)
		}
	}
}

func TestReachable(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		":8080": "127.0.0.1:8080", "0.0.0.0:8080": "127.0.0.1:8080", "[::]:8080": "127.0.0.1:8080",
		"127.0.0.1:8080": "127.0.0.1:8080", "[::1]:8080": "[::1]:8080", "shop.internal:80": "shop.internal:80",
	} {
		if got, err := command.Reachable(addr); got != want || err != nil {
			t.Errorf("%q: got %q, %v; want %q", addr, got, err, want)
		}
	}
	if got, err := command.Reachable("8080"); err == nil {
		t.Errorf("a port alone: got %q", got)
	}
}
