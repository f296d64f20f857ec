package ticket

import (
	"sync/atomic"
	"time"
)

// clock measures how far Options.Now has moved against the monotonic clock since
// the start of a Source: forward while the machine is suspended, when the clock
// of the machine is set forward, or when WeChat's is.
type clock struct {
	now   func() time.Time
	start int64 // Unix nanoseconds

	drift   atomic.Int64
	validTo atomic.Int64 // a measurement is good for a millisecond, because it costs more than a hot read
}

// measure returns the drift at an instant, which is the current one.
func (k *clock) measure(at time.Duration) time.Duration {
	drift := k.now().UnixNano() - k.start - int64(at)
	k.drift.Store(drift)
	k.validTo.Store(int64(at + time.Millisecond))
	return time.Duration(drift)
}

// recent is measure, or the result of the last one.
func (k *clock) recent(at time.Duration) time.Duration {
	if int64(at) < k.validTo.Load() {
		return time.Duration(k.drift.Load())
	}
	return k.measure(at)
}

// aJump is the least distance that counts as a jump. Options.Now follows the Date
// header of WeChat's answers, so a jump is known only to uncertainty: the header
// has whole seconds and an answer takes some.
const (
	aJump       = time.Minute
	uncertainty = 3 * time.Second
)

// lag returns how much less is left of c than the monotonic clock says: how far
// Options.Now has gained on it since c was fetched or loaded, at most.
func (s *Source) lag(c *credential) time.Duration { return s.lagAt(s.now(), c) }

func (s *Source) lagAt(now time.Duration, c *credential) time.Duration {
	lag := max(s.clock.recent(now)-c.drift, 0)
	if lag >= aJump {
		lag += uncertainty
	}
	return lag
}

// isBefore reports whether an instant in the life of c has not come yet.
func (s *Source) isBefore(c *credential, instant time.Duration) bool {
	now := s.now()
	return now < instant && now+s.lagAt(now, c) < instant
}

// checkClock makes the refresh loop ask the Store again after a jump, instead of
// waiting by a clock that has been wrong.
func (s *Source) checkClock() {
	drift := s.clock.measure(s.now())
	jump := drift - s.loop.drift
	if jump.Abs() < aJump {
		return
	}
	s.loop.drift, s.loop.wait = drift, leaseWait{}
	s.opt.Log.Warn("ticket: the clock jumped; looking at the shared copy again", "key", s.key, "jump", jump.Round(time.Second))
}
