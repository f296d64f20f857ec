package world

import (
	"context"
	"strings"
	"sync"

	"github.com/addcard/addcard/internal/member"
)

// Catalogue is a member.Catalogue in which the ID of a card says what the card is.
// What comes before the first hyphen is its plan. A "late" card is unknown until it
// is fetched and has the plan push; a "foreign" card is another account's and stays
// unknown. A card with "grant" in its ID has an initial grant. The zero value is
// ready to use.
type Catalogue struct {
	mu       sync.Mutex
	fetched  map[string]bool
	fetchErr error
}

// Plan returns the plan that the card ID names, or member.ErrCardUnknown.
func (c *Catalogue) Plan(_ context.Context, cardID string) (member.Plan, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	kind, _, _ := strings.Cut(cardID, "-")
	switch {
	case kind == "late" && c.fetched[cardID]:
		return member.PlanPush, nil
	case kind == "late" || kind == "foreign":
		return "", member.ErrCardUnknown
	}
	return member.Plan(kind), nil
}

// FetchPlan returns the plan of a card, which is known from then on if it is late.
func (c *Catalogue) FetchPlan(ctx context.Context, cardID string) (member.Plan, error) {
	c.mu.Lock()
	err := c.fetchErr
	if err == nil {
		if c.fetched == nil {
			c.fetched = map[string]bool{}
		}
		c.fetched[cardID] = true
	}
	c.mu.Unlock()
	if err != nil {
		return "", err
	}
	return c.Plan(ctx, cardID)
}

// FailFetch makes FetchPlan return err, until it is nil again.
func (c *Catalogue) FailFetch(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fetchErr = err
}

// InitialGrant is what a card begins with that has "grant" in its ID.
var InitialGrant = member.InitialGrant{Bonus: 100, Balance: 7, Record: "开卡送积分"}

// InitialGrant returns InitialGrant or nothing, by the card's ID.
func (c *Catalogue) InitialGrant(_ context.Context, cardID string) (member.InitialGrant, error) {
	if strings.Contains(cardID, "grant") {
		return InitialGrant, nil
	}
	return member.InitialGrant{}, nil
}
