package card_test

import (
	"context"
	"testing"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/card/sqlstore"
)

// leaver is a merchant whose operator leaves while a code is being ended.
type leaver struct {
	*merchant
	leave func()
}

func (m leaver) MakeUnavailable(context.Context, string, string, string) error {
	m.leave()
	return nil
}

// What WeChat has done is recorded though the operator does not wait for it.
func TestUnavailable_IsRecordedThoughItsCallerHasLeft(t *testing.T) {
	t.Parallel()
	creationBubble(t, func(t *testing.T, s *sqlstore.Store) {
		ctx, leave := context.WithCancel(t.Context())
		m := leaver{&merchant{}, leave}
		var recorded string
		o := card.NewOperator(card.New(m, s, noLog), m, func(ctx context.Context, cardID, code string) error {
			recorded = cardID + " " + code
			return ctx.Err()
		}, noLog)
		if err := o.Unavailable(ctx, "p1", "1", ""); err != nil || recorded != "p1 1" {
			t.Errorf("recorded %q, %v", recorded, err)
		}
	})
}
