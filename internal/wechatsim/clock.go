package wechatsim

import (
	"sync/atomic"
	"time"
)

// clock is WeChat's clock: real time plus an offset.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time {
	return time.Now().Add(time.Duration(c.offset.Load()))
}

func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// Now returns the time by WeChat's clock.
func (s *Sim) Now() time.Time { return s.clock.now() }

// Advance moves WeChat's clock by d, which may be negative: tokens, tickets and
// login codes age at once.
func (s *Sim) Advance(d time.Duration) { s.clock.advance(d) }
