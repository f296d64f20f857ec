package httpapi

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// burstSeconds is how many seconds' worth of requests may come at once: a
// mini-program that opens sends a handful together.
const burstSeconds = 5

// limiter gives each key so many requests a second. It forgets a key that was
// quiet for a while, so its memory is bounded by the keys of two minutes.
type limiter struct {
	perSecond int // 0: no limit

	mu       sync.Mutex
	now, old map[string]*rate.Limiter
	turned   time.Time
}

func newLimiter(perSecond int) *limiter {
	return &limiter{perSecond: perSecond, now: map[string]*rate.Limiter{}, turned: time.Now()}
}

func (l *limiter) allow(key string) bool {
	if l.perSecond == 0 {
		return true
	}
	return l.of(key).Allow()
}

func (l *limiter) of(key string) *rate.Limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.turned) > time.Minute {
		l.old, l.now, l.turned = l.now, map[string]*rate.Limiter{}, time.Now()
	}
	lim, ok := l.now[key]
	if !ok {
		if lim, ok = l.old[key]; !ok {
			lim = rate.NewLimiter(rate.Limit(l.perSecond), l.perSecond*burstSeconds)
		}
		l.now[key] = lim
	}
	return lim
}

// addressKey is who a request comes from: an IPv4 address, or the /64 network
// that an IPv6 subscriber gets.
func addressKey(ip string) string {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return ip
	}
	if addr = addr.Unmap(); addr.Is4() {
		return addr.String()
	}
	prefix, _ := addr.Prefix(64)
	return prefix.String()
}
