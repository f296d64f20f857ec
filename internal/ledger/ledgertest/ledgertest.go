package membertest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/addcard/addcard/internal/member"
)

// ledgerTests is the part of the suite about entries.
var ledgerTests = map[string]func(*testing.T, member.Store){
	"an entry comes back as it was booked":          entryRoundTrip,
	"totals stay within their bounds":               bounds,
	"only a card that is held takes entries":        heldOnly,
	"a request is answered once":                    answerOnce,
	"an entry is reversed once":                     reversedOnce,
	"entries come newest first, page by page":       entryPages,
	"an entry that is undone was never there":       entryUndone,
	"64 bookings at once are numbered without gaps": bookers,
	"64 debits of a whole balance: one succeeds":    debits,
	"64 requests of one key: one effect":            oneEffect,
	"a ledger goes along with a card":               ledgerMoves,
	"a ledger that does not add up is found":        unbalanced,
	"and found among very many":                     unbalancedAmongMany,
}

// holder adds a member and the active card c1/A1 in that member's wallet.
func holder(t *testing.T, s member.Store) {
	t.Helper()
	enrolled(t, s, "m1")
	add(t, s, member.Card{CardID: "c1", Code: "A1", MemberID: "m1", Status: member.Active})
}

// book posts and enters b as a request with that key, unless it is "".
func book(ctx context.Context, tx member.Tx, b member.Booking, key string) (member.Posting, error) {
	p, err := tx.Post(ctx, "c1", "A1", b, true)
	if err != nil {
		return p, err
	}
	r := member.Request{ID: "r1", Route: "POST /x", Key: key, Payload: "p-" + key}
	added, err := tx.AddEntry(ctx, p, r, []byte("answer "+p.ID))
	if err == nil && !added {
		err = errRefused
	}
	return p, err
}

var errRefused = errors.New("not added")

func booked(t *testing.T, s member.Store, b member.Booking, key string) (p member.Posting) {
	t.Helper()
	write(t, s, func(ctx context.Context, tx member.Tx) (err error) {
		p, err = book(ctx, tx, b, key)
		return err
	})
	return p
}

// service is the rules on s.
func service(s member.Store) *member.Service {
	return member.New(s, member.Apps{MiniProgram: app, Official: official}, plan(member.PlanPush))
}

// request is one that is answered with the entry's number.
func request(key string) member.Request {
	return member.Request{Route: "POST /x", Key: key, Payload: key, Answer: func(e member.Entry) ([]byte, error) { return fmt.Append(nil, e.Seq), nil }}
}

func entryRoundTrip(t *testing.T, s member.Store) {
	holder(t, s)
	before := card(t, s, "c1", "A1")
	want := member.Booking{AddBonus: member.MaxAdd, AddBalance: 7, RecordBonus: "消费 <&>'\"", RecordBalance: "🎂", NotifyBalance: true}
	p := booked(t, s, want, "k1")
	if p.Booking != want || p.Seq != 1 || p.Bonus != member.MaxAdd || p.Balance != 7 || p.Status != member.Active || p.CreatedAt.IsZero() || p.ID == "" {
		t.Errorf("posted: %+v", p)
	}
	got, err := s.Entry(t.Context(), "c1", "A1", p.ID)
	if got != p.Entry || err != nil {
		t.Errorf("got %+v, %v\nwant %+v", got, err, p.Entry)
	}
	for _, key := range [][3]string{{"c1", "A1", "x"}, {"c1", "A2", p.ID}, {"c2", "A1", p.ID}} {
		if got, err := s.Entry(t.Context(), key[0], key[1], key[2]); !errors.Is(err, member.ErrNotFound) {
			t.Errorf("entry %v: got %+v, %v, want ErrNotFound", key, got, err)
		}
	}
	c := card(t, s, "c1", "A1")
	if c.Bonus != member.MaxAdd || c.Balance != 7 || c.Seq != 1 {
		t.Errorf("the card: %+v", c)
	}
	before.OuterStr = "new" // a card that was read before the entry is still as it was read
	update(t, s, before, true)
	if c := card(t, s, "c1", "A1"); c.Bonus != member.MaxAdd || c.Seq != 1 || c.OuterStr != "new" {
		t.Errorf("after an update: %+v", c)
	}
}

func bounds(t *testing.T, s member.Store) {
	holder(t, s)
	booked(t, s, member.Booking{AddBonus: 5, AddBalance: 10}, "")
	for _, b := range []member.Booking{
		{AddBonus: -6}, {AddBalance: -11}, {AddBonus: 1, AddBalance: -11}, {AddBonus: member.MaxTotal - 4}, {AddBalance: member.MaxTotal - 9},
	} {
		write(t, s, func(ctx context.Context, tx member.Tx) error {
			if p, err := tx.Post(ctx, "c1", "A1", b, true); !errors.Is(err, member.ErrNotFound) {
				t.Errorf("%+v: got %+v, %v, want ErrNotFound", b, p, err)
			}
			return nil
		})
	}
	if c := card(t, s, "c1", "A1"); c.Bonus != 5 || c.Balance != 10 || c.Seq != 1 {
		t.Errorf("after refusals: %+v", c)
	}
	booked(t, s, member.Booking{AddBonus: -5, AddBalance: -10}, "")
	if p := booked(t, s, member.Booking{AddBonus: member.MaxTotal}, ""); p.Bonus != member.MaxTotal {
		t.Errorf("up to the largest: %+v", p)
	}
}

func heldOnly(t *testing.T, s member.Store) {
	enrolled(t, s, "m1")
	for status, takes := range map[member.Status]bool{
		member.Issued: false, member.Claimed: true, member.Active: true, member.Deleted: true, member.Gifted: false, member.Unavailable: false,
	} {
		add(t, s, member.Card{CardID: "c1", Code: string(status), MemberID: "m1", Status: status})
		for _, only := range []bool{true, false} {
			write(t, s, func(ctx context.Context, tx member.Tx) error {
				_, err := tx.Post(ctx, "c1", string(status), member.Booking{AddBonus: 1}, only)
				if refused := errors.Is(err, member.ErrNotFound); refused == (takes || !only) {
					t.Errorf("%s, only if held %v: %v", status, only, err)
				}
				return errIgnore(err)
			})
		}
	}
}

func errIgnore(err error) error {
	if errors.Is(err, member.ErrNotFound) {
		return nil
	}
	return err
}

func answerOnce(t *testing.T, s member.Store) {
	holder(t, s)
	for _, key := range []string{"k1", ""} {
		if a, err := s.Answer(t.Context(), "POST /x", key); !errors.Is(err, member.ErrNotFound) {
			t.Errorf("key %q before: got %+v, %v", key, a, err)
		}
	}
	p := booked(t, s, member.Booking{AddBonus: 1}, "k1")
	booked(t, s, member.Booking{AddBonus: 1}, "") // nobody's request: as many as there are
	booked(t, s, member.Booking{AddBonus: 1}, "")
	a, err := s.Answer(t.Context(), "POST /x", "k1")
	if string(a.Body) != "answer "+p.ID || a.Payload != "p-k1" || err != nil {
		t.Errorf("got %+v, %v", a, err)
	}
	for route, key := range map[string]string{"POST /y": "k1", "POST /x": "k2"} {
		if a, err := s.Answer(t.Context(), route, key); !errors.Is(err, member.ErrNotFound) {
			t.Errorf("%s %s: got %+v, %v", route, key, a, err)
		}
	}
	err = s.Write(t.Context(), func(ctx context.Context, tx member.Tx) error {
		_, err := book(ctx, tx, member.Booking{AddBonus: 1}, "k1")
		return err
	})
	if c := card(t, s, "c1", "A1"); !errors.Is(err, errRefused) || c.Bonus != 3 {
		t.Errorf("the key again: %v, and the card %+v", err, c)
	}
}

func reversedOnce(t *testing.T, s member.Store) {
	holder(t, s)
	p := booked(t, s, member.Booking{AddBonus: 5}, "")
	if e, err := s.EntryFrom(t.Context(), "c1", "A1", "POST /x"); e != p.Entry || err != nil {
		t.Errorf("where it came from: %+v, %v", e, err)
	}
	if _, err := s.EntryFrom(t.Context(), "c1", "A1", "POST /y"); !errors.Is(err, member.ErrNotFound) {
		t.Errorf("from elsewhere: %v", err)
	}
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		p, err := tx.Post(ctx, "c1", "A1", member.Booking{AddBonus: -5, Reverses: p.ID}, true)
		if err == nil {
			_, err = tx.AddEntry(ctx, p, member.Request{}, nil)
		}
		return err
	})
	if e, err := s.Entry(t.Context(), "c1", "A1", p.ID); !e.Reversed || err != nil {
		t.Errorf("got %+v, %v, want it reversed", e, err)
	}
	if _, err := s.EntryFrom(t.Context(), "c1", "A1", "POST /x"); !errors.Is(err, member.ErrNotFound) {
		t.Errorf("an entry that was not reversed: %v", err)
	}
	err := s.Write(t.Context(), func(ctx context.Context, tx member.Tx) error {
		_, err := book(ctx, tx, member.Booking{AddBonus: 1, Reverses: p.ID}, "")
		return err
	})
	if !errors.Is(err, errRefused) {
		t.Errorf("twice: %v", err)
	}
}

func entryPages(t *testing.T, s member.Store) {
	holder(t, s)
	for i := range 5 {
		booked(t, s, member.Booking{AddBonus: int64(i + 1)}, "")
	}
	for before, want := range map[int64]string{0: "5 4", 4: "3 2", 2: "1", 1: ""} {
		list, err := s.Entries(t.Context(), "c1", "A1", before, 2)
		got := ""
		for i, e := range list {
			if i > 0 {
				got += " "
			}
			got += fmt.Sprint(e.Seq)
		}
		if got != want || err != nil {
			t.Errorf("before %d: got %s, %v, want %s", before, got, err, want)
		}
	}
	if list, err := s.Entries(t.Context(), "c1", "A2", 0, 2); len(list) != 0 || err != nil {
		t.Errorf("of another code: %+v, %v", list, err)
	}
}

func entryUndone(t *testing.T, s member.Store) {
	holder(t, s)
	err := s.Write(t.Context(), func(ctx context.Context, tx member.Tx) error {
		if _, err := book(ctx, tx, member.Booking{AddBonus: 5}, "k1"); err != nil {
			return err
		}
		return errUndo
	})
	if c := card(t, s, "c1", "A1"); !errors.Is(err, errUndo) || c.Bonus != 0 || c.Seq != 0 {
		t.Errorf("got %v, and the card %+v", err, c)
	}
	if p := booked(t, s, member.Booking{AddBonus: 5}, "k1"); p.Seq != 1 {
		t.Errorf("then: %+v", p)
	}
}

func bookers(t *testing.T, s member.Store) {
	holder(t, s)
	svc := service(s)
	var key atomic.Int64
	seqs := each(t, 64, func() (string, error) {
		got, replayed, err := svc.AddEntry(t.Context(), "c1", "A1", member.Booking{AddBonus: 1, AddBalance: 2}, request(fmt.Sprint("k", key.Add(1))))
		if replayed {
			t.Error("a new request was replayed")
		}
		return string(got), err
	})
	c := card(t, s, "c1", "A1")
	if len(seqs) != 64 || c.Seq != 64 || c.Bonus != 64 || c.Balance != 128 {
		t.Errorf("%d different numbers, the card %+v", len(seqs), c)
	}
	balanced(t, s)
}

func debits(t *testing.T, s member.Store) {
	holder(t, s)
	booked(t, s, member.Booking{AddBalance: 500}, "")
	svc := service(s)
	var key, spent, refused atomic.Int64
	each(t, 64, func() (string, error) {
		_, _, err := svc.AddEntry(t.Context(), "c1", "A1", member.Booking{AddBalance: -500}, request(fmt.Sprint("k", key.Add(1))))
		switch {
		case err == nil:
			spent.Add(1)
		case errors.Is(err, member.ErrInsufficientBalance):
			refused.Add(1)
			err = nil
		}
		return "", err
	})
	if spent.Load() != 1 || refused.Load() != 63 {
		t.Errorf("%d spent it, %d were refused", spent.Load(), refused.Load())
	}
	balanced(t, s)
}

// The whole balance is spent, so a twin that comes too late for the key would
// find nothing left.
func oneEffect(t *testing.T, s member.Store) {
	holder(t, s)
	booked(t, s, member.Booking{AddBalance: 500}, "")
	svc := service(s)
	var fresh atomic.Int64
	answers := each(t, 64, func() (string, error) {
		got, replayed, err := svc.AddEntry(t.Context(), "c1", "A1", member.Booking{AddBalance: -500}, request("k"))
		if !replayed {
			fresh.Add(1)
		}
		return string(got), err
	})
	if len(answers) != 1 || !answers["2"] || fresh.Load() != 1 {
		t.Errorf("answers %v, %d not replayed", answers, fresh.Load())
	}
	balanced(t, s)
}

func ledgerMoves(t *testing.T, s member.Store) {
	holder(t, s)
	add(t, s, member.Card{CardID: "c1", Code: "B1", MemberID: "m1", Status: member.Active})
	p := booked(t, s, member.Booking{AddBonus: 5, AddBalance: 6}, "k")
	write(t, s, func(ctx context.Context, tx member.Tx) error { return tx.MoveLedger(ctx, "c1", "A1", "B1") })
	if c := card(t, s, "c1", "A1"); c.Bonus != 0 || c.Balance != 0 || c.Seq != 0 {
		t.Errorf("the giver: %+v", c)
	}
	if c := card(t, s, "c1", "B1"); c.Bonus != 5 || c.Balance != 6 || c.Seq != 1 {
		t.Errorf("the heir: %+v", c)
	}
	if e, err := s.Entry(t.Context(), "c1", "B1", p.ID); e != p.Entry || err != nil {
		t.Errorf("the entry: %+v, %v", e, err)
	}
	if list, err := s.Entries(t.Context(), "c1", "A1", 0, 9); len(list) != 0 || err != nil {
		t.Errorf("what the giver has: %+v, %v", list, err)
	}
	booked(t, s, member.Booking{AddBonus: 1}, "k2") // on the giver's new ledger
	balanced(t, s)
}

func unbalanced(t *testing.T, s member.Store) {
	balanced(t, s)
	holder(t, s)
	booked(t, s, member.Booking{AddBonus: 5}, "")
	balanced(t, s)
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		_, err := tx.Post(ctx, "c1", "A1", member.Booking{AddBonus: 1}, true) // and no entry
		return err
	})
	wrong, err := s.Unbalanced(t.Context(), 9)
	if want := (member.Imbalance{CardID: "c1", Code: "A1", Bonus: 6, SumBonus: 5, Seq: 2, Entries: 1}); len(wrong) != 1 || wrong[0] != want || err != nil {
		t.Errorf("got %+v, %v, want %+v", wrong, err, want)
	}
}

func unbalancedAmongMany(t *testing.T, s member.Store) {
	holder(t, s)
	write(t, s, func(ctx context.Context, tx member.Tx) error {
		for i := range 1100 {
			if _, err := tx.AddCard(ctx, member.Card{CardID: "c1", Code: fmt.Sprintf("B%04d", i), MemberID: "m1", Status: member.Active}); err != nil {
				return err
			}
		}
		for _, code := range []string{"A1", "B0998", "B0999", "B1099"} {
			if _, err := tx.Post(ctx, "c1", code, member.Booking{AddBalance: 1}, true); err != nil {
				return err
			}
		}
		return nil
	})
	wrong, err := s.Unbalanced(t.Context(), 9)
	if len(wrong) != 4 || wrong[0].Code != "A1" || wrong[2].Code != "B0999" || wrong[3].Code != "B1099" || err != nil {
		t.Errorf("got %+v, %v", wrong, err)
	}
	if wrong, err := s.Unbalanced(t.Context(), 2); len(wrong) != 2 || err != nil {
		t.Errorf("two of them: %+v, %v", wrong, err)
	}
}

func balanced(t *testing.T, s member.Store) {
	t.Helper()
	if wrong, err := s.Unbalanced(t.Context(), 9); len(wrong) != 0 || err != nil {
		t.Errorf("they do not add up: %+v, %v", wrong, err)
	}
}
