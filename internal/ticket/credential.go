package ticket

import (
	"math/rand/v2"
	"time"
)

// credential is a copy of the credential in this replica. It is immutable once
// it is published. Its instants are counted from the start of the Source, on
// the monotonic clock.
type credential struct {
	value       string
	serveUntil  time.Duration // zero when it was rejected
	fence       int64
	requestedAt time.Duration // start of the lifetime
	expiresAt   time.Duration // end of the lifetime
	savedAt     time.Duration // when it was saved in the Store
	drift       time.Duration // of the clock when these instants were set
	renewAt     time.Duration // from here on it is stale
	rejected    bool
	byHand      bool // this replica withdrew it because a person asked for that
	fetched     bool // by this replica
}

// fromRecord converts the durations of the Store to instants, counted from
// before the load: they may be a little early, but not late.
func fromRecord(rec Record, before time.Duration, opt *Options) *credential {
	left := min(rec.Left, rec.Lifetime) // the Store's clock may have been set back
	c := &credential{
		value:       rec.Value,
		fence:       rec.Fence,
		requestedAt: before + left - rec.Lifetime,
		expiresAt:   before + left,
		savedAt:     before - max(rec.Age, 0),
	}
	if rec.Rejected {
		return c.asRejected()
	}
	return c.schedule(opt)
}

// wellFormed reports whether a Source may have saved the record.
func (r *Record) wellFormed() bool {
	return r.Lifetime > 0 && r.Lifetime <= maxLifetime && checkValue(r.Value) == nil
}

// schedule sets when c is served and renewed, for a copy that was not rejected.
// Each replica picks its own moment of renewal so that they do not all come at
// once.
func (c *credential) schedule(opt *Options) *credential {
	lifetime := c.expiresAt - c.requestedAt
	// A short lifetime is renewed between its last quarter and its last sixth.
	from, to := min(opt.RenewFrom, lifetime/4), min(opt.RenewTo, lifetime/6)
	c.serveUntil = c.expiresAt
	c.renewAt = c.expiresAt - to - randomBetween(0, from-to)
	return c
}

// asRejected returns a copy of c that is no longer served. It keeps the expiry:
// if WeChat returns the same value again, it does not expire later.
func (c *credential) asRejected() *credential {
	r := *c
	r.rejected, r.serveUntil, r.renewAt = true, 0, 0
	return &r
}

// newerThan reports whether c was fetched after old. The fence decides. Only a
// Store that lost its data gives a new value a lower or equal fence; then the
// value that was requested later is newer. lag is that of old.
func (c *credential) newerThan(old *credential, lag time.Duration) bool {
	return old == nil || c.fence > old.fence || c.value != old.value && c.requestedAt > old.requestedAt-lag
}

// randomBetween returns a random duration in [lo, hi).
func randomBetween(lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + rand.N(hi-lo)
}
