package card

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Create creates a card at WeChat and keeps it in the catalogue. raw is
// {"card_type":"MEMBER_CARD","member_card":{…}}, WeChat's own; what is known to
// be wrong is an *InvalidError before WeChat is asked.
//
// When WeChat's answer is lost, the account's cards are looked through for one
// that was not there before and has this title and brand: a second card would
// count against the account and confuse customers. Not finding one, or not
// being able to look, Create returns the error. It is safe to try again with
// the same definition within a day: what was there before the first try is
// written down, and the look comes first then.
func (o *Operator) Create(ctx context.Context, raw json.RawMessage) (cardID string, err error) {
	base, err := checkCard(raw)
	if err != nil {
		return "", err
	}
	own, err := o.catalogue.own(ctx)
	if err != nil {
		return "", fmt.Errorf("list the account's cards: %w", err)
	}
	definition := hashOf(raw)
	had, err := o.store.Attempt(ctx, definition, own, attemptLife)
	if err != nil {
		return "", err
	}
	cardID, err = o.made(ctx, had, own, base)
	if err != nil {
		return "", fmt.Errorf("whether an earlier try created the card: %w", err)
	}
	if cardID == "" {
		cardID, err = o.account.CreateCard(ctx, raw)
	}
	if ambiguous(err) {
		return o.search(ctx, definition, had, base, err)
	}
	o.settle(ctx, definition)
	if err != nil {
		return "", err
	}
	o.reread(ctx, cardID)
	return cardID, nil
}

// attemptLife is how long an unanswered try is remembered: whoever repeats it
// does so soon, and another card of the same definition may be wanted one day.
const attemptLife = 24 * time.Hour

// search looks for a card whose creation ended with lost.
func (o *Operator) search(ctx context.Context, definition string, had []string, base tree, lost error) (string, error) {
	// The caller's time may be over; the question must be answered all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), searchTime)
	defer cancel()
	own, err := o.catalogue.own(ctx)
	var cardID string
	if err == nil {
		cardID, err = o.made(ctx, had, own, base)
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("whether the card was created is not known, trying again finds it: %w", errors.Join(lost, err))
	case cardID == "":
		return "", fmt.Errorf("the card was not created so far, try again: %w", lost)
	}
	o.log.WarnContext(ctx, "WeChat's answer was lost, but the card was created", "card_id", cardID)
	o.settle(ctx, definition)
	o.reread(ctx, cardID)
	return cardID, nil
}

// settle forgets a try that was answered. Failing that, another card of this
// definition cannot be made before it is forgotten by itself.
func (o *Operator) settle(ctx context.Context, definition string) {
	if err := o.store.Settle(context.WithoutCancel(ctx), definition); err != nil {
		o.log.WarnContext(ctx, "that a card's creation was answered could not be written down", "error", err)
	}
}

// hashOf names a definition whatever its spelling, and whatever its pictures
// are called: those that are uploaded anew for a second try get new URLs.
func hashOf(raw json.RawMessage) string {
	card, _ := parse(raw) // checkCard has read it
	if member, ok := card["member_card"].(map[string]any); ok {
		delete(member, "background_pic_url")
		if base, ok := member["base_info"].(map[string]any); ok {
			delete(base, "logo_url")
		}
	}
	text, _ := json.Marshal(card) // sorts the names
	return fmt.Sprintf("%x", sha256.Sum256(text))
}

// searchTime bounds the look for a card whose creation was not answered.
const searchTime = 20 * time.Second

func ambiguous(err error) bool {
	var e interface{ Ambiguous() bool }
	return errors.As(err, &e) && e.Ambiguous()
}

// made finds the card among own that was created unseen, or "".
func (o *Operator) made(ctx context.Context, had, own []string, base tree) (string, error) {
	for _, id := range own {
		if slices.Contains(had, id) {
			continue
		}
		c, err := o.account.Card(ctx, id)
		if err != nil {
			return "", err
		}
		if c.Title == base["title"] && c.BrandName == base["brand_name"] {
			return id, nil
		}
	}
	return "", nil
}
