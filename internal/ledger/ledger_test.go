package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/testing/world"
)

// shop is a random history of one card: its entries, the events about it and the
// faults of WeChat; and a model of the card.
type shop struct {
	*world.World
	rt      *rapid.T
	cardID  string
	code    string
	second  int
	deleted bool

	bonus, balance int64
	entries        []ledger.Entry    // as they must be
	asked          map[string]string // key → the answer it got
	fields         [3]string
	messages       []string // that its holder must get, in order
}

// newShop returns a shop with a catalogue and a WeChat of its own.
func newShop(w *world.World, rt *rapid.T, run int) *shop {
	own := w.Fork()
	s := &shop{World: own, rt: rt, asked: map[string]string{}, cardID: rapid.SampledFrom([]string{"push", "push-grant"}).Draw(rt, "card")}
	_, s.code = own.ClaimCardAs(fmt.Sprint("ming ", run), s.cardID)
	if s.cardID == "push-grant" {
		s.activate()
	}
	return s
}

// activate runs until the card is active. Its initial grant is the first entry then.
func (s *shop) activate() {
	s.SendAll()
	s.expect(
		ledger.Booking{AddBonus: world.InitialGrant.Bonus, AddBalance: world.InitialGrant.Balance, RecordBonus: world.InitialGrant.Record},
	)
	s.messages = append(s.messages, fmt.Sprintf("initial %s %d", world.InitialGrant.Record, world.InitialGrant.Bonus))
}

// expect adds an entry to the model.
func (s *shop) expect(b ledger.Booking) {
	s.bonus, s.balance = s.bonus+b.AddBonus, s.balance+b.AddBalance
	s.entries = append(s.entries, ledger.Entry{Booking: b, Seq: int64(len(s.entries) + 1), Bonus: s.bonus, Balance: s.balance})
	if b.NotifyBonus && b.AddBonus != 0 {
		s.messages = append(s.messages, fmt.Sprintf("bonus %+d %d %s", b.AddBonus, s.bonus, b.RecordBonus))
	}
	if b.NotifyBalance && b.AddBalance != 0 {
		s.messages = append(s.messages, fmt.Sprintf("balance %+d %d %s", b.AddBalance, s.balance, b.RecordBalance))
	}
}

// addsEntry adds an entry, which may take too much, or repeats an earlier request.
func (s *shop) addsEntry() {
	key := fmt.Sprint("k", rapid.IntRange(0, 12).Draw(s.rt, "key"))
	b := ledger.Booking{
		AddBonus: rapid.Int64Range(-20, 20).Draw(s.rt, "points"), AddBalance: rapid.SampledFrom([]int64{0, 0, 5, -5}).Draw(s.rt, "fen"),
		RecordBonus: "why " + key, RecordBalance: "what for " + key,
		NotifyBonus: rapid.Bool().Draw(s.rt, "notify bonus"), NotifyBalance: rapid.Bool().Draw(s.rt, "notify balance"),
	}
	if len(s.entries) > 0 && rapid.IntRange(0, 4).Draw(s.rt, "reverse") == 0 {
		b = s.undo(b)
	}
	payload := fmt.Sprintf("%+v", b)
	answer, replayed, err := s.AddEntry(context.Background(), s.cardID, s.code, b, ledger.Request{
		Route: s.code, Key: key, Payload: payload, Answer: func(e ledger.Entry) ([]byte, error) { return []byte(e.ID + " " + payload), nil },
	})
	before, known := s.asked[key]
	switch want := s.verdict(b, key, payload); {
	case !errors.Is(err, want):
		s.rt.Fatalf("%s %s: got %v, want %v", key, payload, err, want)
	case err != nil:
	case known && (!replayed || string(answer) != before):
		s.rt.Fatalf("%s again: got %s, replayed %v, want %s", key, answer, replayed, before)
	case !known:
		s.asked[key] = string(answer)
		s.expect(s.effect(b))
		s.entries[len(s.entries)-1].ID, _, _ = strings.Cut(string(answer), " ")
	}
}

// undo returns b as the reversal of some entry.
func (s *shop) undo(b ledger.Booking) ledger.Booking {
	e := rapid.SampledFrom(s.entries).Draw(s.rt, "entry")
	if e.ID == "" { // the initial grant: the model has no ID of it
		return b
	}
	b.AddBonus, b.AddBalance, b.Reverses = 0, 0, e.ID
	return b
}

// effect returns b with the amounts it adds.
func (s *shop) effect(b ledger.Booking) ledger.Booking {
	for _, e := range s.entries {
		if b.Reverses != "" && e.ID == b.Reverses {
			b.AddBonus, b.AddBalance = -e.AddBonus, -e.AddBalance
		}
	}
	return b
}

// verdict returns the error that a request must end with.
func (s *shop) verdict(b ledger.Booking, key, payload string) error {
	if before, known := s.asked[key]; known {
		if _, asked, _ := strings.Cut(before, " "); asked != payload {
			return ledger.ErrKeyReused
		}
		return nil
	}
	for _, e := range s.entries {
		if b.Reverses != "" && (e.ID == b.Reverses && e.Reverses != "" || e.Reverses == b.Reverses) {
			return ledger.ErrNotReversible
		}
	}
	b = s.effect(b)
	switch {
	case b.AddBonus == 0 && b.AddBalance == 0:
		return ledger.ErrNoChange
	case s.bonus+b.AddBonus < 0:
		return ledger.ErrInsufficientBonus
	case s.balance+b.AddBalance < 0:
		return ledger.ErrInsufficientBalance
	}
	return nil
}

func (s *shop) sets() {
	i := rapid.IntRange(0, 2).Draw(s.rt, "field")
	v := rapid.SampledFrom([]string{"", "白银", "黄金"}).Draw(s.rt, "value")
	change := member.FieldChange{}
	change.Values[i] = &v
	s.fields[i] = v
	if got, err := s.SetFields(context.Background(), s.cardID, s.code, change); err != nil || got != s.fields {
		s.rt.Fatalf("fields: %v, %v, want %v", got, err, s.fields)
	}
}

// drops deletes the card or restores it. The event of a deletion may be lost.
func (s *shop) drops() {
	s.second += 2 // a deletion found at WeChat is ordered just after the latest known event
	e := member.Event{Name: world.Deleted, CardID: s.cardID, Code: s.code, At: world.At(s.second), OpenID: "O of " + s.code}
	if s.deleted {
		e.Name, e.Restored = world.Taken, true
	}
	s.deleted = !s.deleted
	s.WeChat.SetStatus(s.code, map[bool]string{true: "DELETE", false: ""}[s.deleted])
	if !s.deleted || rapid.Bool().Draw(s.rt, "delivered") {
		s.ReceiveEvent(e)
	}
}

// upsets decides how WeChat fails the next calls.
func (s *shop) upsets() {
	fault := rapid.SampledFrom([]string{"none", "lost", "unanswered", "busy"}).Draw(s.rt, "fault")
	left := rapid.IntRange(1, 3).Draw(s.rt, "how often")
	hit := func(err error) func(context.Context, world.Call) error {
		return func(context.Context, world.Call) error {
			if left--; left < 0 {
				return nil
			}
			return err
		}
	}
	switch fault {
	case "lost":
		s.WeChat.Intercept(hit(context.DeadlineExceeded), nil)
	case "unanswered":
		s.WeChat.Intercept(nil, hit(context.DeadlineExceeded))
	case "busy":
		s.WeChat.Intercept(hit(world.RefusalError{IsTemporary: true}), nil)
	default:
		s.WeChat.Intercept(nil, nil)
	}
}

// After any history, whatever WeChat does meanwhile, the ledger equals the model, the
// face equals the ledger, and the holder got one message for each entry, in order,
// with the total after it.
func TestLedger_AnyHistoryEndsOnTheFace(t *testing.T) {
	t.Parallel()
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				run := 0
				rapid.Check(w, func(rt *rapid.T) {
					run++
					newShop(w, rt, run).run()
				})
			})
		})
	}
}

// run makes up the history and compares its end with the model.
func (s *shop) run() {
	stops := []func(){s.StartSender(s.Services, s.WeChat), s.StartSender(s.Replica(world.StoresOn(s.DB)), s.WeChat)}
	for range rapid.IntRange(1, 14).Draw(s.rt, "happenings") {
		rapid.SampledFrom([]func(){s.addsEntry, s.addsEntry, s.addsEntry, s.sets, s.drops, s.upsets, s.sleeps, func() {
			stops[0]()
			stops[0] = s.StartSender(s.Services, s.WeChat)
		}}).Draw(s.rt, "what")()
	}
	s.WeChat.Intercept(nil, nil)
	if s.deleted {
		s.drops()
	}
	s.WaitSent()
	for _, stop := range stops {
		stop()
	}
	s.check()
}

func (s *shop) sleeps() {
	time.Sleep(time.Duration(rapid.IntRange(1, 5000).Draw(s.rt, "ms")) * time.Millisecond)
}

func (s *shop) check() {
	c := s.Card(s.cardID, s.code)
	if c.Bonus != s.bonus || c.Balance != s.balance || c.Seq != int64(len(s.entries)) || c.Fields != s.fields || c.Status != member.Active {
		s.rt.Fatalf("the card is %+v\nwant %d and %d after %d entries, %v", c, s.bonus, s.balance, len(s.entries), s.fields)
	}
	list, err := s.Entries(context.Background(), s.cardID, s.code, 0, 100)
	if err != nil || len(list) != len(s.entries) {
		s.rt.Fatalf("%d entries, %v, want %d", len(list), err, len(s.entries))
	}
	slices.Reverse(list)
	for i, e := range list {
		if want := s.entries[i]; e.Seq != want.Seq || e.Bonus != want.Bonus || e.Balance != want.Balance || e.AddBonus != want.AddBonus ||
			e.Sent != ledger.SentDone {
			s.rt.Fatalf("entry %d is %+v, want %+v", i, e, want)
		}
	}
	f := s.WeChat.Face(s.code)
	if f.Bonus != s.bonus || f.Balance != s.balance || f.Fields != s.fields {
		s.rt.Fatalf("the face is %+v, want %d, %d, %v", f, s.bonus, s.balance, s.fields)
	}
	if !slices.Equal(f.Messages, s.messages) {
		s.rt.Fatalf("the holder got the messages\n %s\nwant\n %s", strings.Join(f.Messages, "\n "), strings.Join(s.messages, "\n "))
	}
	if wrong, err := s.Unbalanced(context.Background(), 9); len(wrong) != 0 || err != nil {
		s.rt.Fatalf("%+v do not add up, %v", wrong, err)
	}
	if b, err := s.Backlog(context.Background()); b != (outbox.Backlog{}) || err != nil {
		s.rt.Fatalf("the outbox holds %+v, %v", b, err)
	}
}
