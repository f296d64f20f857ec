package membertest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/member"
)

// reconcileTests is the part of the suite about what is checked when.
var reconcileTests = map[string]func(*testing.T, member.Store){
	"cards become due to be checked":          cardsDue,
	"wallets become due to be checked":        walletsDue,
	"a check is due after ever longer":        checkedLater,
	"a drift is noted only of a suspect":      driftNoted,
	"one of many callers gets the turn":       turns,
	"whether anything waits for a card":       waits,
	"16 callers at once: one gets the turn":   oneTurn,
	"a changed card is due soon, not at once": dueSoon,
}

func due(t *testing.T, s member.Store) map[string]bool {
	t.Helper()
	cards, err := s.CardsDue(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]bool{}
	for _, c := range cards {
		codes[c.Code] = true
	}
	return codes
}

func suspected(t *testing.T, s member.Store, code string) {
	t.Helper()
	write(t, s, func(ctx context.Context, tx member.Tx) error { return tx.Suspect(ctx, "c1", code) })
}

func cardsDue(t *testing.T, s member.Store) {
	enrolled(t, s, "m1")
	for _, status := range []member.Status{member.Issued, member.Claimed, member.Active, member.Deleted, member.Gifted, member.Unavailable} {
		add(t, s, member.Card{CardID: "c1", Code: string(status), MemberID: "m1", Status: status})
	}
	if got := due(t, s); len(got) != 0 {
		t.Errorf("new cards: %v", got)
	}
	for _, status := range []member.Status{member.Issued, member.Claimed, member.Active, member.Deleted, member.Gifted, member.Unavailable} {
		suspected(t, s, string(status))
	}
	if got := due(t, s); len(got) != 4 || got["gifted"] || got["unavailable"] {
		t.Errorf("got %v, want those whose code is not at its end", got)
	}
	if cards, err := s.CardsDue(t.Context(), 2); len(cards) != 2 || err != nil {
		t.Errorf("two of them: %v, %v", cards, err)
	}
}

func walletsDue(t *testing.T, s member.Store) {
	enrolled(t, s, "m1")
	id := member.Identity{AppID: app, OpenID: "open-m1"}
	if got, err := s.WalletsDue(t.Context(), app, 9); len(got) != 0 || err != nil {
		t.Errorf("new: %v, %v", got, err)
	}
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		return tx.WalletChecked(ctx, id, time.Millisecond, time.Hour)
	})
	eventuallyDue(t, func() bool {
		got, err := s.WalletsDue(t.Context(), app, 9)
		return err == nil && len(got) == 1 && got[0].OpenID == "open-m1" && got[0].MemberID == "m1"
	})
	if got, err := s.WalletsDue(t.Context(), official, 9); len(got) != 0 || err != nil {
		t.Errorf("another app's: %v, %v", got, err)
	}
}

func eventuallyDue(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(deadline) {
			t.Fatal("nothing became due within 10 s")
		}
	}
}

func checkedLater(t *testing.T, s member.Store) {
	holder(t, s)
	check := func(least, most time.Duration) {
		write(t, s, func(ctx context.Context, tx member.Tx) error { return tx.Checked(ctx, "c1", "A1", least, most) })
	}
	check(5*time.Millisecond, time.Hour)
	eventuallyDue(t, func() bool { return due(t, s)["A1"] })
	check(5*time.Millisecond, 10*time.Millisecond) // 10
	eventuallyDue(t, func() bool { return due(t, s)["A1"] })
	check(time.Millisecond, 10*time.Millisecond) // not 20
	eventuallyDue(t, func() bool { return due(t, s)["A1"] })
	check(time.Hour, 2*time.Hour)
	if got := due(t, s); got["A1"] {
		t.Error("due at once")
	}
}

func dueSoon(t *testing.T, s member.Store) {
	holder(t, s)
	write(t, s, func(ctx context.Context, tx member.Tx) error { return tx.CheckSoon(ctx, "c1", "A1", time.Millisecond) })
	eventuallyDue(t, func() bool { return due(t, s)["A1"] })
	write(t, s, func(ctx context.Context, tx member.Tx) error { return tx.CheckSoon(ctx, "c1", "A1", time.Hour) })
	if !due(t, s)["A1"] {
		t.Error("what was due is not any more")
	}
}

func driftNoted(t *testing.T, s member.Store) {
	holder(t, s)
	booked(t, s, member.Booking{AddBonus: 5, AddBalance: 6}, "")
	note := func(bonus int64, want bool) {
		t.Helper()
		write(t, s, func(ctx context.Context, tx member.Tx) error {
			got, err := tx.Drifts(ctx, "c1", "A1", bonus, 8)
			if got != want {
				t.Errorf("noted: %v, want %v", got, want)
			}
			return err
		})
	}
	note(7, false)
	if d, err := s.DriftOf(t.Context(), "c1", "A1"); !errors.Is(err, member.ErrNotFound) {
		t.Errorf("got %+v, %v", d, err)
	}
	suspected(t, s, "A1")
	note(7, true)
	first, err := s.DriftOf(t.Context(), "c1", "A1")
	want := member.Drift{CardID: "c1", Code: "A1", Bonus: 5, Balance: 6, FaceBonus: 7, FaceBalance: 8, SeenAt: first.SeenAt}
	if first != want || first.SeenAt.IsZero() || err != nil {
		t.Errorf("got %+v, %v, want %+v", first, err, want)
	}
	note(9, true)
	list, err := s.Drifting(t.Context(), 9)
	if len(list) != 1 || list[0].FaceBonus != 9 || list[0].SeenAt != first.SeenAt || err != nil {
		t.Errorf("listed: %+v, %v", list, err)
	}
	write(t, s, func(ctx context.Context, tx member.Tx) error { return tx.Equal(ctx, "c1", "A1") })
	note(9, false)
	if list, err := s.Drifting(t.Context(), 9); len(list) != 0 || err != nil {
		t.Errorf("afterwards: %+v, %v", list, err)
	}
}

func turns(t *testing.T, s member.Store) {
	for i, want := range []bool{true, false, false} {
		if got, err := s.Turn(t.Context(), "job", time.Hour); got != want || err != nil {
			t.Errorf("turn %d: got %v, %v, want %v", i, got, err, want)
		}
	}
	if got, err := s.Turn(t.Context(), "another", time.Hour); !got || err != nil {
		t.Errorf("another job: %v, %v", got, err)
	}
	eventuallyDue(t, func() bool {
		got, err := s.Turn(t.Context(), "job", time.Millisecond)
		return got && err == nil
	})
}

func oneTurn(t *testing.T, s member.Store) {
	got := each(t, 16, func() (string, error) {
		mine, err := s.Turn(t.Context(), "job", time.Hour)
		if mine {
			return fmt.Sprint(time.Now().UnixNano()), err
		}
		return "not mine", err
	})
	if len(got) != 2 {
		t.Errorf("%d got the turn, want one", len(got)-1)
	}
}

func waits(t *testing.T, s member.Store) {
	wait := func(code string) (got bool) {
		t.Helper()
		write(t, s, func(ctx context.Context, tx member.Tx) (err error) {
			got, err = tx.Waits(ctx, "c1", code)
			return err
		})
		return got
	}
	enqueue(t, s, message("A", "1"))
	if !wait("A") || wait("B") {
		t.Error("one message waits, for A")
	}
	end(t, s, bury, wantTaken(t, s, "A/1")[0], true)
	if wait("A") {
		t.Error("what is parked waits")
	}
}
