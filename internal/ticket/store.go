package ticket

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNotFound is what [Store.Load] answers when nothing was saved under a key,
// or was forgotten. Any other error than this and [ErrUnreadable] means that
// the store itself failed, which is no licence to ask the issuer.
var ErrNotFound = errors.New("ticket: no shared copy")

// ErrUnreadable is what [Store.Load] answers when something lies under the key
// that no Source can use: junk, or a copy sealed with another secret. It counts
// as a miss; the next Save puts a good copy in its place.
var ErrUnreadable = errors.New("ticket: shared copy is unreadable")

// ErrLeaseLost is what [Store.Save] answers when a later lease was issued, or
// ours was given back: the value came too late to be the fleet's.
var ErrLeaseLost = errors.New("ticket: lease lost")

// HeldError is what [Store.Acquire] answers while somebody else has the lease.
type HeldError struct {
	// For is how long the lease will last if nobody gives it back.
	For time.Duration
	// BackOff tells that nobody is at work: the last holder was refused and
	// left the lease behind, so that the whole fleet waits.
	BackOff bool
}

func (e *HeldError) Error() string {
	if e.BackOff {
		return fmt.Sprintf("ticket: the fleet waits another %v before it asks again", e.For)
	}
	return fmt.Sprintf("ticket: lease held for another %v", e.For)
}

// Store is what the replicas share. The lease in it is there to save calls, not
// to be right: after a pause or a failover two replicas may both believe that
// they hold it. The fence is what makes the late one harmless: of all leases
// ever issued for a key only the latest may write.
//
// A Store has a clock of its own and speaks in durations counted by it, so that
// the clocks of two hosts are never compared. All methods are safe for
// concurrent use, wait for the store no longer than ctx allows, and are
// exercised by the suite in package tickettest.
type Store interface {
	// Load returns the copy saved last under key, also when its life is over
	// or it was rejected: the next holder compares what it gets with it. A
	// Store may forget a copy one day after its end. Errors: ErrNotFound,
	// ErrUnreadable; any other error means that the store failed.
	Load(ctx context.Context, key string) (Record, error)

	// Acquire takes the lease of key without waiting for it. Its fence is
	// greater than every fence the Store remembers and than claim.Above.
	// While the lease belongs to claim.Owner already, it is renewed and keeps
	// its fence: that is how a lease whose acknowledgement was lost on the way
	// is found again. Errors: *HeldError; any other error means that the store
	// failed and that the lease may or may not be ours.
	//
	// Whoever holds the lease must Load again before asking the issuer: the
	// work may have been done in between.
	Acquire(ctx context.Context, key string, claim Claim) (Lease, error)

	// Save replaces the shared copy, a rejected one too, if lease is the
	// latest issued and was not given back. That its time has run out does not
	// matter while nobody else has taken it. Errors: ErrLeaseLost; any other
	// error means that the store failed and that the copy may or may not be saved.
	Save(ctx context.Context, lease Lease, issue Issue) error

	// Release gives the lease back if it is still ours, and leaves
	// lease.Failures behind for the next holder. With after > 0 nobody may
	// take it until then: the fleet's back-off. Releasing a lease that is not
	// ours (any more) does nothing and is no error.
	Release(ctx context.Context, lease Lease, after time.Duration) error

	// Invalidate marks the shared copy as rejected if it still is the one that
	// has this fence, and does nothing otherwise.
	Invalidate(ctx context.Context, key string, fence int64) error
}

// Record is a shared copy as [Store.Load] returns it.
type Record struct {
	Value string
	// Fence is that of the lease under which the value was issued, so the order
	// of two copies is the order in which they were asked for.
	Fence int64
	// Life is the whole life of the value, counted from the start of the
	// request that first brought it.
	Life time.Duration
	// Left is what is left of Life by the Store's clock; zero or less when it is over.
	Left time.Duration
	// Age is the time since the copy was saved, by the Store's clock.
	Age time.Duration
	// Rejected tells that the value was refused where it was used.
	Rejected bool
}

// Claim is what a replica says when it asks for a lease.
type Claim struct {
	// Owner is random and belongs to one attempt.
	Owner string
	// Above is the highest fence the replica has seen: a store that lost its
	// memory thereby goes on counting where it had been.
	Above int64
	TTL   time.Duration
}

// Lease is the right to ask the issuer and to write the answer.
type Lease struct {
	Key   string
	Owner string
	Fence int64
	// Failures is how many holders in a row had to leave a back-off, as the
	// last one told [Store.Release].
	Failures int
}

// Issue is a value on its way into the store.
type Issue struct {
	Value string
	// Fence is that of the lease under which it was issued: the one it is saved
	// under, or an earlier one when a copy is put back into a store that lost it.
	Fence int64
	// Asked is when its life began, counted from the moment the lease was
	// granted; negative when it began before. Counted in this way, a write that
	// is long under way does not lengthen the life.
	Asked time.Duration
	// Life is counted from Asked. Stores keep milliseconds.
	Life time.Duration
}
