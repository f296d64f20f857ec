package public

import (
	"net/http"
	"net/netip"
)

// ClientAddress returns the address that a request counts for.
func ClientAddress(trusted []string, r *http.Request) netip.Addr {
	return parseProxies(trusted).client(r)
}
