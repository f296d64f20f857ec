package opencard

import (
	"sync"
	"time"
)

type cacheKey struct{ cardID, outerStr string }

// cache keeps at most 2*maxCached parameters, each for one to two hours.
type cache struct {
	mu        sync.Mutex
	now, old  map[cacheKey]Params
	rotatedAt time.Time
}

const maxCached = 2048

func (c *cache) get(k cacheKey) (Params, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rotate()
	p, ok := c.now[k]
	if !ok {
		p, ok = c.old[k]
	}
	return p, ok
}

func (c *cache) put(k cacheKey, p Params) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rotate()
	c.now[k] = p
}

// rotate drops the older half once the newer half is full or an hour old. The
// caller holds mu.
func (c *cache) rotate() {
	if c.now == nil || len(c.now) >= maxCached || time.Since(c.rotatedAt) > time.Hour {
		if c.old = c.now; time.Since(c.rotatedAt) > 2*time.Hour {
			c.old = nil // nothing was asked for meanwhile
		}
		c.now, c.rotatedAt = map[cacheKey]Params{}, time.Now()
	}
}

// limiter counts the fetches that each member caused in the current minute.
type limiter struct {
	mu      sync.Mutex
	minute  time.Time
	fetches map[string]int // by member
}

const fetchesPerMinute = 6

func (l *limiter) allow(memberID string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now().Truncate(time.Minute); !now.Equal(l.minute) {
		l.minute, l.fetches = now, map[string]int{}
	}
	l.fetches[memberID]++
	return l.fetches[memberID] <= fetchesPerMinute
}
