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

const (
	// creationLife is how long an unanswered creation is remembered. It is usually
	// repeated soon, and a second card of the same definition may be wanted later.
	creationLife = 24 * time.Hour
	// searchTime bounds the search for a card after a creation without an answer.
	searchTime = 20 * time.Second
)

// Create creates a card at WeChat and adds it to the catalogue. raw is WeChat's
// {"card_type":"MEMBER_CARD","member_card":{…}}. Create returns an *InvalidError
// for what WeChat is known to refuse, without calling WeChat.
//
// When WeChat's answer is lost, Create searches the account for a new card with
// this title and brand instead of creating a second one, which would count
// against the account and confuse customers. If it finds none or cannot search,
// it returns the error. Calling it again with the same definition within a day is
// safe: the cards that the account had before the first call are stored, and the
// search then comes first.
func (o *Operator) Create(ctx context.Context, raw json.RawMessage) (cardID string, err error) {
	baseInfo, err := checkCard(raw)
	if err != nil {
		return "", err
	}
	own, err := o.catalogue.accountCards(ctx)
	if err != nil {
		return "", fmt.Errorf("list the account's cards: %w", err)
	}
	definition := hashDefinition(raw)
	had, err := o.store.BeginCreation(ctx, definition, own, creationLife)
	if err != nil {
		return "", err
	}
	cardID, err = o.findNew(ctx, had, own, baseInfo)
	if err != nil {
		return "", fmt.Errorf("search for a card that an earlier call created: %w", err)
	}
	if cardID == "" {
		cardID, err = o.account.CreateCard(ctx, raw)
	}
	if ambiguous(err) {
		return o.searchCreated(ctx, definition, had, baseInfo, err)
	}
	o.endCreation(ctx, definition)
	if err != nil {
		return "", err
	}
	o.refreshChanged(ctx, cardID)
	return cardID, nil
}

// searchCreated searches for the card after its creation ended with the error
// lost.
func (o *Operator) searchCreated(
	ctx context.Context, definition string, had []string, baseInfo object, lost error,
) (string, error) {
	// The caller's deadline may have passed; the search must take place anyway.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), searchTime)
	defer cancel()
	own, err := o.catalogue.accountCards(ctx)
	var cardID string
	if err == nil {
		cardID, err = o.findNew(ctx, had, own, baseInfo)
	}
	switch {
	case err != nil:
		return "", fmt.Errorf("create card: response lost and search failed; repeat the call to search again: %w", errors.Join(lost, err))
	case cardID == "":
		return "", fmt.Errorf("create card: not created so far; repeat the call: %w", lost)
	}
	o.log.WarnContext(ctx, "create card: response lost, but the card was created", "card_id", cardID)
	o.endCreation(ctx, definition)
	o.refreshChanged(ctx, cardID)
	return cardID, nil
}

// endCreation removes the record of an answered creation. If that fails, another
// card of this definition cannot be created until the record expires.
func (o *Operator) endCreation(ctx context.Context, definition string) {
	if err := o.store.EndCreation(context.WithoutCancel(ctx), definition); err != nil {
		o.log.WarnContext(ctx, "create card: record not removed; the same definition creates no second card for a day", "error", err)
	}
}

// hashDefinition identifies a definition regardless of its formatting and of its
// pictures' URLs: pictures that are uploaded again for another try get new ones.
func hashDefinition(raw json.RawMessage) string {
	card, _ := parse(raw) // checkCard has parsed it before
	if memberCard, ok := card["member_card"].(map[string]any); ok {
		delete(memberCard, "background_pic_url")
		if baseInfo, ok := memberCard["base_info"].(map[string]any); ok {
			delete(baseInfo, "logo_url")
		}
	}
	text, _ := json.Marshal(card) // sorts the names
	return fmt.Sprintf("%x", sha256.Sum256(text))
}

// ambiguous reports whether WeChat may have carried out the call that ended with
// err.
func ambiguous(err error) bool {
	var e interface{ Ambiguous() bool }
	return errors.As(err, &e) && e.Ambiguous()
}

// findNew returns the card among own that is not among had and has the title and
// brand of baseInfo, or "".
func (o *Operator) findNew(ctx context.Context, had, own []string, baseInfo object) (string, error) {
	for _, id := range own {
		if slices.Contains(had, id) {
			continue
		}
		c, err := o.account.Card(ctx, id)
		if err != nil {
			return "", err
		}
		if c.Title == baseInfo["title"] && c.BrandName == baseInfo["brand_name"] {
			return id, nil
		}
	}
	return "", nil
}
