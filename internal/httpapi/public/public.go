// Package public is the HTTP API that mini-programs and WeChat call. It decodes
// a request, calls one service and encodes the answer.
//
// It decides nothing about members, cards or tickets, and it serves no route of
// the operator: it does not import package admin.
package public

import (
	"net/http"
	"net/netip"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// maxBody bounds request bodies, in bytes.
const maxBody = 64 << 10

// Common are the settings that both listeners have in common.
type Common = web.Options

// Options are the settings of the public listener.
type Options struct {
	Common
	// URL is where phones reach this listener, without a slash at the end. Empty: where
	// the request came to, if that is this machine.
	URL string
	// TrustedProxies are the addresses and networks of proxies whose
	// X-Forwarded-For names the client. They must be valid.
	TrustedProxies []string
	// RatePerMember and RatePerAddress are requests per second; 0 is no limit.
	RatePerMember, RatePerAddress int
}

type api struct {
	Services
	*web.Listener
	url                                string
	proxies                            web.Proxies
	members, addresses, probes, logins *limiter
	slots                              slots
}

// slots are the pools of the routes. Routes that wait for WeChat cannot use up
// those of the routes that do not, nor clients without a session those of
// members, and WeChat's pushes have their own. Routes of none of them, which only
// need the database, use Options.InFlight.
type slots struct {
	login    chan struct{} // wait for code2Session
	ticket   chan struct{} // wait for a ticket when there is none, all for one fetch
	phone    chan struct{} // wait for the mini-program's API, with a session
	account  chan struct{} // wait for the Official Account's API, with a session
	stranger chan struct{} // may wait for WeChat, without a session
	push     chan struct{} // of WeChat's message push
	unproved chan struct{} // pushes whose body is read before it is known that they are WeChat's
}

func newSlots(o Options) slots {
	of := func(n int) chan struct{} {
		if o.RatePerAddress == 0 { // what is before this server limits its clients
			n = maxSlots
		}
		return make(chan struct{}, n)
	}
	return slots{
		login: of(128), ticket: of(256), phone: of(64), account: of(128), stranger: of(64), push: of(64), unproved: make(chan struct{}, 8),
	}
}

// maxSlots is the size of a pool without a rate limit.
const maxSlots = 1024

// New returns the server of the public API. The caller serves and shuts it down.
func New(s Services, o Options) *http.Server {
	perAddress := o.RatePerAddress
	a := &api{
		Services: s, Listener: web.New(web.Public, o.Common), url: o.URL, proxies: web.ParseProxies(o.TrustedProxies), slots: newSlots(o),
		members:   newLimiter(o.RatePerMember, o.RatePerMember*burstSeconds),
		addresses: newLimiter(perAddress, perAddress*burstSeconds),
		probes:    newLimiter(perAddress, perAddress*burstSeconds),
		logins:    newLimiter(loginsPerSecond(perAddress), loginsPerSecond(perAddress)*loginBurstSeconds),
	}
	a.Use(a.allowPages, a.limitAddress, a.answerPreflight, a.nameClient, a.checkPageURL, a.checkQuery, a.Restrict(a.proveSession), a.Prove)
	a.ServeJSON("addcard", "The public API: what a mini-program calls.", maxBody)
	a.homeRoute()
	a.callbackRoutes()
	a.describeCallback()
	a.sessionRoutes()
	a.phoneRoute()
	a.cardRoutes()
	a.claimRoute()
	a.openCardRoutes()
	a.pageRoutes()
	a.entryRoutes()
	a.oauthRoutes()
	return a.Server()
}

// Trusts returns a function that reports whether an address is that of a trusted
// proxy; see Options.TrustedProxies.
func Trusts(trustedProxies []string) func(netip.Addr) bool {
	return web.ParseProxies(trustedProxies).Contain
}
