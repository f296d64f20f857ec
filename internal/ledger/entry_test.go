package ledger_test

import (
	"context"
	"errors"
	"testing"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/testing/world"
)

// conflicting is a store in which another transaction always comes first.
type conflicting struct{ ledger.Store }

func (s conflicting) Write(ctx context.Context, fn func(context.Context, ledger.Tx) error) error {
	return s.Store.Write(ctx, func(ctx context.Context, tx ledger.Tx) error { return fn(ctx, conflictingTx{tx}) })
}

type conflictingTx struct{ ledger.Tx }

func (conflictingTx) Post(context.Context, string, string, ledger.Booking, bool) (ledger.Posting, error) {
	return ledger.Posting{}, ledger.ErrNotFound
}

func TestRace_LostAgainAndAgainIsSaid(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push")
		on := world.StoresOn(w.DB)
		on.Ledger = conflicting{on.Ledger}
		_, _, err := w.Replica(on).AddEntry(w.Context(), "push", code, ledger.Booking{AddBonus: 1}, ledger.Request{Route: "r", Key: "k"})
		if !errors.Is(err, ledger.ErrConflict) {
			w.Errorf("got %v, want ErrConflict", err)
		}
	})
}
