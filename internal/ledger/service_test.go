package ledger_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/world"
)

// booker books entries on one card; the answer to a request is the entry's ID.
type booker struct {
	*world.World
	code string
}

func (b booker) book(key, payload string, what ledger.Booking) (id string, replayed bool, err error) {
	answer, replayed, err := b.AddEntry(b.Context(), "push", b.code, what, ledger.Request{
		Route: "POST " + b.code, Key: key, Payload: payload, Answer: func(e ledger.Entry) ([]byte, error) { return []byte(e.ID), nil },
	})
	return string(answer), replayed, err
}

func (b booker) wantTotals(bonus, balance, entries int64) {
	b.Helper()
	c := b.Card("push", b.code)
	if c.Bonus != bonus || c.Balance != balance || c.Seq != entries {
		b.Errorf("got %d and %d after %d entries, want %d and %d after %d", c.Bonus, c.Balance, c.Seq, bonus, balance, entries)
	}
}

func TestAddEntry_RefusesAndWritesNothing(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push")
		b := booker{w, code}
		const most = ledger.MaxAdd
		if _, _, err := b.book("first", "", ledger.Booking{AddBonus: most, AddBalance: most}); err != nil {
			w.Fatalf("the largest amounts: %v", err)
		}
		for _, c := range []struct {
			what ledger.Booking
			want error
		}{
			{ledger.Booking{}, ledger.ErrNoChange}, {ledger.Booking{RecordBonus: "a", NotifyBonus: true}, ledger.ErrNoChange},
			{ledger.Booking{AddBonus: most + 1}, ledger.ErrTooMuch}, {ledger.Booking{AddBonus: -most - 1}, ledger.ErrTooMuch},
			{ledger.Booking{AddBalance: most + 1}, ledger.ErrTooMuch}, {ledger.Booking{AddBalance: -most - 1}, ledger.ErrTooMuch},
			{ledger.Booking{AddBonus: 1, Reverses: "none"}, ledger.ErrEntryUnknown},
		} {
			if _, _, err := b.book("k", "", c.what); !errors.Is(err, c.want) {
				w.Errorf("%+v: got %v, want %v", c.what, err, c.want)
			}
		}
		b.wantTotals(most, most, 1)
		if _, _, err := b.book("k", "", ledger.Booking{AddBonus: -most, AddBalance: -most}); err != nil {
			w.Errorf("the largest debit, under a key that was refused: %v", err)
		}
		for _, c := range []struct {
			what ledger.Booking
			want error
		}{
			{ledger.Booking{AddBonus: -1}, ledger.ErrInsufficientBonus}, {ledger.Booking{AddBalance: -1}, ledger.ErrInsufficientBalance},
			{ledger.Booking{AddBonus: 1, AddBalance: -1}, ledger.ErrInsufficientBalance},
		} {
			if _, _, err := b.book("l", "", c.what); !errors.Is(err, c.want) {
				w.Errorf("%+v: got %v, want %v", c.what, err, c.want)
			}
		}
		b.wantTotals(0, 0, 2)
		if _, _, err := (booker{w, "none"}).book("k", "", world.Points(1)); !errors.Is(err, ledger.ErrCodeUnknown) {
			w.Errorf("an unknown code: %v", err)
		}
	})
}

// The totals stay numbers that every reader of JSON represents exactly.
func TestAddEntry_RefusesTotalsAboveTheLargest(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push")
		b := booker{w, code}
		const most = ledger.MaxTotal
		sqldbtest.Exec(w, w.DB, "update member_card set bonus = $1, balance = $1 where code = $2", most-1, code)
		for _, what := range []ledger.Booking{{AddBonus: 2}, {AddBalance: 2}} {
			if _, _, err := b.book("k", "", what); !errors.Is(err, ledger.ErrTooMuch) {
				w.Errorf("%+v: got %v", what, err)
			}
		}
		if _, _, err := b.book("k", "", ledger.Booking{AddBonus: 1, AddBalance: 1}); err != nil {
			w.Errorf("up to the largest: %v", err)
		}
		b.wantTotals(most, most, 1)
	})
}

func TestAddEntry_AKeyIsGoodForOneBody(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push")
		b := booker{w, code}
		id, replayed, err := b.book("k", "one body", world.Points(3))
		if err != nil || replayed {
			w.Fatalf("%t, %v", replayed, err)
		}
		if again, replayed, err := b.book("k", "one body", world.Points(3)); again != id || !replayed || err != nil {
			w.Errorf("repeated: got %s, %t, %v, want %s", again, replayed, err, id)
		}
		if answer, _, err := b.book("k", "another body", world.Points(3)); !errors.Is(err, ledger.ErrKeyReused) || answer != "" {
			w.Errorf("another body: got %q, %v", answer, err)
		}
		b.wantTotals(3, 0, 1)
		if _, replayed, err := b.book("l", "one body", world.Points(3)); replayed || err != nil {
			w.Errorf("another key: %t, %v", replayed, err)
		}
		b.wantTotals(6, 0, 2)
	})
}

func TestAddEntry_AnEntryIsReversedOnceAndAsAWhole(t *testing.T) {
	world.Run(t, func(w *world.World) {
		_, code := w.ClaimCard("push")
		_, other := w.ClaimCardAs("hong", "push")
		b := booker{w, code}
		reverse := func(b booker, key, id string) (string, error) {
			undone, _, err := b.book(key, "", ledger.Booking{Reverses: id})
			return undone, err
		}
		first, _, err := b.book("k", "", ledger.Booking{AddBonus: 3, AddBalance: 7})
		if err != nil {
			w.Fatal(err)
		}
		if _, err := reverse(booker{w, other}, "r", first); !errors.Is(err, ledger.ErrEntryUnknown) {
			w.Errorf("on another card: %v", err)
		}
		undone, err := reverse(b, "r1", first)
		if err != nil {
			w.Fatal(err)
		}
		b.wantTotals(0, 0, 2)
		w.MustAddEntry("push", code, ledger.Booking{AddBonus: 9, AddBalance: 9})
		for key, id := range map[string]string{"again": first, "back": undone} {
			if _, err := reverse(b, key, id); !errors.Is(err, ledger.ErrNotReversible) {
				w.Errorf("%s: got %v", key, err)
			}
		}
		b.wantTotals(9, 9, 3)
	})
}

// fake is a ledger of one card without a database.
type fake struct {
	ledger.Store
	answers []string       // to the request, read by read, the last again and again; "": none
	account ledger.Account // of a card that refuses the entry
	posting ledger.Posting // of one that takes it
	refuses bool           // Post changes nothing
	added   bool           // AddEntry adds the entry
	commit  error
	queued  []outbox.Message
	pending []string // entries that were not sent
}

func (f *fake) Write(ctx context.Context, fn func(context.Context, ledger.Tx) error) error {
	if err := fn(ctx, fakeTx{fake: f}); err != nil {
		return err
	}
	return f.commit
}

func (f *fake) Answer(context.Context, string, string) (ledger.Answer, error) {
	answer := f.answers[0]
	if len(f.answers) > 1 {
		f.answers = f.answers[1:]
	}
	if answer == "" {
		return ledger.Answer{}, ledger.ErrNotFound
	}
	return ledger.Answer{Body: []byte(answer)}, nil
}

// fakeTx is a transaction on a fake.
type fakeTx struct {
	ledger.Tx
	fake *fake
}

func (t fakeTx) Answer(ctx context.Context, route, key string) (ledger.Answer, error) {
	return t.fake.Answer(ctx, route, key)
}

func (t fakeTx) Account(context.Context, string, string) (ledger.Account, error) {
	return t.fake.account, nil
}

func (t fakeTx) Post(context.Context, string, string, ledger.Booking, bool) (ledger.Posting, error) {
	if t.fake.refuses {
		return ledger.Posting{}, ledger.ErrNotFound
	}
	return t.fake.posting, nil
}

func (t fakeTx) AddEntry(context.Context, ledger.Posting, ledger.Request, []byte) (bool, error) {
	return t.fake.added, nil
}

func (t fakeTx) Enqueue(_ context.Context, m outbox.Message) error {
	t.fake.queued = append(t.fake.queued, m)
	return nil
}

func (t fakeTx) DrainPending(context.Context, string, string) ([]string, ledger.PendingUpdates, error) {
	return t.fake.pending, 0, nil
}

// add books a debit of a point.
func (f *fake) add(ctx context.Context) (answer string, replayed bool, err error) {
	body, replayed, err := ledger.New(f, func() {}).AddEntry(ctx, "push", "1", ledger.Booking{AddBonus: -1}, ledger.Request{
		Route: "POST", Key: "k", Answer: func(ledger.Entry) ([]byte, error) { return []byte("new"), nil },
	})
	return string(body), replayed, err
}

// While this copy of a request waited, another was answered and has spent what is
// missing now. The cashier must not hear that the points do not suffice.
func TestAddEntry_ACopyThatSpentThePointsIsTheAnswer(t *testing.T) {
	t.Parallel()
	held := ledger.Account{Held: true}
	f := &fake{answers: []string{"", "theirs"}, account: held, refuses: true}
	if answer, replayed, err := f.add(t.Context()); answer != "theirs" || !replayed || err != nil {
		t.Errorf("got %q, %t, %v", answer, replayed, err)
	}
	f = &fake{answers: []string{""}, account: held, refuses: true}
	if answer, _, err := f.add(t.Context()); answer != "" || !errors.Is(err, ledger.ErrInsufficientBonus) {
		t.Errorf("without a copy: %q, %v", answer, err)
	}
	f = &fake{answers: []string{"", "theirs"}, refuses: true}
	if _, _, err := f.add(t.Context()); !errors.Is(err, ledger.ErrNotHeld) {
		t.Errorf("a card that is not held: %v", err)
	}
}

// The entry of a commit without an answer is there, or it is not.
func TestAddEntry_OfACommitThatWasNotAnswered(t *testing.T) {
	t.Parallel()
	lost := errors.New("the connection is lost")
	f := &fake{answers: []string{"", "mine"}, added: true, commit: lost}
	if answer, replayed, err := f.add(t.Context()); answer != "mine" || !replayed || err != nil {
		t.Errorf("it is there: got %q, %t, %v", answer, replayed, err)
	}
	f = &fake{answers: []string{""}, added: true, commit: lost}
	if answer, _, err := f.add(t.Context()); answer != "" || !errors.Is(err, lost) {
		t.Errorf("it is not: got %q, %v", answer, err)
	}
}

// unreachable is a store without a connection.
type unreachable struct {
	*fake
	err error
}

func (u unreachable) Write(context.Context, func(context.Context, ledger.Tx) error) error {
	return u.err
}

// The caller would wait for the database twice.
func TestAddEntry_OfATransactionThatNeverBeganIsNotLookedFor(t *testing.T) {
	t.Parallel()
	u := unreachable{&fake{answers: []string{"older"}}, errors.New("no connection")}
	request := ledger.Request{Route: "POST", Key: "k"}
	_, _, err := ledger.New(u, func() {}).AddEntry(t.Context(), "push", "1", ledger.Booking{AddBonus: -1}, request)
	if !errors.Is(err, u.err) || len(u.answers) != 1 {
		t.Errorf("got %v, asked %d times", err, 1-len(u.answers))
	}
}

func TestAddEntry_AKeyThatIsUsedMeanwhileIsAConflict(t *testing.T) {
	t.Parallel()
	f := &fake{answers: []string{""}}
	if answer, _, err := f.add(t.Context()); answer != "" || !errors.Is(err, ledger.ErrConflict) || f.queued != nil {
		t.Errorf("got %q, %v, enqueued %v", answer, err, f.queued)
	}
}

// An entry is enqueued itself, or with the ones before it that were not, or not yet.
func TestAddEntry_IsEnqueuedInItsTurn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		posting ledger.Posting
		want    []string
	}{
		"the next":              {ledger.Posting{Sendable: true, MustEnqueue: true}, []string{"new"}},
		"behind others":         {ledger.Posting{Sendable: true}, []string{"older", "new"}},
		"of an inactive card":   {ledger.Posting{}, nil},
		"of a face not read":    {ledger.Posting{Sendable: false}, nil},
		"marked, whatever else": {ledger.Posting{MustEnqueue: true}, []string{"new"}},
	} {
		c.posting.ID = "new"
		f := &fake{answers: []string{""}, added: true, posting: c.posting, pending: []string{"older", "new"}}
		if _, _, err := f.add(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range f.queued {
			got = append(got, m.ID)
			if m.Started == (len(c.want) == 1) { // what waited may have been sent before
				t.Errorf("%s: %+v", name, m)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: enqueued %q, want %q", name, got, c.want)
		}
	}
}

// What the face shows already is not sent.
func TestAdd_AnEntryThatTheFaceShowsIsNotSent(t *testing.T) {
	t.Parallel()
	for shown, want := range map[bool]int{true: 0, false: 1} {
		f := &fake{added: true, posting: ledger.Posting{MustEnqueue: true}}
		err := f.Write(t.Context(), func(ctx context.Context, tx ledger.Tx) error {
			return ledger.Add(ctx, tx, "push", "1", ledger.Booking{AddBonus: 1}, ledger.RouteFace, shown)
		})
		if err != nil || len(f.queued) != want {
			t.Errorf("shown %t: %v, enqueued %v", shown, err, f.queued)
		}
	}
}
