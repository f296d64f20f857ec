package ticket

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNotFound is returned by [Store.Load] when nothing was saved under a key or
// the copy was removed. An error other than ErrNotFound and [ErrUnreadable]
// means that the Store itself failed; it does not allow a fetch.
var ErrNotFound = errors.New("ticket: no shared copy")

// ErrUnreadable is returned by [Store.Load] when the data under the key is not
// a copy that a Source can use: malformed, or sealed with another secret. It
// counts as a miss, and the next Save replaces the data.
var ErrUnreadable = errors.New("ticket: shared copy is unreadable")

// ErrLeaseLost is returned by [Store.Save] when a later lease was granted or
// this one was released: the value came too late and was not saved.
var ErrLeaseLost = errors.New("ticket: lease lost")

// HeldError is returned by [Store.Acquire] while the lease is held by another
// owner.
type HeldError struct {
	// For is how long the lease will last unless it is released earlier.
	For time.Duration
	// BackOff is true when the last holder with the same secret could not fetch:
	// it left the lease behind as a back-off for all replicas with this secret.
	BackOff bool
}

func (e *HeldError) Error() string {
	if e.BackOff {
		return fmt.Sprintf("ticket: the fleet is in back-off for another %v", e.For)
	}
	return fmt.Sprintf("ticket: lease held for another %v", e.For)
}

// A Store is shared by the replicas. Its lease saves calls and is not relied on
// for correctness: after a pause or a failover two replicas may both believe
// that they hold it. The fence makes the late one harmless: of all leases ever
// granted for a key only the latest may save.
//
// A Store uses its own clock and exchanges only durations measured by it, so
// the clocks of two hosts are never compared. All methods are safe for
// concurrent use and wait for the Store no longer than ctx allows. Package
// tickettest has the conformance suite.
type Store interface {
	// Load returns the copy saved last under key, even when it has expired or
	// was rejected: the next holder of the lease compares the fetched value
	// with it. A Store may delete a copy one day after it expired. Errors:
	// ErrNotFound, ErrUnreadable; any other error means that the Store failed.
	Load(ctx context.Context, key string) (Record, error)

	// Acquire takes the lease of key and does not wait for it. The fence of the
	// lease is greater than every fence that the Store remembers and than
	// req.FenceAbove. When req.Owner holds the lease already, Acquire renews it
	// and keeps its fence: a replica that did not receive the answer to an
	// earlier Acquire gets its lease that way. Errors: *HeldError; any other
	// error means that the Store failed and that the lease may or may not have
	// been granted.
	//
	// The holder of the lease must Load again before it fetches: another
	// replica may have fetched in between.
	Acquire(ctx context.Context, key string, req LeaseRequest) (Lease, error)

	// Save replaces the shared copy, even a rejected one, if lease is the
	// latest that was granted and was not released. An expired lease is
	// accepted while no other owner has taken it. Errors: ErrLeaseLost; any
	// other error means that the Store failed and that the copy may or may not
	// have been saved.
	Save(ctx context.Context, lease Lease, v FetchedValue) error

	// Release gives the lease back if this owner still holds it, and stores
	// lease.Failures for the next holder with the same SecretID. With after > 0
	// no replica with this SecretID can acquire the lease until then: the
	// back-off of the fleet. It does not affect the back-offs of other secrets.
	// Releasing a lease that is not held does nothing and returns nil.
	Release(ctx context.Context, lease Lease, after time.Duration) error

	// Invalidate marks the shared copy as rejected if it has this fence, and
	// does nothing otherwise.
	Invalidate(ctx context.Context, key string, fence int64) error
}

// Record is a shared copy as [Store.Load] returns it.
type Record struct {
	Value string
	// Fence is the fence of the lease under which the value was fetched: a copy
	// with a greater fence was fetched later.
	Fence int64
	// Lifetime is the whole lifetime of the value, counted from the start of
	// the request that first returned it.
	Lifetime time.Duration
	// Left is the rest of Lifetime by the Store's clock; zero or negative when
	// the value has expired.
	Left time.Duration
	// Age is the time since the copy was saved, by the Store's clock.
	Age time.Duration
	// Rejected reports whether WeChat rejected the value where it was used.
	Rejected bool
}

// LeaseRequest is what a replica passes to [Store.Acquire].
type LeaseRequest struct {
	// Owner is random and identifies one attempt.
	Owner string
	// FenceAbove is the highest fence that the replica has seen. A Store that
	// lost its data so continues above it.
	FenceAbove int64
	// SecretID identifies the secret with which the replica fetches, without
	// revealing it; see [Seal]. A fetch that failed with one secret says nothing
	// about another.
	SecretID string
	TTL      time.Duration
}

// Lease is the right to fetch and to save the result.
type Lease struct {
	Key      string
	Owner    string
	SecretID string
	Fence    int64
	// Failures is how many holders with the same SecretID in a row released the
	// lease with a back-off, as the last one passed it to [Store.Release].
	Failures int
}

// FetchedValue is a value to be saved in a Store.
type FetchedValue struct {
	Value string
	// Fence is the fence of the lease under which the value was fetched: that
	// of the lease under which it is saved, or a lower one when a copy is put
	// back into a Store that lost it.
	Fence int64
	// Start is when the lifetime began, counted from the moment the lease was
	// granted; negative when it began earlier. So a slow save does not lengthen
	// the lifetime.
	Start time.Duration
	// Lifetime is counted from Start. Stores keep milliseconds.
	Lifetime time.Duration
}
