package public

import (
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"

	"github.com/addcard/addcard/internal/httpapi/conns"
	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/ration"
)

// limitAddress refuses an address that sends too many requests. Probes have a
// limit of their own, so that a flood of other requests from behind the same
// proxy does not stop them. A push that proves to be WeChat's is not counted:
// forged ones may come from the same proxy.
func (a *api) limitAddress(c *gin.Context) {
	limit := a.addresses
	switch c.FullPath() {
	case callbackPath:
		if a.isWeChat(c) {
			return
		}
	case web.LivePath, web.ReadyPath:
		limit = a.probes
	}
	if !limit.allow(a.addressKey(c)) {
		a.Fail(c, web.RateLimited.Err())
	}
}

// addressKey returns what a client is limited by: its IPv4 address or IPv6
// network.
func (a *api) addressKey(c *gin.Context) string {
	return conns.Network(a.proxies.Client(c.Request)).String()
}

// burstSeconds is how many seconds' worth of requests may come at once: a
// mini-program that opens sends a handful together.
const burstSeconds = 5

// loginShare is the part of an address's requests that may be logins. Each costs a
// call to WeChat, and a phone needs one in two hours. A hundred phones on one
// shop's Wi-Fi may open the mini-program at the same time: by default the burst is
// 100.
const loginShare, loginBurstSeconds = 10, 10

func loginsPerSecond(perAddress int) int { return (perAddress + loginShare - 1) / loginShare }

// limitLogins refuses a login of an address that sends too many.
func (a *api) limitLogins(c *gin.Context) {
	if !a.logins.allow(a.addressKey(c)) {
		a.Fail(c, web.RateLimited.Err())
	}
}

// maxLimited bounds the keys that a limiter remembers to twice as many. It may forget
// one after limitMemory.
const maxLimited, limitMemory = 1 << 16, time.Minute

// limiter allows each key so many requests a second. A key that sends nothing for a
// minute may be forgotten: it has its burst again anyway. It is safe for concurrent
// use.
type limiter struct {
	perSecond, burst int // 0: no limit
	keys             *ration.Recent[string, *rate.Limiter]
}

func newLimiter(perSecond, burst int) *limiter {
	return &limiter{perSecond, burst, ration.NewRecent[string, *rate.Limiter](maxLimited, limitMemory)}
}

func (l *limiter) allow(key string) bool {
	return l.perSecond == 0 || l.of(key).Allow()
}

func (l *limiter) of(key string) *rate.Limiter {
	lim, ok := l.keys.Get(key)
	if !ok {
		lim, _ = l.keys.LoadOrStore(key, rate.NewLimiter(rate.Limit(l.perSecond), l.burst))
	}
	return lim
}
