package public

import (
	"net/http"
	"net/netip"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// ClientAddress returns the address that a request counts for.
func ClientAddress(trusted []string, r *http.Request) netip.Addr {
	return web.ParseProxies(trusted).Client(r)
}
