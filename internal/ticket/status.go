package ticket

import (
	"errors"
	"time"
)

// Status is a snapshot of a Source for metrics and diagnosis.
type Status struct {
	// Ready reports whether there is a value to return.
	Ready bool
	// Age is the time since the lifetime of the value began, Left the rest of
	// it. Both are zero without a value; Left is zero when the value was
	// rejected.
	Age, Left time.Duration
	// BackOff is how long this replica will not fetch after a failure.
	BackOff time.Duration
	// Waiters is how many callers are waiting for a value.
	Waiters int
	// Fetched reports whether this replica fetched the value; otherwise it adopted that
	// of another.
	Fetched bool
	// LastError is the error of the last failed fetch of this replica, nil before the
	// first, and ErrorAge the time since then.
	LastError error
	ErrorAge  time.Duration
	Counts    Counts
}

// Counts are totals since the Source was created. They only grow.
type Counts struct {
	Polls         uint64  // of the shared copy
	Adopted       uint64  // newer copies of another replica
	Shared        uint64  // copies put back into a Store that had lost them
	Fetches       Fetches // by result
	LeaseWaits    uint64  // pauses without a value while another replica held the lease
	LeasesLost    uint64  // fetches that ended after another replica had taken the lease
	Rejections    uint64  // values withdrawn because WeChat rejected them in use
	TooSoon       uint64  // rejections answered with ErrTooSoon
	Repeated      uint64  // rejected values that WeChat returned again
	Superseded    uint64  // rejected values that WeChat replaced: another program had renewed the credential
	StoreFailures uint64  // failed calls to the Store
	Unreadable    uint64  // polls that found an unreadable copy
	TurnedAway    uint64  // callers refused because of MaxWaiters
}

// Failed returns how many fetches failed.
func (f Fetches) Failed() uint64 { return f.Invalid + f.Transient + f.Permanent + f.Quota }

// Fetches counts fetches by result.
type Fetches struct {
	Issued    uint64 // a new value
	Unchanged uint64 // the value that we had, with no longer lifetime
	Invalid   uint64 // an answer that cannot be right: no value, an impossible lifetime
	Transient uint64
	Permanent uint64
	Quota     uint64
}

func (f *Fetches) addFetched(unchanged bool) {
	if unchanged {
		f.Unchanged++
	} else {
		f.Issued++
	}
}

func (f *Fetches) addFailed(cause error) {
	_, quota := retryAfter(cause)
	switch {
	case errors.Is(cause, errInvalidAnswer):
		f.Invalid++
	case permanent(cause):
		f.Permanent++
	case quota && !errors.Is(cause, ErrUnavailable): // a missing access_token asks to retry later, too
		f.Quota++
	default:
		f.Transient++
	}
}

// addReplacement counts what WeChat returned in place of a rejected value.
func (n *Counts) addReplacement(same bool) {
	if same {
		n.Repeated++
	} else {
		n.Superseded++
	}
}

// Status returns a snapshot. It does not wait for the Store or a fetch.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	st := Status{Waiters: s.waiters, LastError: s.lastErr, Counts: s.counts}
	if c := s.local.Load(); c != nil {
		passed := now + s.lag(c)
		st.Ready, st.Fetched = passed < c.serveUntil, c.fetched
		st.Age, st.Left = passed-c.requestedAt, max(c.serveUntil-passed, 0)
	}
	if s.lastErr != nil {
		st.ErrorAge = now - s.lastErrAt
	}
	if s.failure != nil {
		st.BackOff = max(s.failure.until-now, 0)
	}
	return st
}

func (s *Source) count(f func(*Counts)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.counts)
}
