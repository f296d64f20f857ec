package card

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"
)

const (
	// lockLease is how long a lock outlives a process that was killed.
	lockLease = 15 * time.Second
	// lockRenewal is how often a living process renews it.
	lockRenewal = 4 * time.Second
	// lockPoll is how often a waiting call looks again.
	lockPoll = 100 * time.Millisecond
)

// heldLock is a lock that one call has. Its lease is renewed in the background
// until release.
type heldLock struct {
	store        Store
	name, holder string
	stop         context.CancelFunc
	done         chan struct{}
}

// tryLock returns the lock name, or nil if another call has it.
func (o *Operator) tryLock(ctx context.Context, name string) (*heldLock, error) {
	l := &heldLock{store: o.store, name: name, holder: rand.Text(), done: make(chan struct{})}
	if locked, err := o.store.Lock(ctx, name, l.holder, lockLease); err != nil || !locked {
		return nil, err
	}
	ctx, l.stop = context.WithCancel(ctx)
	go l.renew(ctx)
	return l, nil
}

// lock waits for the lock name until ctx ends; the error then is ErrConcurrent.
// While another call has the lock, it calls stop, which may be nil, again and
// again. It returns a nil lock as soon as stop returns true.
func (o *Operator) lock(ctx context.Context, name string, stop func() (bool, error)) (*heldLock, error) {
	for logged := false; ; logged = true {
		l, err := o.tryLock(ctx, name)
		if err != nil || l != nil {
			return l, concurrent(ctx, err)
		}
		if !logged {
			o.log.InfoContext(ctx, "waiting for another call that works on the same card")
		}
		if stop != nil {
			if stopped, err := stop(); stopped || err != nil {
				return nil, concurrent(ctx, err)
			}
		}
		select {
		case <-time.After(lockPoll):
		case <-ctx.Done():
			return nil, concurrent(ctx, ctx.Err())
		}
	}
}

// concurrent adds ErrConcurrent to the error of a wait that ctx has ended. The store
// may find the deadline reached a moment before ctx.
func concurrent(ctx context.Context, err error) error {
	deadline, ok := ctx.Deadline()
	if err != nil && (ctx.Err() != nil || ok && !time.Now().Before(deadline)) {
		return fmt.Errorf("%w: %w", ErrConcurrent, err)
	}
	return err
}

// renew renews the lease until ctx ends. A failure is repaired by the next
// renewal; if the lock is lost, confirm finds it.
func (l *heldLock) renew(ctx context.Context) {
	defer close(l.done)
	for {
		select {
		case <-time.After(lockRenewal):
			_, _ = l.store.ExtendLock(ctx, l.name, l.holder, lockLease)
		case <-ctx.Done():
			return
		}
	}
}

// confirm renews the lease. It returns an error unless this call still has the
// lock: a process that was stopped for a while may have lost it. Call it right
// before what another call must not do at the same time.
func (l *heldLock) confirm(ctx context.Context) error {
	held, err := l.store.ExtendLock(ctx, l.name, l.holder, lockLease)
	if err == nil && !held {
		err = ErrConcurrent
	}
	return err
}

// release gives the lock back. If that fails, its lease ends by itself.
func (l *heldLock) release() {
	l.stop()
	<-l.done
	ctx, cancel := context.WithTimeout(context.Background(), lockRenewal)
	defer cancel()
	_ = l.store.Unlock(ctx, l.name, l.holder)
}
