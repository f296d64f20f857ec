package card

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Create creates a card at WeChat and keeps it in the catalogue. raw is
// {"card_type":"MEMBER_CARD","member_card":{…}}, WeChat's own; what is known to
// be wrong is an *InvalidError before WeChat is asked.
//
// When WeChat's answer is lost, the account's cards are looked through for one
// that was not there before and has this title and brand: a second card would
// count against the account and confuse customers. Not finding one, Create
// returns the error, and it is safe to try again.
func (o *Operator) Create(ctx context.Context, raw json.RawMessage) (cardID string, err error) {
	base, err := checkCard(raw)
	if err != nil {
		return "", err
	}
	before, err := o.catalogue.own(ctx)
	if err != nil {
		return "", fmt.Errorf("list the account's cards: %w", err)
	}
	cardID, err = o.account.CreateCard(ctx, raw)
	if ambiguous(err) {
		// The caller's time may be over; the question must be answered all the same.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), searchTime)
		defer cancel()
		found, lookErr := o.made(ctx, before, base)
		if lookErr != nil {
			return "", fmt.Errorf("whether the card was created is not known: %w", errors.Join(err, lookErr))
		}
		if found != "" {
			o.log.WarnContext(ctx, "WeChat's answer was lost, but the card was created", "card_id", found)
			cardID, err = found, nil
		}
	}
	if err != nil {
		return "", err
	}
	o.reread(ctx, cardID)
	return cardID, nil
}

// searchTime bounds the look for a card whose creation was not answered.
const searchTime = 20 * time.Second

func ambiguous(err error) bool {
	var e interface{ Ambiguous() bool }
	return errors.As(err, &e) && e.Ambiguous()
}

// made finds the card that was created unseen, or "".
func (o *Operator) made(ctx context.Context, before []string, base tree) (string, error) {
	old := map[string]bool{}
	for _, id := range before {
		old[id] = true
	}
	now, err := o.catalogue.own(ctx)
	if err != nil {
		return "", err
	}
	for _, id := range now {
		if old[id] {
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
