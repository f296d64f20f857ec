package card

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

const (
	// memoryFor is how long a replica trusts its own copy before it looks into
	// the database for another replica's news: one point read, so short.
	memoryFor = 2 * time.Second
	// unknownFor is how long an unknown card is remembered as unknown.
	unknownFor = time.Minute
	// refreshAfter is the age at which a copy in use is read again behind the
	// caller's back: stock and review move without telling us.
	refreshAfter = 5 * time.Minute
	// refusalAge is how old a copy may be that a refusal rests on.
	refusalAge = 10 * time.Second
	// clientReads is how many /card/get a minute clients may cause, all
	// replicas together: nobody outside can spend the account's quota.
	clientReads = 30
	// failedFor is how long a failed read of a card is answered with the same
	// failure, so that an outage does not eat the minute's reads.
	failedFor = 3 * time.Second
	// readTimeout bounds one look-up, whoever waits for it.
	readTimeout = 10 * time.Second
)

// WeChat is what the catalogue needs of the Official Account's API. Both calls
// go over the network. Card returns ErrNotFound for a card that the account
// does not have; any other error says nothing about the card.
type WeChat interface {
	Card(ctx context.Context, cardID string) (Card, error)
	// CardIDs lists some of the account's cards from offset on, at most 50,
	// and how many there are in all.
	CardIDs(ctx context.Context, offset int) (ids []string, total int, err error)
}

// Store keeps the catalogue. It is safe for concurrent use; ages are by its own
// clock, which all replicas share.
type Store interface {
	// Load returns ErrNotFound for a card never saved.
	Load(ctx context.Context, cardID string) (c Card, age time.Duration, err error)
	// Save keeps what WeChat says of a card and leaves its settings alone.
	Save(ctx context.Context, c Card) error
	// Allow counts one more use of name in the current minute and tells
	// whether it is within limit.
	Allow(ctx context.Context, name string, limit int) (bool, error)
	// Configure changes the settings of a card that was saved. change may run
	// more than once.
	Configure(ctx context.Context, cardID string, change func(*Settings)) error
	// IDs lists the cards in the catalogue.
	IDs(ctx context.Context) ([]string, error)
	// Take gives a job to the caller, unless some replica took it within the
	// last notWithin.
	Take(ctx context.Context, job string, notWithin time.Duration) (bool, error)
	// Attempt notes that a card is about to be created in an account that has
	// these cards. If the same was tried within that time and not settled, it
	// returns what the account had then, else own.
	Attempt(ctx context.Context, definition string, own []string, within time.Duration) (had []string, err error)
	// Settle forgets an attempt whose end is known.
	Settle(ctx context.Context, definition string) error
}

// Catalogue is the merchant's cards. It is safe for concurrent use.
type Catalogue struct {
	wechat WeChat
	store  Store
	log    *slog.Logger

	flights  singleflight.Group
	running  sync.WaitGroup // flights nobody may be waiting for
	mu       sync.RWMutex
	known    map[string]copyOf
	refusals map[string]refusal
	failure  refusal // of WeChat, the latest
}

// refusal is what a read of a card ended with, and until when that holds.
type refusal struct {
	err   error
	until time.Time
}

func (r refusal) holds() bool { return time.Now().Before(r.until) }

// copyOf is a card and when it was last compared with the database; zero is none.
type copyOf struct {
	card     Card
	lookedAt time.Time
}

func (c copyOf) none() bool  { return c.lookedAt.IsZero() }
func (c copyOf) fresh() bool { return !c.none() && time.Since(c.lookedAt) < memoryFor }

// New returns a Catalogue. It asks nothing before it is used; see Sync.
func New(wechat WeChat, store Store, log *slog.Logger) *Catalogue {
	return &Catalogue{wechat: wechat, store: store, log: log, known: map[string]copyOf{}, refusals: map[string]refusal{}}
}

// Get returns what is known of a card: from memory, else from the database,
// else from WeChat, which may take seconds. It returns ErrNotFound, ErrTooMany,
// or what WeChat answered.
func (c *Catalogue) Get(ctx context.Context, cardID string) (Card, error) {
	have, refused := c.recall(cardID)
	switch {
	case have.fresh():
		return have.card, nil
	case have.none() && refused.holds():
		return Card{}, refused.err
	}
	return c.once(ctx, "look "+cardID, func(ctx context.Context) (Card, error) {
		return c.look(ctx, cardID)
	})
}

// Known is Get without asking WeChat: ErrNotFound is all it says of a card that
// is not in the catalogue yet.
func (c *Catalogue) Known(ctx context.Context, cardID string) (Card, error) {
	if have, _ := c.recall(cardID); have.fresh() {
		return have.card, nil
	}
	return c.load(ctx, cardID)
}

// Stored is Known as the database has it now: settings that another process has
// just changed count. It is a read for each call.
func (c *Catalogue) Stored(ctx context.Context, cardID string) (Card, error) {
	return c.load(ctx, cardID)
}

// recall returns what is in memory about a card.
func (c *Catalogue) recall(cardID string) (copyOf, refusal) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.known[cardID], c.refusals[cardID]
}

// Learn is Get for our own workers: what it asks of WeChat is not counted
// against the clients' allowance.
func (c *Catalogue) Learn(ctx context.Context, cardID string) (Card, error) {
	got, err := c.Known(ctx, cardID)
	if errors.Is(err, ErrNotFound) {
		return c.refresh(ctx, cardID)
	}
	return got, err
}

// Reviewed notes the outcome of a card's review, as WeChat's event tells it. A
// card that is not in the catalogue is read when it is needed; of one that was
// deleted the event is an old one.
func (c *Catalogue) Reviewed(ctx context.Context, cardID string, passed bool) error {
	got, err := c.load(ctx, cardID)
	if errors.Is(err, ErrNotFound) || err == nil && got.Status == Deleted {
		return nil
	}
	if err != nil {
		return err
	}
	got.Status = VerifyFailed
	if passed {
		got.Status = Verified
	}
	_, err = c.keep(ctx, got, time.Now())
	return err
}

// Claimable returns the card if a phone would accept it, else ErrNotClaimable.
// It refuses only on a copy of at most 10 seconds' age, reading the card again
// if it must. held: the member has a live code of this card already.
func (c *Catalogue) Claimable(ctx context.Context, cardID string, held bool) (Card, error) {
	got, err := c.Get(ctx, cardID)
	if err != nil || got.Claimable(held) {
		return got, err
	}
	if time.Since(got.ReadAt) > refusalAge {
		got, err = c.once(ctx, "read "+cardID, func(ctx context.Context) (Card, error) { return c.read(ctx, cardID) })
		if err != nil || got.Claimable(held) {
			return got, err
		}
	}
	return Card{}, ErrNotClaimable
}

// once shares one flight among all who ask for the same thing now. The flight
// goes on when the one who began it leaves; each waits only as long as it may.
func (c *Catalogue) once(ctx context.Context, key string, fn func(context.Context) (Card, error)) (Card, error) {
	select {
	case r := <-c.start(ctx, key, fn):
		if r.Err != nil {
			return Card{}, r.Err
		}
		return r.Val.(Card), nil
	case <-ctx.Done():
		return Card{}, fmt.Errorf("look a card up: %w", ctx.Err())
	}
}

func (c *Catalogue) start(ctx context.Context, key string, fn func(context.Context) (Card, error)) <-chan singleflight.Result {
	c.running.Add(1) // per caller: a shared flight outlives none of them
	flight := c.flights.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		return fn(ctx)
	})
	done := make(chan singleflight.Result, 1)
	go func() {
		defer c.running.Done()
		done <- <-flight
	}()
	return done
}

// look asks the database and, for a card it does not have, WeChat.
func (c *Catalogue) look(ctx context.Context, cardID string) (Card, error) {
	got, err := c.load(ctx, cardID)
	if errors.Is(err, ErrNotFound) {
		return c.read(ctx, cardID)
	}
	if err == nil && time.Since(got.ReadAt) > refreshAfter {
		c.start(ctx, "read "+cardID, func(ctx context.Context) (Card, error) { return c.read(ctx, cardID) })
	}
	return got, err
}

func (c *Catalogue) load(ctx context.Context, cardID string) (Card, error) {
	before := time.Now()
	got, age, err := c.store.Load(ctx, cardID)
	if err != nil {
		return Card{}, err
	}
	got.ReadAt = before.Add(-age)
	c.remember(got)
	return got, nil
}

// read asks WeChat on a client's behalf, within the fleet's allowance.
func (c *Catalogue) read(ctx context.Context, cardID string) (Card, error) {
	c.mu.RLock()
	refused, failure := c.refusals[cardID], c.failure
	c.mu.RUnlock()
	if refused.holds() {
		return Card{}, refused.err
	}
	ok, err := c.store.Allow(ctx, "card/get by clients", clientReads)
	switch {
	case err != nil:
		return Card{}, err
	case !ok && failure.holds():
		return Card{}, failure.err // the allowance went into an outage: say so
	case !ok:
		return Card{}, ErrTooMany
	}
	return c.refresh(ctx, cardID)
}

// refresh asks WeChat and keeps the answer. A card that WeChat no longer has
// is kept as deleted, so that those who hold it can still see its face.
func (c *Catalogue) refresh(ctx context.Context, cardID string) (Card, error) {
	before := time.Now()
	got, err := c.wechat.Card(ctx, cardID)
	if err == nil || errors.Is(err, ErrNotFound) {
		c.mu.Lock()
		c.failure = refusal{} // WeChat answers: whatever it was is over
		c.mu.Unlock()
	}
	if errors.Is(err, ErrNotFound) {
		return c.lost(ctx, cardID)
	}
	if err != nil {
		err = fmt.Errorf("read card %s: %w", cardID, err)
		c.refuse(cardID, refusal{err, before.Add(failedFor)})
		return Card{}, err
	}
	return c.keep(ctx, got, before)
}

func (c *Catalogue) lost(ctx context.Context, cardID string) (Card, error) {
	before := time.Now()
	got, _, err := c.store.Load(ctx, cardID)
	if errors.Is(err, ErrNotFound) {
		c.refuse(cardID, refusal{ErrNotFound, before.Add(unknownFor)})
		return Card{}, ErrNotFound
	}
	if err != nil {
		return Card{}, err
	}
	got.Status = Deleted
	return c.keep(ctx, got, before)
}

func (c *Catalogue) keep(ctx context.Context, got Card, readAt time.Time) (Card, error) {
	if err := c.store.Save(ctx, got); err != nil {
		return Card{}, err
	}
	saved, _, err := c.store.Load(ctx, got.ID) // with its settings
	if err != nil {
		return Card{}, err
	}
	saved.ReadAt = readAt
	c.remember(saved)
	return saved, nil
}

func (c *Catalogue) remember(got Card) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.refusals, got.ID)
	c.known[got.ID] = copyOf{card: got, lookedAt: time.Now()}
}

// refuse remembers how a read ended. The map stays small: clientReads entries
// a minute are made for clients, and each lives a minute at most.
func (c *Catalogue) refuse(cardID string, r refusal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, old := range c.refusals {
		if !old.holds() {
			delete(c.refusals, id)
		}
	}
	c.refusals[cardID] = r
	if !errors.Is(r.err, ErrNotFound) {
		c.failure = refusal{r.err, time.Now().Add(time.Minute)}
	}
}
