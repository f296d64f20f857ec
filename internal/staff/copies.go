package staff

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// maxAge is how old a copy of the keys may be that proves a person without being
	// read again.
	maxAge = time.Second
	// minAge is how old one must be to be read again because a secret is not in it. So
	// a program that guesses waits, and causes no more reads than this.
	minAge = 200 * time.Millisecond
)

// copies is a copy of all keys, because each request of a person needs one and
// because a program that guesses must not reach the database. It is safe for
// concurrent use.
type copies struct {
	store Store

	read singleflight.Group

	mu      sync.Mutex
	changes int // by this replica
	keys    map[string]StoredKey
	now     time.Time // by the database, at readAt
	readAt  time.Time
	used    map[string]time.Time // by the ID of the key, by the database's clock
}

// forget has the next call read the keys again, also one that is reading them.
func (c *copies) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changes++
	c.readAt = time.Time{}
}

// find returns the key with that secret, or ErrUnknown, and records its use.
func (c *copies) find(ctx context.Context, kind Kind, secret string) (StoredKey, error) {
	if !isSecret(secret) {
		return StoredKey{}, ErrUnknown
	}
	hash, asked := hashOf(secret), time.Now()
	for {
		k, known, readAt := c.look(kind, hash)
		sinceAsked := !readAt.Before(asked) // then this is the answer, however slow the read was
		switch {
		case known && (sinceAsked || time.Since(readAt) <= maxAge):
			return k, nil
		case sinceAsked:
			return StoredKey{}, ErrUnknown
		}
		if err := c.await(ctx); err != nil {
			return StoredKey{}, err
		}
	}
}

// await waits until the keys were read, once for all that wait.
func (c *copies) await(ctx context.Context) error {
	done := c.read.DoChan("", func() (any, error) { return nil, c.refresh(context.WithoutCancel(ctx)) })
	select {
	case r := <-done:
		return r.Err //nolint:wrapcheck // it is the store's
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // as it is
	}
}

// refresh reads the keys. If they were read a moment ago, it waits before.
func (c *copies) refresh(ctx context.Context) error {
	for {
		c.mu.Lock()
		age := time.Since(c.readAt)
		c.mu.Unlock()
		time.Sleep(minAge - age)
		c.mu.Lock()
		changes := c.changes
		c.mu.Unlock()
		began := time.Now()
		list, now, err := c.store.Keys(ctx)
		if err != nil {
			return err
		}
		keys := make(map[string]StoredKey, len(list))
		for _, k := range list {
			keys[k.Hash] = k
		}
		if c.keep(keys, now, began, changes) {
			return nil
		}
	}
}

// keep reports false, and keeps nothing, if keys have changed while they were read.
func (c *copies) keep(keys map[string]StoredKey, now, began time.Time, changes int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if changes != c.changes {
		return false
	}
	c.keys, c.now, c.readAt = keys, now, began
	return true
}

// look returns the key with that hash from the copy, and when the copy was read; the
// zero time says that there is none.
func (c *copies) look(kind Kind, hash string) (k StoredKey, known bool, readAt time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, known = c.keys[hash]
	now := c.now.Add(time.Since(c.readAt))
	if !known || c.readAt.IsZero() || k.Kind != kind || !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt) {
		return StoredKey{}, false, c.readAt
	}
	const often = 10 * time.Second
	if now.Sub(k.UsedAt) > often {
		k.UsedAt = now
		c.keys[hash], c.used[k.ID] = k, now
	}
	return k, true, c.readAt
}

// takeUses returns the uses since the last call.
func (c *copies) takeUses() map[string]time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	uses := c.used
	c.used = map[string]time.Time{}
	return uses
}
