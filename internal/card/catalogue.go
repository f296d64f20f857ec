package card

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"

	"golang.org/x/sync/singleflight"

	"github.com/addcard/addcard/internal/ration"
)

const (
	// memoryFor is how long a replica uses its own copy before it reads the
	// database again, where another replica may have stored a newer one. It is
	// short, because that costs only one read by primary key.
	memoryFor = 2 * time.Second
	// unknownFor is how long an unknown card is answered as unknown without
	// asking WeChat again.
	unknownFor = time.Minute
	// refreshAfter is the age at which a copy in use is read from WeChat again in
	// the background: WeChat does not announce changes of stock, and not all of
	// the review.
	refreshAfter = 5 * time.Minute
	// refusalAge is the largest age of a copy on which a refusal may be based.
	refusalAge = 10 * time.Second
	// failedFor is how long a failed read of a card is answered with the same
	// error, so that an outage does not use up the minute's reads.
	failedFor = 3 * time.Second
	// readTimeout bounds one read, however many callers wait for it.
	readTimeout = 10 * time.Second
)

// WeChat is what the catalogue needs of the Official Account's API. Both calls
// go over the network. Card returns ErrNotFound for a card that the account does
// not have; any other error says nothing about the card.
type WeChat interface {
	Card(ctx context.Context, cardID string) (Card, error)
	// CardIDs returns at most 50 of the account's cards from offset on, and the
	// number of all its cards.
	CardIDs(ctx context.Context, offset int) (ids []string, total int, err error)
}

// Store keeps the catalogue. It is safe for concurrent use. Ages are measured by
// its own clock, which all replicas share.
type Store interface {
	// Load returns ErrNotFound for a card that was never saved.
	Load(ctx context.Context, cardID string) (c Card, age time.Duration, err error)
	// Save stores what WeChat says about a card and leaves its settings unchanged.
	// It forgets why a card that is now approved was refused.
	Save(ctx context.Context, c Card) error
	// SaveReview stores why a card, which need not be saved, was refused; reason is ""
	// if it was approved. It reports false, and stores nothing, if it has a later
	// review.
	SaveReview(ctx context.Context, cardID, reason string, at time.Time) (latest bool, err error)
	// Allow counts one use of name in the current minute and reports whether it
	// is within limit.
	Allow(ctx context.Context, name string, limit int) (bool, error)
	// Configure changes the settings of a saved card. It may call change more
	// than once.
	Configure(ctx context.Context, cardID string, change func(*Settings)) error
	// IDs lists the cards in the catalogue.
	IDs(ctx context.Context) ([]string, error)
	// AcquireJob reports whether the caller may run a job. It returns false if a
	// replica acquired the job within notWithin.
	AcquireJob(ctx context.Context, job string, notWithin time.Duration) (bool, error)
	// BeginCreation records that a card is about to be created in an account that
	// has the cards own. If the same definition was begun within that time and not
	// ended, it returns the cards that the account had then, else own; and, with
	// them, all cards that EndCreation has recorded.
	BeginCreation(ctx context.Context, definition string, own []string, within time.Duration) (had []string, err error)
	// EndCreation removes the record of a creation that WeChat has answered. If it
	// created a card, EndCreation records the card under exact.
	EndCreation(ctx context.Context, definition, exact, cardID string) error
	// CreatedSince returns the latest card that was recorded under exact within
	// that time, or "".
	CreatedSince(ctx context.Context, exact string, since time.Duration) (cardID string, err error)
	// Lock gives the lock name to holder until lease has passed, unless another
	// holder has it. ExtendLock renews a lease, and returns false if another holder
	// has or had the lock since. Unlock has no effect for a lock that was lost.
	Lock(ctx context.Context, name, holder string, lease time.Duration) (bool, error)
	ExtendLock(ctx context.Context, name, holder string, lease time.Duration) (bool, error)
	Unlock(ctx context.Context, name, holder string) error
	// AddPicture stores the URL and the hash of an uploaded picture. Pictures returns
	// all hashes by URL.
	AddPicture(ctx context.Context, url, content string) error
	Pictures(ctx context.Context) (map[string]string, error)
}

// Catalogue holds the merchant's cards. It is safe for concurrent use.
type Catalogue struct {
	wechat WeChat
	store  Store
	log    *slog.Logger

	flights     singleflight.Group
	running     sync.WaitGroup // flights, which may have no caller left
	waiting     ration.Slots   // for reads from WeChat
	mu          sync.RWMutex
	cached      map[string]cachedCard
	failedReads map[string]failedRead
	lastFailure failedRead           // the latest failure of WeChat, whichever card was read
	spent       map[string]time.Time // the limits that were reached, and until when they are not asked again
}

// failedRead is the error of a read and the time until which it is returned
// without another read.
type failedRead struct {
	err   error
	until time.Time
}

func (f failedRead) holds() bool { return time.Now().Before(f.until) }

// cachedCard is a card in memory and the time at which it was read from the
// database. The zero value means that there is none.
type cachedCard struct {
	card     Card
	loadedAt time.Time
}

func (c cachedCard) none() bool  { return c.loadedAt.IsZero() }
func (c cachedCard) fresh() bool { return !c.none() && time.Since(c.loadedAt) < memoryFor }

// New returns a Catalogue. It reads nothing before it is used; see Sync.
func New(wechat WeChat, store Store, log *slog.Logger) *Catalogue {
	return &Catalogue{
		wechat: wechat, store: store, log: log,
		cached: map[string]cachedCard{}, failedReads: map[string]failedRead{}, spent: map[string]time.Time{},
	}
}

// Get returns a card from memory, else from the database, else from WeChat,
// which may take seconds. A read from WeChat counts for the client of ctx (see
// ration.WithClient). It returns ErrNotFound, ErrTooMany, ration.ErrBusy, or WeChat's
// error.
func (c *Catalogue) Get(ctx context.Context, cardID string) (Card, error) {
	cached, failed := c.inMemory(cardID)
	switch {
	case cached.fresh():
		return cached.card, nil
	case cached.none() && failed.holds():
		return Card{}, failed.err
	}
	got, err := c.load(ctx, cardID)
	if errors.Is(err, ErrNotFound) {
		return c.read(ctx, cardID)
	}
	if err == nil && time.Since(got.ReadAt) > refreshAfter {
		c.start(ctx, "read "+cardID, c.reader(cardID, new(bool)), func() {})
	}
	return got, err
}

// load is Load, which concurrent callers share.
func (c *Catalogue) load(ctx context.Context, cardID string) (Card, error) {
	return c.coalesce(ctx, "load "+cardID, func(ctx context.Context) (Card, error) { return c.Load(ctx, cardID) }, func() {})
}

// Cached is Get without a call to WeChat: it returns ErrNotFound for a card that
// is not in the catalogue yet.
func (c *Catalogue) Cached(ctx context.Context, cardID string) (Card, error) {
	if cached, _ := c.inMemory(cardID); cached.fresh() {
		return cached.card, nil
	}
	return c.Load(ctx, cardID)
}

// Load is Cached without the copy in memory: it reads the database at each call,
// so it returns settings that another process has just changed.
func (c *Catalogue) Load(ctx context.Context, cardID string) (Card, error) {
	before := time.Now()
	got, age, err := c.store.Load(ctx, cardID)
	if err != nil {
		return Card{}, err
	}
	got.ReadAt = before.Add(-age)
	c.cache(got)
	return got, nil
}

// GetUnlimited is Get for background workers and the operator: its calls to
// WeChat do not count against the limit of clients.
func (c *Catalogue) GetUnlimited(ctx context.Context, cardID string) (Card, error) {
	got, err := c.Cached(ctx, cardID)
	if errors.Is(err, ErrNotFound) {
		return c.refresh(ctx, cardID)
	}
	return got, err
}

// inMemory returns what this process remembers about a card.
func (c *Catalogue) inMemory(cardID string) (cachedCard, failedRead) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.cached[cardID], c.failedReads[cardID]
}

// Review is the outcome of a card's review, which WeChat's event reports.
type Review struct {
	CardID string
	Passed bool
	Reason string // why it was refused, in WeChat's words
	At     time.Time
}

// Reviewed stores the outcome of a card's review, and logs a refusal. It ignores an
// event that is older than the latest one. The status of a card that is not in the
// catalogue is read when it is needed. That of a deleted card does not change,
// because the event is older than the deletion.
func (c *Catalogue) Reviewed(ctx context.Context, r Review) error {
	status, reason := Verified, ""
	if !r.Passed {
		status, reason = VerifyFailed, oneLine(r.Reason)
	}
	before, err := c.Load(ctx, r.CardID)
	unknown := errors.Is(err, ErrNotFound)
	if err != nil && !unknown {
		return err
	}
	latest, err := c.store.SaveReview(ctx, r.CardID, reason, r.At)
	if err != nil || !latest || before.Status == Deleted {
		return err
	}
	if !unknown {
		_, err = c.saveStatus(ctx, r.CardID, status)
	}
	if err == nil && !r.Passed && (before.Status != VerifyFailed || before.RefuseReason != reason) {
		c.log.WarnContext(ctx, "card refused in review", "card_id", r.CardID, "title", before.Title, "refuse_reason", reason)
	}
	return err
}

// oneLine returns a text of WeChat's for a log or a terminal.
func oneLine(text string) string {
	return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }), " ")
}

// Claimable returns the card if a phone would accept it, else ErrNotClaimable.
// It refuses only on a copy of the database that is at most 10 seconds old, and
// reads the card from WeChat first if the copy is older. hasCode means that the
// member already has a current code of the card.
func (c *Catalogue) Claimable(ctx context.Context, cardID string, hasCode bool) (Card, error) {
	got, err := c.Get(ctx, cardID)
	if err == nil && !got.Claimable(hasCode) {
		got, err = c.load(ctx, cardID) // another process may have raised the stock since the copy in memory
	}
	if err != nil || got.Claimable(hasCode) {
		return got, err
	}
	if time.Since(got.ReadAt) > refusalAge {
		got, err = c.read(ctx, cardID)
		if err != nil || got.Claimable(hasCode) {
			return got, err
		}
	}
	return Card{}, ErrNotClaimable
}

type flight = func(context.Context) (Card, error)

// coalesce shares one flight among all concurrent callers with the same key. Each
// caller waits at most as long as its ctx allows; the flight goes on without it.
// When it ends, ended is called.
func (c *Catalogue) coalesce(ctx context.Context, key string, fn flight, ended func()) (Card, error) {
	select {
	case r := <-c.start(ctx, key, fn, ended):
		if r.Err != nil {
			return Card{}, r.Err
		}
		return r.Val.(Card), nil
	case <-ctx.Done():
		return Card{}, fmt.Errorf("wait for a card: %w", ctx.Err())
	}
}

// start starts or joins the flight of key.
func (c *Catalogue) start(ctx context.Context, key string, fn flight, ended func()) <-chan singleflight.Result {
	c.running.Add(1) // one for each caller: all of them wait for the flight
	result := c.flights.DoChan(key, func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		return fn(ctx)
	})
	done := make(chan singleflight.Result, 1)
	go func() {
		defer c.running.Done()
		r := <-result
		ended()
		done <- r
	}()
	return done
}

// refresh reads a card from WeChat and saves it. A card that WeChat no longer has
// is saved as deleted, because members who hold it still see its face.
func (c *Catalogue) refresh(ctx context.Context, cardID string) (Card, error) {
	before := time.Now()
	got, err := c.wechat.Card(ctx, cardID)
	if err == nil || errors.Is(err, ErrNotFound) {
		c.mu.Lock()
		c.lastFailure = failedRead{} // WeChat answers again
		c.mu.Unlock()
	}
	if errors.Is(err, ErrNotFound) {
		return c.saveMissing(ctx, cardID)
	}
	if err != nil {
		err = fmt.Errorf("read card %s: %w", cardID, err)
		c.cacheFailure(cardID, failedRead{err, before.Add(failedFor)})
		return Card{}, err
	}
	return c.save(ctx, got, before)
}

// saveMissing records that WeChat does not have a card. It returns the card as
// deleted, or ErrNotFound if the catalogue does not have it either.
func (c *Catalogue) saveMissing(ctx context.Context, cardID string) (Card, error) {
	got, err := c.saveStatus(ctx, cardID, Deleted)
	if errors.Is(err, ErrNotFound) {
		c.cacheFailure(cardID, failedRead{ErrNotFound, time.Now().Add(unknownFor)})
	}
	return got, err
}

// saveStatus saves a new status of a card that is in the catalogue.
func (c *Catalogue) saveStatus(ctx context.Context, cardID string, status Status) (Card, error) {
	got, _, err := c.store.Load(ctx, cardID)
	if err != nil {
		return Card{}, err
	}
	got.Status = status
	return c.save(ctx, got, time.Now())
}

// save stores what WeChat said about a card at readAt and returns it with its
// settings.
func (c *Catalogue) save(ctx context.Context, got Card, readAt time.Time) (Card, error) {
	if err := c.store.Save(ctx, got); err != nil {
		return Card{}, err
	}
	saved, _, err := c.store.Load(ctx, got.ID) // with its settings
	if err != nil {
		return Card{}, err
	}
	saved.ReadAt = readAt
	c.cache(saved)
	return saved, nil
}

func (c *Catalogue) cache(got Card) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.failedReads, got.ID)
	c.cached[got.ID] = cachedCard{card: got, loadedAt: time.Now()}
}

// cacheFailure remembers how a read ended. The map stays small: clients cause at
// most clientReads entries a minute, and each is kept for a minute at most.
func (c *Catalogue) cacheFailure(cardID string, failed failedRead) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, old := range c.failedReads {
		if !old.holds() {
			delete(c.failedReads, id)
		}
	}
	c.failedReads[cardID] = failed
	if !errors.Is(failed.err, ErrNotFound) {
		c.lastFailure = failedRead{failed.err, time.Now().Add(time.Minute)}
	}
}
