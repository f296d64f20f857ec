package public

import (
	"net/netip"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/time/rate"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// limitAddress refuses an address that sends too many requests.
func (a *api) limitAddress(l *limiter, p proxies) gin.HandlerFunc {
	return func(c *gin.Context) {
		if !l.allow(addressKey(p.client(c.Request))) {
			a.Fail(c, web.RateLimited.Err())
			return
		}
		c.Next()
	}
}

// addressKey returns what a client is limited by: its IPv4 address, or the /64
// network that an IPv6 subscriber gets.
func addressKey(addr netip.Addr) string {
	if addr.Is6() {
		prefix, _ := addr.Prefix(64)
		return prefix.String()
	}
	return addr.String()
}

// burstSeconds is how many seconds' worth of requests may come at once: a
// mini-program that opens sends a handful together.
const burstSeconds = 5

// limiter allows each key so many requests a second. A key is dropped one to two
// minutes after its last request, so memory is bounded by the keys of two
// minutes. It is safe for concurrent use.
type limiter struct {
	perSecond int // 0: no limit

	mu           sync.Mutex
	newer, older map[string]*rate.Limiter
	rotated      time.Time
}

func newLimiter(perSecond int) *limiter {
	return &limiter{perSecond: perSecond, newer: map[string]*rate.Limiter{}, rotated: time.Now()}
}

func (l *limiter) allow(key string) bool {
	return l.perSecond == 0 || l.of(key).Allow()
}

func (l *limiter) of(key string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.rotated) > time.Minute {
		l.older, l.newer, l.rotated = l.newer, map[string]*rate.Limiter{}, time.Now()
	}
	lim, ok := l.newer[key]
	if !ok {
		if lim, ok = l.older[key]; !ok {
			lim = rate.NewLimiter(rate.Limit(l.perSecond), l.perSecond*burstSeconds)
		}
		l.newer[key] = lim
	}
	return lim
}
