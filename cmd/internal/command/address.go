package command

import (
	"net"
	"net/netip"
)

// Loopback reports whether addr, a HOST:PORT, is reachable only from this machine.
func Loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip, notIP := netip.ParseAddr(host)
	return err == nil && (host == "localhost" || notIP == nil && ip.IsLoopback())
}

// Reachable returns the address at which a client on this machine reaches a server
// that listens on addr. For a server that listens on all addresses it is the
// loopback address.
func Reachable(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	if ip, notIP := netip.ParseAddr(host); host == "" || notIP == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}
