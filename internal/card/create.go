package card

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/addcard/addcard/internal/audit"
)

const (
	// creationLife is how long an unanswered creation is remembered. It is usually
	// repeated soon, and a second card of the same definition may be wanted later.
	creationLife = 24 * time.Hour
	// searchTime bounds the search for a card after a creation without an answer.
	searchTime = 20 * time.Second
)

// creation is one call of Create.
type creation struct {
	*Operator
	card         *draft
	began        time.Time
	definition   string // hash of the card without its pictures
	exact        string // hash of the card with its pictures
	title, brand string
}

// TwinError is returned by Create for a Document with Once.
type TwinError struct{ CardID string }

func (e *TwinError) Error() string {
	return "card: " + e.CardID + " was created from the same file within the last day"
}

// Create creates a card at WeChat and adds it to the catalogue. The document is
// WeChat's {"card_type":"MEMBER_CARD","member_card":{…}}, alone or as the value of
// "card". Create returns an *InvalidError for what WeChat is known to refuse,
// without calling WeChat or uploading a picture.
//
// Calls that overlap in time create one card for each definition, in all
// processes: a call whose definition another one is creating waits for it and
// returns the same card_id, or ErrConcurrent if ctx ends before. A call that
// begins after another one has ended creates another card, unless doc.Once is set.
//
// When WeChat's answer is lost, Create searches the account for a new card with
// this title and brand instead of creating a second one, which would count
// against the account and confuse customers. If it finds none or cannot search,
// it returns the error. Calling it again with the same definition within a day is
// safe: the cards that the account had before the first call are stored, and the
// search then comes first.
func (o *Operator) Create(ctx context.Context, doc Document) (cardID string, err error) {
	d, err := o.checkCard(ctx, doc)
	if err != nil {
		return "", err
	}
	base := d.root.object("member_card").object("base_info")
	c := &creation{
		Operator: o, card: d, began: doc.began(), title: base.text("title"), brand: base.text("brand_name"),
		definition: hashDefinition(d.root), exact: d.exact(),
	}
	audit.Note(ctx, "title", nil, c.title)
	cardID, err = c.run(ctx)
	if cardID != "" {
		audit.Note(ctx, "card_id", nil, cardID)
	}
	return cardID, err
}

// run creates the card under a lock of its title and brand: by these, the search
// after a lost answer recognises it.
func (c *creation) run(ctx context.Context) (cardID string, err error) {
	const coarse = 2 * time.Millisecond // more than the resolution of the store's clock
	waited := time.Duration(0)
	lock, err := c.lock(ctx, "create "+hash(c.title, c.brand), func() (bool, error) {
		waited = coarse // the other call has not ended before this one began
		cardID, err = c.store.CreatedSince(ctx, c.exact, time.Since(c.began)+waited)
		return cardID != "", err
	})
	if err != nil || lock == nil {
		return cardID, err
	}
	defer lock.release()
	cardID, err = c.store.CreatedSince(ctx, c.exact, time.Since(c.began)+waited)
	if err != nil || cardID != "" {
		return cardID, err
	}
	if c.card.Once {
		twin, err := c.store.CreatedSince(ctx, c.exact, creationLife)
		if err != nil {
			return "", err
		}
		if twin != "" {
			return "", &TwinError{twin}
		}
	}
	return c.create(ctx, lock)
}

// create creates the card, unless an earlier call without an answer has.
func (c *creation) create(ctx context.Context, lock *heldLock) (cardID string, err error) {
	own, err := c.catalogue.accountCards(ctx)
	if err != nil {
		return "", fmt.Errorf("list the account's cards: %w", err)
	}
	had, err := c.store.BeginCreation(ctx, c.definition, own, creationLife)
	if err != nil {
		return "", err
	}
	cardID, err = c.findNew(ctx, had, own)
	if err != nil {
		return "", fmt.Errorf("search for a card that an earlier call created: %w", err)
	}
	if cardID == "" {
		raw, err := c.upload(ctx, c.card)
		if err == nil {
			err = lock.confirm(ctx)
		}
		if err != nil {
			return "", err
		}
		if cardID, err = c.account.CreateCard(ctx, raw); ambiguous(err) {
			return c.searchCreated(ctx, had, err)
		} else if err != nil {
			c.end(ctx, "")
			return "", err
		}
	}
	c.end(ctx, cardID)
	return cardID, nil
}

// searchCreated searches for the card after its creation ended with the error
// lost.
func (c *creation) searchCreated(ctx context.Context, had []string, lost error) (string, error) {
	// The caller's deadline may have passed; the search must take place anyway.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), searchTime)
	defer cancel()
	own, err := c.catalogue.accountCards(ctx)
	var cardID string
	if err == nil {
		cardID, err = c.findNew(ctx, had, own)
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("create card: response lost and search failed; repeat the call to search again: %w", errors.Join(lost, err))
	case cardID == "":
		return "", fmt.Errorf("create card: not created so far; repeat the call: %w", lost)
	}
	c.log.WarnContext(ctx, "create card: response lost, but the card was created", "card_id", cardID)
	c.end(ctx, cardID)
	return cardID, nil
}

// end records the outcome of a creation that WeChat has answered; cardID is "" if
// it was refused. It does so last: until the record, a repeated call finds the card.
// If recording fails, another card of this definition cannot be created until the
// record of the attempt expires.
func (c *creation) end(ctx context.Context, cardID string) {
	if cardID != "" {
		c.refreshChanged(ctx, cardID)
		if ignored := c.ignored(ctx, cardID, c.card); len(ignored) > 0 {
			c.log.WarnContext(ctx, "create card: WeChat has ignored fields that it does not have", "card_id", cardID, "fields", ignored)
		}
	}
	if err := c.store.EndCreation(context.WithoutCancel(ctx), c.definition, c.exact, cardID); err != nil {
		c.log.WarnContext(ctx, "create card: record not removed; the same definition creates no second card for a day", "error", err)
	}
}

// hashDefinition identifies a definition regardless of its formatting and of its
// pictures' URLs: pictures that are uploaded again for another try get new ones.
func hashDefinition(root object) string {
	card := clone(root)
	delete(card.object("member_card"), "background_pic_url")
	delete(card.object("member_card").object("base_info"), "logo_url")
	return hash(card)
}

// hash identifies values that JSON can express.
func hash(values ...any) string {
	var text []byte
	for _, v := range values {
		encoded, _ := json.Marshal(v) // sorts the names
		text = append(text, encoded...)
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))
}

// ambiguous reports whether WeChat may have carried out the call that ended with
// err.
func ambiguous(err error) bool {
	var e interface{ Ambiguous() bool }
	return errors.As(err, &e) && e.Ambiguous()
}

// findNew returns the card among own that is not among had and has this title and
// brand, or "".
func (c *creation) findNew(ctx context.Context, had, own []string) (string, error) {
	for _, id := range own {
		if slices.Contains(had, id) {
			continue
		}
		found, err := c.account.Card(ctx, id)
		if err != nil {
			return "", err
		}
		if found.Title == c.title && found.BrandName == c.brand {
			return id, nil
		}
	}
	return "", nil
}
