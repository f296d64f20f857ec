package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
)

// neighbours are the cards beside c1/A1 and c1/B1, with which the tests work: those
// codes of other cards, and another code of the same card. The entries of the active
// ones were sent, those of the others were not.
var neighbours = []member.Card{
	{CardID: "c2", Code: "A1", Status: member.Active, FaceKnown: true},
	{CardID: "c2", Code: "B1", Status: member.Active, FaceKnown: true},
	{CardID: "c3", Code: "A1", Status: member.Claimed},
	{CardID: "c3", Code: "B1", Status: member.Claimed},
	{CardID: "c1", Code: "N1", Status: member.Active, FaceKnown: true},
	{CardID: "c1", Code: "N2", Status: member.Claimed},
}

const neighbourUpdates ledger.PendingUpdates = 2

// addNeighbours adds each with two entries, which have messages, and a pending update.
// The messages are leased, or wait behind one that is.
func addNeighbours(t *testing.T, s stores) {
	t.Helper()
	err := s.members.Write(t.Context(), func(ctx context.Context, tx member.Tx) error {
		if err := tx.AddMember(ctx, "neighbour"); err != nil {
			return err
		}
		for _, c := range neighbours {
			c.MemberID = "neighbour"
			if _, err := tx.AddCard(ctx, c); err != nil {
				return err
			}
			for i := range 2 {
				p, err := tx.Post(ctx, c.CardID, c.Code, ledger.Booking{AddBalance: 2000}, true)
				if err != nil {
					return err
				}
				m := outbox.Message{ID: p.ID, CardID: c.CardID, Code: c.Code, Kind: ledger.KindEntry, Payload: p.ID}
				_, err = tx.AddEntry(ctx, p, ledger.Request{Route: "POST /x", Key: fmt.Sprint(c.CardID, c.Code, i), Payload: p.ID}, nil)
				if err = errors.Join(err, tx.Enqueue(ctx, m)); err != nil {
					return err
				}
			}
			if err := tx.AddPending(ctx, c.CardID, c.Code, neighbourUpdates); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for range neighbours {
		lease(t, s)
	}
}

// checkNeighbours reports what is not as addNeighbours has left it.
func checkNeighbours(t *testing.T, s stores) {
	t.Helper()
	for _, c := range neighbours {
		a, err := s.Account(t.Context(), c.CardID, c.Code)
		if a.Bonus != 0 || a.Balance != 4000 || a.Seq != 2 || a.Sent != c.FaceKnown || err != nil {
			t.Errorf("the neighbour %s/%s changed: %+v, %v", c.CardID, c.Code, a, err)
		}
		list, err := s.Entries(t.Context(), c.CardID, c.Code, 0, 9)
		if len(list) != 2 || err != nil {
			t.Fatalf("the neighbour's entries: %+v, %v", list, err)
		}
		var unsent []string
		if !c.FaceKnown {
			unsent = []string{list[1].ID, list[0].ID}
		}
		write(t, s, func(ctx context.Context, tx ledger.Tx) error {
			got, updates, err := tx.DrainPending(ctx, c.CardID, c.Code)
			if !slices.Equal(got, unsent) || updates != neighbourUpdates {
				t.Errorf("the neighbour %s/%s changed: %v and %b are pending, want %v and %b",
					c.CardID, c.Code, got, updates, unsent, neighbourUpdates)
			}
			return err
		})
	}
}
