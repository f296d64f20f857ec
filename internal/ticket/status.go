package ticket

import (
	"errors"
	"time"
)

// Status is a snapshot of a Source for metrics and for people.
type Status struct {
	// Ready tells that there is a value to hand out.
	Ready bool
	// Age is the time since the value's life began, Left what is left of it;
	// both zero when there is none, Left zero when it was rejected.
	Age, Left time.Duration
	// BackOff is how long this replica will not ask the issuer after a refusal.
	BackOff time.Duration
	// Waiters is how many callers wait for a value.
	Waiters int
	// LastError is the issuer's latest refusal, nil before the first.
	LastError error
	Counts    Counts
}

// Counts are what this replica has done since it was made. They only grow.
type Counts struct {
	Looks         uint64  // at the shared copy
	Adopted       uint64  // copies taken over from the fleet
	Shared        uint64  // copies put back into a store that had lost them
	Fetches       Fetches // calls to the issuer
	LeaseWaits    uint64  // pauses because another replica was at work and there was nothing to serve
	LeasesLost    uint64  // values that came after the lease had gone to another replica
	Rejections    uint64  // values put out of service because callers saw them refused
	TooSoon       uint64  // rejections that had no effect yet
	Repeated      uint64  // rejected values that the issuer gave again
	Strangers     uint64  // rejected values that the issuer replaced: somebody else had ended them
	StoreFailures uint64  // calls to the store that failed
	Unreadable    uint64  // looks that found junk
	TurnedAway    uint64  // callers beyond MaxWaiters
}

// Fetches counts calls to the issuer by their result.
type Fetches struct {
	Issued    uint64 // a new value
	Unchanged uint64 // the value we had, with no more life
	Refused   uint64 // an answer that cannot be right: no value, an absurd life
	Transient uint64
	Permanent uint64
	Quota     uint64
}

func (f *Fetches) count(unchanged bool) {
	if unchanged {
		f.Unchanged++
	} else {
		f.Issued++
	}
}

func (f *Fetches) failed(cause error) {
	_, quota := retryAfter(cause)
	switch {
	case errors.Is(cause, errRefused):
		f.Refused++
	case permanent(cause):
		f.Permanent++
	case quota && !errors.Is(cause, ErrUnavailable): // that of the token below is no quota
		f.Quota++
	default:
		f.Transient++
	}
}

// answered counts what the issuer gave in place of a rejected value.
func (n *Counts) answered(same bool) {
	if same {
		n.Repeated++
	} else {
		n.Strangers++
	}
}

// Status returns a snapshot. It does not block on the store or the issuer.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	st := Status{Waiters: s.waiters, LastError: s.lastErr, Counts: s.counts}
	if c := s.cur.Load(); c != nil {
		st.Ready, st.Age, st.Left = now < c.until, now-c.asked, max(c.until-now, 0)
	}
	if s.trouble != nil {
		st.BackOff = max(s.trouble.until-now, 0)
	}
	return st
}

func (s *Source) count(f func(*Counts)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.counts)
}
