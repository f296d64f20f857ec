package member

import (
	"context"
	"slices"

	"github.com/addcard/addcard/internal/ledger"
)

// InitialGrant is what a card gets when it becomes active for the first time:
// points, fen (分), and the text that its holder reads about them.
type InitialGrant struct {
	Bonus, Balance int64
	Record         string
}

// grantRoute is the route of the entry of an initial grant.
const grantRoute = "opening"

// Grant is an initial grant to book when a card becomes active.
type Grant struct {
	InitialGrant
	Shown bool // the face shows it already
	Reset bool // the activation may have reset the totals on the face
}

// Grant returns the initial grant of a card that was never active, and a zero Grant
// for any other.
func (s *Service) Grant(ctx context.Context, c Card) (g Grant, err error) {
	before, err := wasActive(ctx, s.store, c)
	if err == nil && !before {
		g.InitialGrant, err = s.catalogue.InitialGrant(ctx, c.CardID)
	}
	return g, err
}

// wasActive reports whether the card was active before, under this code or another
// that it had or got when it was given away: it keeps what it had then.
func wasActive(ctx context.Context, r Reader, c Card) (bool, error) {
	before, err := predecessors(ctx, r, c)
	if err != nil {
		return false, err
	}
	after, err := successors(ctx, r, c)
	return slices.ContainsFunc(slices.Concat(before, []Card{c}, after), func(c Card) bool { return !c.ActivatedAt.IsZero() }), err
}

// Book adds the entry of the grant to the ledger of a card that has become active
// for the first time. before and now are the card before and after that change.
func (g Grant) Book(ctx context.Context, tx Tx, before, now Card) error {
	first := before.ActivatedAt.IsZero() && !now.ActivatedAt.IsZero() && g.InitialGrant != (InitialGrant{})
	if first {
		active, err := wasActive(ctx, tx, before)
		if err == nil && !active {
			err = g.add(ctx, tx, now)
		}
		if err != nil || !active {
			return err
		}
	}
	if first && g.Shown || g.Reset {
		return tx.AddPending(ctx, now.CardID, now.Code, ledger.PendingTotals)
	}
	return nil
}

// add writes the entry. The ledger of a card that was given away before its
// activation was known belongs to the last recipient.
func (g Grant) add(ctx context.Context, tx Tx, c Card) error {
	if c.Status == Gifted {
		after, err := successors(ctx, tx, c)
		if err != nil {
			return err
		}
		if len(after) > 0 {
			c, g.Shown = after[len(after)-1], false
		}
	}
	return ledger.Add(ctx, tx, c.CardID, c.Code, ledger.Booking{
		AddBonus: g.Bonus, AddBalance: g.Balance, RecordBonus: g.Record, NotifyBonus: true, NotifyBalance: true,
	}, grantRoute, g.Shown)
}
