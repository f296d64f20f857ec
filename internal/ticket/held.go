package ticket

import (
	"math/rand/v2"
	"time"
)

// held is this replica's copy. It never changes once it is published. All its
// instants are counted from the start of the Source, on the monotonic clock.
type held struct {
	value    string
	until    time.Duration // handed out before this instant
	fence    int64
	asked    time.Duration // its life began
	ends     time.Duration // and ends
	saved    time.Duration // it was written to the store
	renew    time.Duration // from here on this replica tries to renew it
	rejected bool
}

// fromRecord turns the durations of the store into instants of ours, counted
// from before the load: rather a little early than late.
func fromRecord(rec Record, before time.Duration, opt *Options) *held {
	left := min(rec.Left, rec.Life) // the store's clock may have been set back
	c := &held{
		value: rec.Value,
		fence: rec.Fence,
		asked: before + left - rec.Life,
		ends:  before + left,
		saved: before - max(rec.Age, 0),
	}
	if rec.Rejected {
		return c.reject()
	}
	return c.serve(opt)
}

// usable tells a record that a Source may have written from junk.
func (r *Record) usable() bool {
	return r.Life > 0 && r.Life <= maxLife && checkValue(r.Value) == nil
}

// serve sets the times of a copy that is good to its end. Each replica draws
// its own moment of renewal, so that they do not all come at once.
func (c *held) serve(opt *Options) *held {
	life := c.ends - c.asked
	// Short lives are renewed in their last quarter to sixth.
	from, to := min(opt.RenewFrom, life/4), min(opt.RenewTo, life/6)
	c.until = c.ends
	c.renew = c.ends - to - between(0, from-to)
	return c
}

// reject returns a copy of c that is handed out no more. Its end stays known:
// should the issuer give the same value again, it is no later.
func (c *held) reject() *held {
	r := *c
	r.rejected, r.until, r.renew = true, 0, 0
	return &r
}

// newerThan reports whether c was issued after old. The fence decides. Only a
// store that lost its memory gives a lower or the same fence to a new value;
// then the value that was asked for later is the newer one.
func (c *held) newerThan(old *held) bool {
	return old == nil || c.fence > old.fence || c.value != old.value && c.asked > old.asked
}

// between draws a duration in [lo, hi).
func between(lo, hi time.Duration) time.Duration {
	if hi <= lo {
		return lo
	}
	return lo + rand.N(hi-lo)
}
