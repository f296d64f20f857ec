// Package public is the HTTP API that mini-programs and WeChat call. It decodes
// a request, calls one service and encodes the answer.
//
// It decides nothing about members, cards or tickets, and it serves no route of
// the operator: it does not import package admin.
package public

import (
	"net/http"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// maxBody bounds request bodies, in bytes.
const maxBody = 64 << 10

// Common are the settings that both listeners have in common.
type Common = web.Options

// Options are the settings of the public listener.
type Options struct {
	Common
	// TrustedProxies are the addresses and networks of proxies whose
	// X-Forwarded-For names the client. They must be valid.
	TrustedProxies []string
	// RatePerMember and RatePerAddress are requests per second; 0 is no limit.
	RatePerMember, RatePerAddress int
}

type api struct {
	Services
	*web.Listener
	members *limiter
}

// New returns the server of the public API. The caller serves and shuts it down.
func New(s Services, o Options) *http.Server {
	a := &api{s, web.New(web.Public, o.Common), newLimiter(o.RatePerMember)}
	a.callbackRoutes() // before the limits: WeChat pushes from few addresses, and no JSON
	proxies := parseProxies(o.TrustedProxies)
	a.Use(a.limitAddress(newLimiter(o.RatePerAddress), proxies), a.nameClient(proxies), a.checkPageURL, a.CheckQuery)
	a.ServeJSON("addcard", "The public API: what a mini-program calls.", maxBody)
	a.describeCallback()
	a.sessionRoutes()
	a.cardRoutes()
	a.claimRoute()
	a.openCardRoutes()
	a.pageRoutes()
	a.entryRoutes()
	return a.Server()
}
