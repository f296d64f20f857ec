package card

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	syncEvery = time.Hour
	// syncAtLeast is the shortest time between two attempts, so that a fleet that
	// is being restarted, or a replica that crashes at once, does not list the
	// account's cards again and again.
	syncAtLeast = time.Minute
)

// Run synchronises the catalogue with the account's cards at start and every
// hour until ctx ends; one replica does so for all. It blocks until the reads
// that it started have ended. Failures are logged; when the cards could not even
// be listed, the next attempt follows in one to two minutes.
func (c *Catalogue) Run(ctx context.Context) {
	defer c.running.Wait()
	for notWithin := syncAtLeast; ; {
		n, err := c.syncUnless(ctx, notWithin)
		notWithin = syncEvery
		if err != nil && ctx.Err() == nil {
			if n == 0 { // a failure of single cards can wait: another attempt reads them all
				notWithin = syncAtLeast
			}
			c.log.WarnContext(ctx, "synchronise cards: failed; trying again later", "after", notWithin, "error", err)
		}
		select {
		case <-time.After(syncAtLeast + rand.N(syncAtLeast)):
		case <-ctx.Done():
			return
		}
	}
}

// syncUnless is Sync unless a replica has started one within that time.
func (c *Catalogue) syncUnless(ctx context.Context, within time.Duration) (int, error) {
	if acquired, err := c.store.AcquireJob(ctx, "sync cards", within); err != nil || !acquired {
		return 0, err
	}
	n, err := c.Sync(ctx)
	if err == nil {
		c.log.InfoContext(ctx, "cards synchronised", "cards", n)
	}
	return n, err
}

// Sync reads from WeChat all cards of the account and all cards that are in the
// catalogue but no longer in the account. It returns the number of cards. A card
// that fails does not stop it; all such errors are returned together. Sync costs
// one call for 50 cards and one for each card, and blocks that long.
func (c *Catalogue) Sync(ctx context.Context) (int, error) {
	ids, err := c.store.IDs(ctx)
	if err != nil {
		return 0, err
	}
	own, err := c.accountCards(ctx)
	if err != nil {
		return 0, fmt.Errorf("list cards: %w", err)
	}
	ids = append(ids, own...)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	var failed error
	for _, id := range ids {
		if _, err := c.refresh(ctx, id); err != nil && !errors.Is(err, ErrNotFound) {
			failed = errors.Join(failed, err)
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	return len(ids), failed
}

// accountCards lists all cards of the account.
func (c *Catalogue) accountCards(ctx context.Context) (ids []string, err error) {
	for {
		page, total, err := c.wechat.CardIDs(ctx, len(ids))
		if err != nil {
			return nil, err
		}
		ids = append(ids, page...)
		if len(page) == 0 || len(ids) >= total {
			return ids, nil
		}
	}
}
