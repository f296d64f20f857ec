package sqldb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// readyTime bounds a check of readiness, and readyAge is how long its result
	// is used.
	readyTime = 2 * time.Second
	readyAge  = time.Second
)

// health is what is remembered of the faults of a database.
type health struct {
	suspect atomic.Bool           // a write has failed since the last one that proved the opposite
	damage  atomic.Pointer[error] // the first sign that the file is damaged

	mu   sync.Mutex
	last *readiness
}

// readiness is one check of readiness.
type readiness struct {
	began time.Time
	done  chan struct{}
	err   error
}

// note remembers a fault.
func (h *health) note(err error, write bool) {
	if errors.Is(err, ErrDamaged) {
		h.damage.CompareAndSwap(nil, &err)
	}
	if write {
		h.suspect.Store(true)
	}
}

// Ready returns nil if the database can be read and written, otherwise an error that
// wraps ErrUnavailable. It takes at most two seconds, and writes nothing unless a
// write has failed before. A damaged file is never ready again: it needs an operator
// and a restart. Calls within one second share one check.
func (db *DB) Ready(ctx context.Context) error {
	r, own := db.health.join()
	if own {
		// Others wait for this, too, so it does not end with ctx.
		r.err = db.probe(Together(context.WithoutCancel(ctx), readyTime))
		close(r.done)
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return fmt.Errorf("wait for the database: %w", ctx.Err())
	}
}

// join returns the check that is under way or was a moment ago, or a new one that
// the caller must do.
func (h *health) join() (r *readiness, own bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last != nil && time.Since(h.last.began) < readyAge {
		return h.last, false
	}
	if h.last != nil {
		select {
		case <-h.last.done:
		default:
			return h.last, false
		}
	}
	h.last = &readiness{began: time.Now(), done: make(chan struct{})}
	return h.last, true
}

func (db *DB) probe(ctx context.Context) error {
	if damage := db.health.damage.Load(); damage != nil {
		return *damage
	}
	limited, end := limitCall(ctx)
	err := db.fault(ctx, db.writable(limited), false)
	end()
	if err != nil || !db.health.suspect.CompareAndSwap(true, false) {
		return err
	}
	limited, end = limitCall(ctx)
	defer end()
	return db.fault(ctx, db.writeProbe(limited), true) // if this fails, so will the next check
}

// writeProbe commits as much as needs new space, and then deletes it.
func (db *DB) writeProbe(ctx context.Context) error {
	err := db.commit(ctx, "insert into write_probe (filler) values ($1)", strings.Repeat(rand.Text(), 1000))
	if err == nil {
		err = db.commit(ctx, "delete from write_probe")
	}
	if err != nil {
		return fmt.Errorf("write after a failure: %w", err)
	}
	return nil
}
