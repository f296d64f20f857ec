// Package ledgertest is the conformance suite of ledger.Store: what package ledger
// relies on, whatever the database behind it.
package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
)

// Stores are the stores of one fresh, empty database. The suite is about the ledger;
// the others make the cards and take the messages.
type Stores struct {
	Ledger  ledger.Store
	Members member.Store
	Outbox  outbox.Store
}

// stores has the ledger's methods.
type stores struct {
	ledger.Store
	members member.Store
	outbox  outbox.Store
}

// Run runs the suite. open returns the stores of a fresh database for each test.
func Run(t *testing.T, open func(t *testing.T) Stores) {
	for name, test := range map[string]func(*testing.T, stores){
		"what is not there is ErrNotFound":               missing,
		"an entry comes back as it was booked":           entryRoundTrip,
		"totals stay within their bounds":                bounds,
		"only a card that is held accepts entries":       heldOnly,
		"a request is answered once":                     answerOnce,
		"an entry is reversed once":                      reversedOnce,
		"entries come newest first, page by page":        entryPages,
		"an entry that is undone was never there":        entryUndone,
		"64 bookings at once are numbered without gaps":  bookers,
		"64 debits of a whole balance: one succeeds":     debits,
		"64 requests of one key: one effect":             oneEffect,
		"a ledger moves with a given card":               ledgerMoves,
		"a ledger that does not add up is found":         unbalanced,
		"and is found among very many":                   unbalancedAmongMany,
		"what is pending is drained once":                drained,
		"nothing is sent before the face is known":       faceUnknown,
		"an opening entry is never sent":                 openingEntry,
		"what was drained can be marked as not sent":     unsent,
		"an entry shows how far it was sent":             sentState,
		"the next entry that waits is found":             nextQueued,
		"totals are sent without what waits behind":      totalsAt,
		"an unsent ledger moves as unsent":               unsentLedgerMoves,
		"a ledger on a known face moves as sent":         knownLedgerMoves,
		"entries that were lost are missed":              lostEntries,
		"totals that are wrong are found":                wrongTotals,
		"an entry has an actor, a store and an order":    labels,
		"an actor's limits of an entry":                  entryLimits,
		"an actor's limits of a day":                     dayLimits,
		"what is reversed leaves room in the day":        dayLimitsAfterReversals,
		"an actor reverses young entries of their own":   undoLimits,
		"16 bookings at once stay within a day's limit":  dayLimitAtOnce,
		"one key at a day's limit has one effect":        dayLimitOfOneKey,
		"a reversal takes back what is left":             partialReversal,
		"a reversal takes back what is left of each":     partialReversalOfBoth,
		"16 debits and a partial reversal at once":       partialReversalAtOnce,
		"an order is booked once until it is undone":     orderOnce,
		"16 bookings of an order at once: one succeeds":  orderOnceAtOnce,
		"all entries come newest first, page by page":    journalPages,
		"all entries are filtered":                       journalFilters,
		"an entry of a card given away has its new code": journalAfterGift,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opened := open(t)
			s := stores{opened.Ledger, opened.Members, opened.Outbox}
			addNeighbours(t, s)
			test(t, s)
			checkNeighbours(t, s)
		})
	}
}

var errUndo = errors.New("undo this")

func write(t *testing.T, s stores, fn func(ctx context.Context, tx ledger.Tx) error) {
	t.Helper()
	if err := s.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// add adds a card of member m1. The face of an active one is known.
func add(t *testing.T, s stores, code string, status member.Status) {
	t.Helper()
	err := s.members.Write(t.Context(), func(ctx context.Context, tx member.Tx) error {
		there, err := tx.Exists(ctx, "m1")
		if err == nil && !there {
			err = tx.AddMember(ctx, "m1")
		}
		if err != nil {
			return err
		}
		_, err = tx.AddCard(ctx, member.Card{CardID: "c1", Code: code, MemberID: "m1", Status: status, FaceKnown: status == member.Active})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// change updates a card as package member does.
func change(t *testing.T, s stores, c member.Card) {
	t.Helper()
	err := s.members.Write(t.Context(), func(ctx context.Context, tx member.Tx) error {
		done, err := tx.UpdateCard(ctx, c)
		if !done {
			t.Errorf("%+v was not updated", c)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func card(t *testing.T, s stores, code string) member.Card {
	t.Helper()
	c, err := s.members.Card(t.Context(), "c1", code)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// account returns the account of a code, which must have the totals of its card.
func account(t *testing.T, s stores, code string) ledger.Account {
	t.Helper()
	a, err := s.Account(t.Context(), "c1", code)
	if err != nil {
		t.Fatal(err)
	}
	c := card(t, s, code)
	if a.CardID != c.CardID || a.Code != c.Code || a.Bonus != c.Bonus || a.Balance != c.Balance || a.Seq != c.Seq {
		t.Errorf("account %+v of card %+v", a, c)
	}
	return a
}

// holder adds the active card c1/A1.
func holder(t *testing.T, s stores) {
	t.Helper()
	add(t, s, "A1", member.Active)
}

func missing(t *testing.T, s stores) {
	if a, err := s.Account(t.Context(), "c1", "A1"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("account: got %+v, %v", a, err)
	}
	if e, err := s.NextQueued(t.Context(), outbox.Message{CardID: "c1", Code: "A1"}); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("next entry: got %+v, %v", e, err)
	}
}

// each calls fn n times at once and returns the different answers.
func each(t *testing.T, n int, fn func() (string, error)) map[string]bool {
	var mu sync.Mutex
	var wg sync.WaitGroup
	got := map[string]bool{}
	for range n {
		wg.Go(func() {
			v, err := fn()
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			got[v] = true
		})
	}
	wg.Wait()
	return got
}

// book posts and enters b as a request with that key, unless it is "".
func book(ctx context.Context, tx ledger.Tx, b ledger.Booking, key string) (ledger.Posting, error) {
	p, err := tx.Post(ctx, "c1", "A1", b, true)
	if err != nil {
		return p, err
	}
	r := ledger.Request{ID: "r1", Route: "POST /x", Key: key, Payload: "p-" + key}
	added, err := tx.AddEntry(ctx, p, r, []byte("answer "+p.ID))
	if err == nil && !added {
		err = errRefused
	}
	return p, err
}

var errRefused = errors.New("not added")

func booked(t *testing.T, s stores, b ledger.Booking, key string) (p ledger.Posting) {
	t.Helper()
	write(t, s, func(ctx context.Context, tx ledger.Tx) (err error) {
		p, err = book(ctx, tx, b, key)
		return err
	})
	return p
}

// service returns a Service on s.
func service(s stores) *ledger.Service { return ledger.New(s.Store, func() {}) }

// request is one that is answered with the entry's number.
func request(key string) ledger.Request {
	return ledger.Request{
		Route:   "POST /x",
		Key:     key,
		Payload: key,
		Answer:  func(e ledger.Entry) ([]byte, error) { return fmt.Append(nil, e.Seq), nil },
	}
}

func entryRoundTrip(t *testing.T, s stores) {
	holder(t, s)
	before := card(t, s, "A1")
	want := ledger.Booking{AddBonus: ledger.MaxAdd, AddBalance: 7, RecordBonus: "消费 <&>'\"", RecordBalance: "🎂", NotifyBalance: true,
		Store: "南京东路店", Order: "A-1001"}
	p := booked(t, s, want, "k1")
	if p.Booking != want || p.Seq != 1 || p.Bonus != ledger.MaxAdd || p.Balance != 7 || !p.Sendable || p.CreatedAt.IsZero() || p.ID == "" {
		t.Errorf("posted: %+v", p)
	}
	got, err := s.Entry(t.Context(), "c1", "A1", p.ID)
	if got != p.Entry || err != nil {
		t.Errorf("got %+v, %v\nwant %+v", got, err, p.Entry)
	}
	for _, key := range [][3]string{{"c1", "A1", "x"}, {"c1", "A2", p.ID}, {"c2", "A1", p.ID}} {
		if got, err := s.Entry(t.Context(), key[0], key[1], key[2]); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("entry %v: got %+v, %v, want ErrNotFound", key, got, err)
		}
	}
	c := account(t, s, "A1")
	if c.Bonus != ledger.MaxAdd || c.Balance != 7 || c.Seq != 1 {
		t.Errorf("the card: %+v", c)
	}
	before.OuterStr = "new" // an update with a card that was read before the entry keeps the totals
	change(t, s, before)
	if c := card(t, s, "A1"); c.Bonus != ledger.MaxAdd || c.Seq != 1 || c.OuterStr != "new" {
		t.Errorf("after an update: %+v", c)
	}
}

func bounds(t *testing.T, s stores) {
	holder(t, s)
	booked(t, s, ledger.Booking{AddBonus: 5, AddBalance: 10}, "")
	for _, b := range []ledger.Booking{
		{AddBonus: -6}, {AddBalance: -11}, {AddBonus: 1, AddBalance: -11}, {AddBonus: ledger.MaxTotal - 4}, {AddBalance: ledger.MaxTotal - 9},
	} {
		write(t, s, func(ctx context.Context, tx ledger.Tx) error {
			if p, err := tx.Post(ctx, "c1", "A1", b, true); !errors.Is(err, ledger.ErrNotFound) {
				t.Errorf("%+v: got %+v, %v, want ErrNotFound", b, p, err)
			}
			return nil
		})
	}
	if c := account(t, s, "A1"); c.Bonus != 5 || c.Balance != 10 || c.Seq != 1 {
		t.Errorf("after refusals: %+v", c)
	}
	booked(t, s, ledger.Booking{AddBonus: -5, AddBalance: -10}, "")
	if p := booked(t, s, ledger.Booking{AddBonus: ledger.MaxTotal}, ""); p.Bonus != ledger.MaxTotal {
		t.Errorf("up to the largest total: %+v", p)
	}
}

func heldOnly(t *testing.T, s stores) {
	for status, accepts := range map[member.Status]bool{
		member.Issued: false, member.Claimed: true, member.Active: true, member.Deleted: true, member.Gifted: false, member.Unavailable: false,
	} {
		add(t, s, string(status), status)
		for _, only := range []bool{true, false} {
			write(t, s, func(ctx context.Context, tx ledger.Tx) error {
				_, err := tx.Post(ctx, "c1", string(status), ledger.Booking{AddBonus: 1}, only)
				if refused := errors.Is(err, ledger.ErrNotFound); refused == (accepts || !only) {
					t.Errorf("%s, only if held %v: %v", status, only, err)
				}
				return ignoreNotFound(err)
			})
		}
		if a := account(t, s, string(status)); a.Held != accepts {
			t.Errorf("%s: %+v", status, a)
		}
	}
}

func ignoreNotFound(err error) error {
	if errors.Is(err, ledger.ErrNotFound) {
		return nil
	}
	return err
}

func answerOnce(t *testing.T, s stores) {
	holder(t, s)
	for _, key := range []string{"k1", ""} {
		if a, err := s.Answer(t.Context(), "POST /x", key); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("key %q before: got %+v, %v", key, a, err)
		}
	}
	p := booked(t, s, ledger.Booking{AddBonus: 1}, "k1")
	booked(t, s, ledger.Booking{AddBonus: 1}, "") // without a key, each request adds an entry
	booked(t, s, ledger.Booking{AddBonus: 1}, "")
	a, err := s.Answer(t.Context(), "POST /x", "k1")
	if string(a.Body) != "answer "+p.ID || a.Payload != "p-k1" || err != nil {
		t.Errorf("got %+v, %v", a, err)
	}
	for route, key := range map[string]string{"POST /y": "k1", "POST /x": "k2"} {
		if a, err := s.Answer(t.Context(), route, key); !errors.Is(err, ledger.ErrNotFound) {
			t.Errorf("%s %s: got %+v, %v", route, key, a, err)
		}
	}
	err = s.Write(t.Context(), func(ctx context.Context, tx ledger.Tx) error {
		_, err := book(ctx, tx, ledger.Booking{AddBonus: 1}, "k1")
		return err
	})
	if c := account(t, s, "A1"); !errors.Is(err, errRefused) || c.Bonus != 3 {
		t.Errorf("the key again: %v, and the card %+v", err, c)
	}
}

func reversedOnce(t *testing.T, s stores) {
	holder(t, s)
	p := booked(t, s, ledger.Booking{AddBonus: 5}, "")
	if e, err := s.FirstFrom(t.Context(), "c1", "A1", "POST /x"); e != p.Entry || err != nil {
		t.Errorf("the first entry of its route: %+v, %v", e, err)
	}
	if _, err := s.FirstFrom(t.Context(), "c1", "A1", "POST /y"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("the first entry of another route: %v", err)
	}
	write(t, s, func(ctx context.Context, tx ledger.Tx) error {
		p, err := tx.Post(ctx, "c1", "A1", ledger.Booking{AddBonus: -5, Reverses: p.ID}, true)
		if err == nil {
			_, err = tx.AddEntry(ctx, p, ledger.Request{}, nil)
		}
		return err
	})
	if e, err := s.Entry(t.Context(), "c1", "A1", p.ID); !e.Reversed || err != nil {
		t.Errorf("got %+v, %v, want it reversed", e, err)
	}
	if _, err := s.FirstFrom(t.Context(), "c1", "A1", "POST /x"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("an entry that was not reversed: %v", err)
	}
	err := s.Write(t.Context(), func(ctx context.Context, tx ledger.Tx) error {
		_, err := book(ctx, tx, ledger.Booking{AddBonus: 1, Reverses: p.ID}, "")
		return err
	})
	if !errors.Is(err, errRefused) {
		t.Errorf("reversed twice: %v", err)
	}
}

func entryPages(t *testing.T, s stores) {
	holder(t, s)
	for i := range 5 {
		booked(t, s, ledger.Booking{AddBonus: int64(i + 1)}, "")
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

func entryUndone(t *testing.T, s stores) {
	holder(t, s)
	err := s.Write(t.Context(), func(ctx context.Context, tx ledger.Tx) error {
		if _, err := book(ctx, tx, ledger.Booking{AddBonus: 5}, "k1"); err != nil {
			return err
		}
		return errUndo
	})
	if c := account(t, s, "A1"); !errors.Is(err, errUndo) || c.Bonus != 0 || c.Seq != 0 {
		t.Errorf("got %v, and the card %+v", err, c)
	}
	if p := booked(t, s, ledger.Booking{AddBonus: 5}, "k1"); p.Seq != 1 {
		t.Errorf("the next entry: %+v", p)
	}
}

func bookers(t *testing.T, s stores) {
	holder(t, s)
	svc := service(s)
	var key atomic.Int64
	seqs := each(t, 64, func() (string, error) {
		got, replayed, err := svc.AddEntry(
			t.Context(),
			"c1",
			"A1",
			ledger.Booking{AddBonus: 1, AddBalance: 2},
			request(fmt.Sprint("k", key.Add(1))),
		)
		if replayed {
			t.Error("a new request was replayed")
		}
		return string(got), err
	})
	c := account(t, s, "A1")
	if len(seqs) != 64 || c.Seq != 64 || c.Bonus != 64 || c.Balance != 128 {
		t.Errorf("%d different numbers, the card %+v", len(seqs), c)
	}
	balanced(t, s)
}

func debits(t *testing.T, s stores) {
	holder(t, s)
	booked(t, s, ledger.Booking{AddBalance: 500}, "")
	svc := service(s)
	var key, spent, refused atomic.Int64
	each(t, 64, func() (string, error) {
		_, _, err := svc.AddEntry(t.Context(), "c1", "A1", ledger.Booking{AddBalance: -500}, request(fmt.Sprint("k", key.Add(1))))
		switch {
		case err == nil:
			spent.Add(1)
		case errors.Is(err, ledger.ErrInsufficientBalance):
			refused.Add(1)
			err = nil
		}
		return "", err
	})
	if spent.Load() != 1 || refused.Load() != 63 {
		t.Errorf("%d debits succeeded, %d were refused", spent.Load(), refused.Load())
	}
	balanced(t, s)
}

// The whole balance is spent, so a concurrent request that did not find the key
// would be refused.
func oneEffect(t *testing.T, s stores) {
	holder(t, s)
	booked(t, s, ledger.Booking{AddBalance: 500}, "")
	svc := service(s)
	var fresh atomic.Int64
	answers := each(t, 64, func() (string, error) {
		got, replayed, err := svc.AddEntry(t.Context(), "c1", "A1", ledger.Booking{AddBalance: -500}, request("k"))
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
