// Package cardsynctest is the conformance suite of cardsync.Store: what package
// cardsync relies on, whatever the database behind it.
package cardsynctest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
)

// Run runs the suite. open returns a fresh, empty store for each test.
func Run(t *testing.T, open func(t *testing.T) cardsync.Store) {
	for name, test := range map[string]func(*testing.T, cardsync.Store){
		"cards become due to be checked":                  cardsDue,
		"wallets become due to be checked":                walletsDue,
		"what has been due longest is listed first":       longestDueFirst,
		"the oldest drift is listed first":                oldestDriftFirst,
		"the wait before a check doubles up to a maximum": checkedLater,
		"a drift is recorded only of a modified card":     driftRecorded,
		"which totals a card has had":                     hadTotals,
		"what WeChat may not have been sent":              firstUnsent,
		"one of many callers starts a job":                jobs,
		"16 callers at once: one starts the job":          oneStarts,
		"CheckSoon never postpones a check":               dueSoon,
		"a transaction changes members and ledgers, too":  oneTransaction,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

const (
	app      = "wxapp"
	official = "wxofficial"
)

func write(t *testing.T, s cardsync.Store, fn func(ctx context.Context, tx cardsync.Tx) error) {
	t.Helper()
	if err := s.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// addMember adds member m1 with the openid open-m1.
func addMember(t *testing.T, s cardsync.Store) {
	t.Helper()
	write(t, s, func(ctx context.Context, tx cardsync.Tx) error {
		if err := tx.AddMember(ctx, "m1"); err != nil {
			return err
		}
		_, err := tx.AddIdentity(ctx, member.Identity{AppID: app, OpenID: "open-m1", MemberID: "m1"})
		return err
	})
}

func addCard(t *testing.T, s cardsync.Store, code string, status member.Status) {
	t.Helper()
	write(t, s, func(ctx context.Context, tx cardsync.Tx) error {
		_, err := tx.AddCard(ctx, member.Card{CardID: "c1", Code: code, MemberID: "m1", Status: status})
		return err
	})
}

// holder adds a member and the active card c1/A1 in that member's wallet.
func holder(t *testing.T, s cardsync.Store) {
	t.Helper()
	addMember(t, s)
	addCard(t, s, "A1", member.Active)
}

var errUndo = errors.New("undo this")

func oneTransaction(t *testing.T, s cardsync.Store) {
	holder(t, s)
	err := s.Write(t.Context(), func(ctx context.Context, tx cardsync.Tx) error {
		if err := ledger.Add(ctx, tx, "c1", "A1", ledger.Booking{AddBonus: 5}, "", false); err != nil {
			return err
		}
		if err := tx.MarkModified(ctx, "c1", "A1"); err != nil {
			return err
		}
		return errUndo
	})
	c, unread := s.Card(t.Context(), "c1", "A1")
	if !errors.Is(err, errUndo) || unread != nil || c.Bonus != 0 || due(t, s)["A1"] {
		t.Errorf("got %v, and the card %+v, %v", err, c, unread)
	}
}

func due(t *testing.T, s cardsync.Store) map[string]bool {
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

func markModified(t *testing.T, s cardsync.Store, code string) {
	t.Helper()
	write(t, s, func(ctx context.Context, tx cardsync.Tx) error { return tx.MarkModified(ctx, "c1", code) })
}

func cardsDue(t *testing.T, s cardsync.Store) {
	addMember(t, s)
	for _, status := range []member.Status{member.Issued, member.Claimed, member.Active, member.Deleted, member.Gifted, member.Unavailable} {
		addCard(t, s, string(status), status)
	}
	if got := due(t, s); len(got) != 0 {
		t.Errorf("new cards: %v", got)
	}
	for _, status := range []member.Status{member.Issued, member.Claimed, member.Active, member.Deleted, member.Gifted, member.Unavailable} {
		markModified(t, s, string(status))
	}
	if got := due(t, s); len(got) != 4 || got["gifted"] || got["unavailable"] {
		t.Errorf("got %v, want those in a status that is not final", got)
	}
	if cards, err := s.CardsDue(t.Context(), 2); len(cards) != 2 || err != nil {
		t.Errorf("two of them: %v, %v", cards, err)
	}
}

func walletsDue(t *testing.T, s cardsync.Store) {
	addMember(t, s)
	id := member.Identity{AppID: app, OpenID: "open-m1"}
	if got, err := s.WalletsDue(t.Context(), app, 9); len(got) != 0 || err != nil {
		t.Errorf("new: %v, %v", got, err)
	}
	write(t, s, func(ctx context.Context, tx cardsync.Tx) error {
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

func checkedLater(t *testing.T, s cardsync.Store) {
	holder(t, s)
	check := func(least, most time.Duration) {
		write(t, s, func(ctx context.Context, tx cardsync.Tx) error { return tx.Checked(ctx, "c1", "A1", least, most) })
	}
	check(5*time.Millisecond, time.Hour)
	eventuallyDue(t, func() bool { return due(t, s)["A1"] })
	check(5*time.Millisecond, 10*time.Millisecond) // 10
	eventuallyDue(t, func() bool { return due(t, s)["A1"] })
	check(time.Millisecond, 10*time.Millisecond) // not 20
	eventuallyDue(t, func() bool { return due(t, s)["A1"] })
	check(time.Hour, 2*time.Hour)
	if got := due(t, s); got["A1"] {
		t.Error("a card is due at once after a check with a wait of an hour")
	}
	check(time.Millisecond, 5*time.Millisecond) // not two hours
	eventuallyDue(t, func() bool { return due(t, s)["A1"] })
	check(time.Millisecond, time.Hour)
	check(time.Hour, time.Hour)
	write(t, s, func(ctx context.Context, tx cardsync.Tx) error { return tx.CheckSoon(ctx, "c1", "A1", 0) })
	check(time.Millisecond, 3*time.Hour) // CheckSoon has begun anew: not two hours
	eventuallyDue(t, func() bool { return due(t, s)["A1"] })
}

func longestDueFirst(t *testing.T, s cardsync.Store) {
	addMember(t, s)
	for code, ago := range map[string]time.Duration{"A1": time.Hour, "A2": 3 * time.Hour, "A3": 4 * time.Hour, "A4": 2 * time.Hour} {
		addCard(t, s, code, member.Active)
		write(t, s, func(ctx context.Context, tx cardsync.Tx) error {
			if err := tx.CheckSoon(ctx, "c1", code, -ago); err != nil {
				return err
			}
			id := member.Identity{AppID: official, OpenID: "o-" + code, MemberID: "m1"}
			if _, err := tx.AddIdentity(ctx, id); err != nil {
				return err
			}
			return tx.WalletChecked(ctx, id, -ago, -ago)
		})
	}
	cards, err := s.CardsDue(t.Context(), 3)
	if err != nil || len(cards) != 3 || cards[0].Code != "A3" || cards[1].Code != "A2" || cards[2].Code != "A4" {
		t.Errorf("cards: %+v, %v", cards, err)
	}
	ids, err := s.WalletsDue(t.Context(), official, 3)
	if err != nil || len(ids) != 3 || ids[0].OpenID != "o-A3" || ids[1].OpenID != "o-A2" || ids[2].OpenID != "o-A4" {
		t.Errorf("wallets: %+v, %v", ids, err)
	}
}

func oldestDriftFirst(t *testing.T, s cardsync.Store) {
	holder(t, s)
	addCard(t, s, "A2", member.Active)
	markModified(t, s, "A2")
	record := func(code string) time.Time {
		t.Helper()
		write(t, s, func(ctx context.Context, tx cardsync.Tx) error {
			_, err := tx.RecordDrift(ctx, "c1", code, 7, 8)
			return err
		})
		d, err := s.DriftOf(t.Context(), "c1", code)
		if err != nil {
			t.Fatal(err)
		}
		return d.SeenAt
	}
	first := record("A2")
	eventuallyDue(t, func() bool {
		write(t, s, func(ctx context.Context, tx cardsync.Tx) error { return tx.ClearDrift(ctx, "c1", "A1") })
		markModified(t, s, "A1")
		return record("A1").After(first)
	})
	for n, want := range map[int]string{1: "A2", 9: "A2 A1"} {
		list, err := s.Drifts(t.Context(), n)
		var codes []string
		for _, d := range list {
			codes = append(codes, d.Code)
		}
		if got := strings.Join(codes, " "); got != want || err != nil {
			t.Errorf("%d drifts: %s, %v, want %s", n, got, err, want)
		}
	}
}

func dueSoon(t *testing.T, s cardsync.Store) {
	holder(t, s)
	write(t, s, func(ctx context.Context, tx cardsync.Tx) error {
		return tx.CheckSoon(ctx, "c1", "A1", time.Millisecond)
	})
	eventuallyDue(t, func() bool { return due(t, s)["A1"] })
	write(t, s, func(ctx context.Context, tx cardsync.Tx) error { return tx.CheckSoon(ctx, "c1", "A1", time.Hour) })
	if !due(t, s)["A1"] {
		t.Error("a due card is not due any more after CheckSoon")
	}
}

func hadTotals(t *testing.T, s cardsync.Store) {
	holder(t, s)
	write(t, s, func(ctx context.Context, tx cardsync.Tx) error {
		for _, b := range []ledger.Booking{{AddBonus: 30}, {AddBonus: -10, AddBalance: 5}} {
			if err := ledger.Add(ctx, tx, "c1", "A1", b, "", false); err != nil {
				return err
			}
		}
		return nil
	})
	for name, tt := range map[string]struct {
		seq, bonus, balance int64
		want                bool
	}{
		"before the first entry":        {0, 0, 0, true},
		"after the first":               {0, 30, 0, true},
		"after the second":              {0, 20, 5, true},
		"one of two figures":            {0, 30, 5, false},
		"never":                         {0, 31, 0, false},
		"before the entries that count": {2, 30, 0, false},
		"nothing, later than that":      {1, 0, 0, false},
		"the last that counts":          {2, 20, 5, true},
	} {
		write(t, s, func(ctx context.Context, tx cardsync.Tx) error {
			got, err := tx.HadTotals(ctx, "c1", "A1", tt.seq, tt.bonus, tt.balance)
			if got != tt.want {
				t.Errorf("%s: got %v", name, got)
			}
			return err
		})
	}
}

func firstUnsent(t *testing.T, s cardsync.Store) {
	holder(t, s)
	want := func(when string, unsent bool, seq int64) {
		t.Helper()
		write(t, s, func(ctx context.Context, tx cardsync.Tx) error {
			got, first, err := tx.FirstUnsent(ctx, "c1", "A1")
			if got != unsent || first != seq {
				t.Errorf("%s: got %v and %d, want %v and %d", when, got, first, unsent, seq)
			}
			return err
		})
	}
	add := func(route string) {
		t.Helper()
		write(t, s, func(ctx context.Context, tx cardsync.Tx) error {
			return ledger.Add(ctx, tx, "c1", "A1", ledger.Booking{AddBonus: 5}, route, false)
		})
	}
	want("without entries", false, 0)
	add(ledger.RouteFace) // is never sent
	want("an opening entry", false, 0)
	add("")
	add("")
	want("two that wait", true, 2)
	write(t, s, func(ctx context.Context, tx cardsync.Tx) error {
		_, _, err := tx.DrainPending(ctx, "c1", "A1")
		return err
	})
	want("two that were sent", false, 0)
	write(t, s, func(ctx context.Context, tx cardsync.Tx) error {
		return tx.AddPending(ctx, "c1", "A1", ledger.PendingTotals)
	})
	want("a repair that waits", true, 1)
}

func driftRecorded(t *testing.T, s cardsync.Store) {
	holder(t, s)
	write(t, s, func(ctx context.Context, tx cardsync.Tx) error {
		return ledger.Add(ctx, tx, "c1", "A1", ledger.Booking{AddBonus: 5, AddBalance: 6}, "", false)
	})
	record := func(bonus int64, want bool) {
		t.Helper()
		write(t, s, func(ctx context.Context, tx cardsync.Tx) error {
			got, err := tx.RecordDrift(ctx, "c1", "A1", bonus, 8)
			if got != want {
				t.Errorf("recorded: %v, want %v", got, want)
			}
			return err
		})
	}
	record(7, false)
	if d, err := s.DriftOf(t.Context(), "c1", "A1"); !errors.Is(err, member.ErrNotFound) {
		t.Errorf("got %+v, %v", d, err)
	}
	markModified(t, s, "A1")
	record(7, true)
	first, err := s.DriftOf(t.Context(), "c1", "A1")
	want := cardsync.Drift{CardID: "c1", Code: "A1", Bonus: 5, Balance: 6, FaceBonus: 7, FaceBalance: 8, SeenAt: first.SeenAt}
	if first != want || first.SeenAt.IsZero() || err != nil {
		t.Errorf("got %+v, %v, want %+v", first, err, want)
	}
	record(9, true)
	list, err := s.Drifts(t.Context(), 9)
	if len(list) != 1 || list[0].FaceBonus != 9 || list[0].SeenAt != first.SeenAt || err != nil {
		t.Errorf("listed: %+v, %v", list, err)
	}
	write(t, s, func(ctx context.Context, tx cardsync.Tx) error { return tx.ClearDrift(ctx, "c1", "A1") })
	record(9, false)
	if list, err := s.Drifts(t.Context(), 9); len(list) != 0 || err != nil {
		t.Errorf("afterwards: %+v, %v", list, err)
	}
}

func jobs(t *testing.T, s cardsync.Store) {
	for i, want := range []bool{true, false, false} {
		if got, err := s.StartJob(t.Context(), "job", time.Hour); got != want || err != nil {
			t.Errorf("call %d: got %v, %v, want %v", i, got, err, want)
		}
	}
	if got, err := s.StartJob(t.Context(), "another", time.Hour); !got || err != nil {
		t.Errorf("another job: %v, %v", got, err)
	}
	eventuallyDue(t, func() bool {
		got, err := s.StartJob(t.Context(), "job", time.Millisecond)
		return got && err == nil
	})
}

func oneStarts(t *testing.T, s cardsync.Store) {
	var started atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			mine, err := s.StartJob(t.Context(), "job", time.Hour)
			if err != nil {
				t.Error(err)
			}
			if mine {
				started.Add(1)
			}
		})
	}
	wg.Wait()
	if n := started.Load(); n != 1 {
		t.Errorf("%d started the job, want one", n)
	}
}
