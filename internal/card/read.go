package card

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/addcard/addcard/internal/ration"
)

// How many calls of /card/get clients may cause in a minute, all replicas together.
// So they cannot use up the account's quota, one member cannot use up the share of
// the others, and the anonymous cannot use up that of the members.
const (
	clientReads    = 30
	anonymousReads = 10
	addressReads   = 3  // of one anonymous address
	memberReads    = 15 // of one member, who may ask for ten cards at once
)

const (
	// maxWaiting bounds the callers that wait for reads from WeChat. The anonymous may
	// be half of them.
	maxWaiting = 128
	// spentFor is how long a limit that was reached is not asked again, so that
	// refusals do not write to the database.
	spentFor = time.Second
)

// read reads a card from WeChat for a client. Concurrent callers share one read. A
// caller that leaves counts as waiting until the read has ended.
func (c *Catalogue) read(ctx context.Context, cardID string) (Card, error) {
	most := int64(maxWaiting)
	if ration.ClientOf(ctx).Kind == ration.Anonymous {
		most /= 2
	}
	for {
		leave, err := c.waiting.Enter(most)
		if err != nil {
			return Card{}, err
		}
		own := false // whether this call started the read
		got, err := c.coalesce(ctx, "read "+cardID, c.reader(cardID, &own), leave)
		if !errors.Is(err, ErrTooMany) || own {
			return got, err
		} // else the limit that was reached is another client's
	}
}

// reader returns a flight that reads the card for the client of its ctx.
func (c *Catalogue) reader(cardID string, started *bool) flight {
	return func(ctx context.Context) (Card, error) {
		*started = true
		return c.readForClient(ctx, cardID)
	}
}

// readForClient reads a card from WeChat within the limits of clients.
func (c *Catalogue) readForClient(ctx context.Context, cardID string) (Card, error) {
	c.mu.RLock()
	failed, lastFailure := c.failedReads[cardID], c.lastFailure
	c.mu.RUnlock()
	if failed.holds() {
		return Card{}, failed.err
	}
	for _, l := range limitsOf(ration.ClientOf(ctx)) {
		ok, err := c.allow(ctx, l)
		switch {
		case err != nil:
			return Card{}, err
		case !ok && lastFailure.holds():
			return Card{}, lastFailure.err // an outage has used up the limit, not the clients
		case !ok:
			return Card{}, ErrTooMany
		}
	}
	return c.refresh(ctx, cardID)
}

// limit is how often something may be done in a minute.
type limit struct {
	name string
	most int
}

// limitsOf returns the limits for reads of a client, its own first: what it does
// beyond them does not count for the limits that it shares. The operator has none.
func limitsOf(client ration.Client) []limit {
	all := limit{"card/get by clients", clientReads}
	switch client.Kind {
	case ration.Operator:
		return nil
	case ration.Member:
		return []limit{{"card/get by member " + slot(client.Key), memberReads}, all}
	case ration.Anonymous:
		return []limit{{"card/get by address " + slot(client.Key), addressReads}, {"card/get by the anonymous", anonymousReads}, all}
	}
	return []limit{all}
}

// slot returns one of 1024 names for a client, the same on all replicas. The store
// keeps a row for each name. Clients with the same name share a limit.
func slot(key string) string {
	sum := sha256.Sum256([]byte(key))
	return fmt.Sprintf("%02x%d", sum[0], sum[1]&3)
}

// allow counts one use within the limit. It reports false if the limit is reached.
func (c *Catalogue) allow(ctx context.Context, l limit) (bool, error) {
	c.mu.RLock()
	spent := time.Now().Before(c.spent[l.name])
	c.mu.RUnlock()
	if spent {
		return false, nil
	}
	ok, err := c.store.Allow(ctx, l.name, l.most)
	if err == nil && !ok {
		c.mu.Lock()
		c.spent[l.name] = time.Now().Add(spentFor)
		c.mu.Unlock()
	}
	return ok, err
}
