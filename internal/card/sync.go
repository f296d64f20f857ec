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
	// syncAtLeast keeps a fleet that is being restarted, or a replica that
	// dies at once, from listing the account's cards over and over.
	syncAtLeast = time.Minute
)

// Run reads the account's own cards at start and every hour until ctx ends, in
// one replica for all. It blocks, at the end until no look-up is under way.
// Failures are logged; when the cards could not even be listed, that is tried
// again in a minute or two.
func (c *Catalogue) Run(ctx context.Context) {
	defer c.running.Wait()
	for notWithin := syncAtLeast; ; {
		n, err := c.syncUnless(ctx, notWithin)
		notWithin = syncEvery
		if err != nil && ctx.Err() == nil {
			c.log.WarnContext(ctx, "cards were not synchronised", "error", err)
			if n == 0 { // a single card can wait: another try reads them all
				notWithin = syncAtLeast
			}
		}
		select {
		case <-time.After(syncAtLeast + rand.N(syncAtLeast)):
		case <-ctx.Done():
			return
		}
	}
}

// syncUnless is Sync, unless a replica has tried within that time.
func (c *Catalogue) syncUnless(ctx context.Context, within time.Duration) (int, error) {
	if took, err := c.store.Take(ctx, "sync cards", within); err != nil || !took {
		return 0, err
	}
	n, err := c.Sync(ctx)
	if err == nil {
		c.log.InfoContext(ctx, "cards synchronised", "cards", n)
	}
	return n, err
}

// Sync reads all cards of the account from WeChat, and those that are in the
// catalogue but no longer in the account, and returns how many it looked at. It
// goes on past single cards that fail and reports them together. It costs one
// call per 50 cards and one per card, and blocks that long.
func (c *Catalogue) Sync(ctx context.Context) (int, error) {
	ids, err := c.store.IDs(ctx)
	if err != nil {
		return 0, err
	}
	own, err := c.own(ctx)
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

// own lists the account's cards, page by page.
func (c *Catalogue) own(ctx context.Context) (ids []string, err error) {
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
