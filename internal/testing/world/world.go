// Package world is one replica of the services of outbox, ledger, member and
// cardsync on a real database, with fakes of WeChat and of the catalogue, in virtual
// time. Only tests import it. It starts no HTTP server and no process: package
// apptest does the former, package crash the latter.
package world

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// The app IDs of the mini-program and of the Official Account.
const (
	Mini     = "wxmini"
	Official = "wxofficial"
)

// The names of WeChat's events.
const (
	Taken     = "user_get_card"
	Deleted   = "user_del_card"
	Submitted = "submit_membercard_user_info"
	Gifting   = "user_gifting_card"
)

// At returns a time of an event, so many seconds after the first.
func At(second int) time.Time {
	return time.Date(2026, 11, 23, 8, 0, second, 0, time.UTC)
}

// World is a replica and what is around it.
type World struct {
	Services // of the replica
	*testing.T
	DB        *sqldb.DB
	Store     cardsync.Store // on DB
	Catalogue *Catalogue
	WeChat    *WeChat

	path     string // of the database
	mu       sync.Mutex
	outcomes map[string]int
	keys     int // idempotency keys that were used
}

// Main is the TestMain of packages with property tests. It runs few checks of each,
// unless -rapid.checks says otherwise, and writes no fail files: a failure prints
// the seed that repeats it.
func Main(m *testing.M) {
	set := func(name, value string) {
		if err := flag.Set(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	set("rapid.checks", "6")
	set("rapid.nofailfile", "true")
	flag.Parse()
	os.Exit(m.Run())
}

// Run runs a test in a World of its own, in virtual time (see testing/synctest) and
// parallel to other tests.
func Run(t *testing.T, test func(w *World)) {
	t.Parallel()
	path := sqldbtest.File(t)
	synctest.Test(t, func(t *testing.T) {
		w := &World{T: t, path: path}
		w.DB = w.OpenDB()
		w.start()
		test(w)
	})
}

// start starts the replica on w.DB.
func (w *World) start() {
	w.Store = StoresOn(w.DB).CardSync
	w.Catalogue, w.WeChat, w.outcomes = &Catalogue{}, NewWeChat(), map[string]int{}
	w.Services = w.Replica(StoresOn(w.DB))
}

// Fork returns a World on the same database, with a catalogue and a WeChat of its
// own.
func (w *World) Fork() *World {
	fork := &World{T: w.T, path: w.path, DB: w.DB}
	fork.start()
	return fork
}

// OpenDB opens the database once more, as another process does.
func (w *World) OpenDB() *sqldb.DB {
	w.Helper()
	db, err := sqldb.Open(w.Context(), "sqlite:"+w.path)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() {
		if err := db.Close(); err != nil {
			w.Error(err)
		}
	})
	return db
}

// Replica returns the services of another replica, on stores that may be wrapped.
func (w *World) Replica(s Stores) Services { return NewServices(s, w.Catalogue, w.WeChat) }

// StartSender runs a Sender of the replica r, which calls wechat, until stop is
// called. stop returns after Run has returned.
func (w *World) StartSender(r Services, wechat cardsync.WeChat) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	handlers := cardsync.New(r.Stores.CardSync, r.Members, wechat).Handlers()
	sender := r.NewSender(handlers, slog.New(slog.DiscardHandler), func(kind, outcome string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.outcomes[kind+" "+outcome]++
	})
	done := make(chan struct{})
	go func() { defer close(done); sender.Run(ctx) }()
	return func() { cancel(); <-done }
}

// Reconciler returns a Reconciler of the replica r.
func (w *World) Reconciler(r Services, o cardsync.Observer) *cardsync.Reconciler {
	return r.NewReconciler(w.WeChat, r.Ledger, Official, r.Wake, slog.New(slog.DiscardHandler), o)
}

// Outcomes returns how often Senders had which outcome, by "kind outcome".
func (w *World) Outcomes() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.outcomes)
}

// WaitSent waits until no message waits in the outbox and the Senders are idle.
func (w *World) WaitSent() {
	w.Helper()
	for range 10_000 {
		b, err := w.Backlog(w.Context())
		if err != nil {
			w.Fatal(err)
		}
		if b.Waiting == 0 {
			synctest.Wait()
			return
		}
		time.Sleep(time.Second)
	}
	w.Fatalf("the outbox does not drain; WeChat was called: %v", w.WeChat.calls)
}

// SendAll runs a Sender until no message waits.
func (w *World) SendAll() {
	w.Helper()
	stop := w.StartSender(w.Services, w.WeChat)
	defer stop()
	w.WaitSent()
}

// ClaimCard makes a card that the member ming has claimed, and sends nothing.
func (w *World) ClaimCard(cardID string) (memberID, code string) {
	w.Helper()
	return w.ClaimCardAs("ming", cardID)
}

// ClaimCardAs does what ClaimCard does for the member who has the openid.
func (w *World) ClaimCardAs(openID, cardID string) (memberID, code string) {
	w.Helper()
	memberID = Enroll(w, w.Members, Mini, openID, "")
	code = IssueCode(w, w.Members, memberID, cardID)
	plan, err := w.Catalogue.Plan(w.Context(), cardID)
	if err != nil {
		w.Fatal(err)
	}
	if _, err := w.Claim(w.Context(), memberID, []member.Claim{{CardID: cardID, Code: code, Plan: plan}}); err != nil {
		w.Fatal(err)
	}
	return memberID, code
}

// ActivateCard makes an active card of the member ming and returns its code.
func (w *World) ActivateCard(cardID string) string {
	w.Helper()
	_, code := w.ClaimCard(cardID)
	w.SendAll()
	return code
}

// ActivateCardWith makes an active card with one entry in its ledger, which has been
// sent.
func (w *World) ActivateCardWith(cardID string, b ledger.Booking) (code string) {
	w.Helper()
	code = w.ActivateCard(cardID)
	w.MustAddEntry(cardID, code, b)
	w.SendAll()
	return code
}

// Card returns a card as it is stored.
func (w *World) Card(cardID, code string) member.Card {
	w.Helper()
	c, err := w.Store.Card(w.Context(), cardID, code)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

// ReceiveEvent receives an event. Without an openid it is about O1, and without a
// deduplication key it gets one.
func (w *World) ReceiveEvent(e member.Event) {
	w.Helper()
	if e.OpenID == "" {
		e.OpenID = "O1"
	}
	if e.DedupeKey == "" {
		e.DedupeKey = strings.Join([]string{e.Name, e.CardID, e.Code, e.At.String()}, " ")
	}
	if err := w.Receive(context.WithoutCancel(w.Context()), e); err != nil {
		w.Error(err)
	}
}

// MustAddEntry adds an entry to a card's ledger and returns its ID.
func (w *World) MustAddEntry(cardID, code string, b ledger.Booking) (id string) {
	w.Helper()
	w.mu.Lock()
	w.keys++
	key := fmt.Sprint("key ", w.keys)
	w.mu.Unlock()
	answer, _, err := w.AddEntry(context.WithoutCancel(w.Context()), cardID, code, b, ledger.Request{
		Route: "POST", Key: key, Answer: func(e ledger.Entry) ([]byte, error) { return []byte(e.ID), nil },
	})
	if err != nil {
		w.Fatal(err)
	}
	return string(answer)
}

// Points is an entry of n points that notifies the holder.
func Points(n int64) ledger.Booking {
	return ledger.Booking{AddBonus: n, RecordBonus: fmt.Sprint("r", n), NotifyBonus: true, NotifyBalance: true}
}

// SilentPoints is an entry of n points that does not notify the holder.
func SilentPoints(n int64) ledger.Booking { return ledger.Booking{AddBonus: n} }

// WantFace checks the totals on a card's face and the messages its holder got.
func (w *World) WantFace(code string, bonus, balance int64, messages ...string) {
	w.Helper()
	f := w.WeChat.Face(code)
	if f.Bonus != bonus || f.Balance != balance {
		w.Errorf("the face shows %d and %d, want %d and %d", f.Bonus, f.Balance, bonus, balance)
	}
	if !slices.Equal(f.Messages, messages) {
		w.Errorf("the holder got the messages\n %s\nwant\n %s", strings.Join(f.Messages, "\n "), strings.Join(messages, "\n "))
	}
}

// WantBalanced checks that every ledger adds up and the outbox is empty.
func (w *World) WantBalanced() {
	w.Helper()
	if wrong, err := w.Unbalanced(w.Context(), 9); len(wrong) != 0 || err != nil {
		w.Errorf("%+v do not add up, %v", wrong, err)
	}
	if b, err := w.Backlog(w.Context()); b != (outbox.Backlog{}) || err != nil {
		w.Errorf("the outbox holds %+v, %v", b, err)
	}
}
