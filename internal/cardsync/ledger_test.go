package cardsync_test

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
)

// shop is a made-up history of one card: what is booked on it, what becomes of
// it, and what WeChat does meanwhile; and the model of how it must be.
type shop struct {
	*world
	rt      *rapid.T
	cardID  string
	code    string
	second  int
	deleted bool

	bonus, balance int64
	entries        []ledger.Entry    // as they must be
	asked          map[string]string // key → the answer it got
	fields         [3]string
	heard          []string // what its holder must hear, in order
}

func (w *world) shop(rt *rapid.T, run int) *shop {
	own := w.play(fmt.Sprint(run, " ")).world
	s := &shop{world: own, rt: rt, asked: map[string]string{}, cardID: rapid.SampledFrom([]string{"push", "push-opens"}).Draw(rt, "card")}
	_, s.code = own.claimedBy(fmt.Sprint("ming ", run), s.cardID)
	if s.cardID == "push-opens" {
		s.opened()
	}
	return s
}

// opened runs until the card is active: its opening is the first entry then.
func (s *shop) opened() {
	s.send()
	s.note(ledger.Booking{AddBonus: opening.Bonus, AddBalance: opening.Balance, RecordBonus: opening.Record})
	s.heard = append(s.heard, fmt.Sprintf("begins %s %d", opening.Record, opening.Bonus))
}

// note puts an entry into the model.
func (s *shop) note(b ledger.Booking) {
	s.bonus, s.balance = s.bonus+b.AddBonus, s.balance+b.AddBalance
	s.entries = append(s.entries, ledger.Entry{Booking: b, Seq: int64(len(s.entries) + 1), Bonus: s.bonus, Balance: s.balance})
	if b.NotifyBonus && b.AddBonus != 0 {
		s.heard = append(s.heard, fmt.Sprintf("bonus %+d %d %s", b.AddBonus, s.bonus, b.RecordBonus))
	}
	if b.NotifyBalance && b.AddBalance != 0 {
		s.heard = append(s.heard, fmt.Sprintf("balance %+d %d %s", b.AddBalance, s.balance, b.RecordBalance))
	}
}

// books books something, perhaps too much, or asks again for what was asked.
func (s *shop) books() {
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
		s.note(s.effect(b))
		s.entries[len(s.entries)-1].ID, _, _ = strings.Cut(string(answer), " ")
	}
}

// undo is b as the reversal of some entry.
func (s *shop) undo(b ledger.Booking) ledger.Booking {
	e := rapid.SampledFrom(s.entries).Draw(s.rt, "entry")
	if e.ID == "" { // the opening: its ID is not known here
		return b
	}
	b.AddBonus, b.AddBalance, b.Reverses = 0, 0, e.ID
	return b
}

// effect is b with what it adds.
func (s *shop) effect(b ledger.Booking) ledger.Booking {
	for _, e := range s.entries {
		if b.Reverses != "" && e.ID == b.Reverses {
			b.AddBonus, b.AddBalance = -e.AddBonus, -e.AddBalance
		}
	}
	return b
}

// verdict is what must become of a request.
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

// drops deletes the card, whose event may be lost, or restores it.
func (s *shop) drops() {
	s.second += 2 // a look finds a deletion right after the last that is known
	e := member.Event{Name: dropped, CardID: s.cardID, Code: s.code, At: at(s.second), OpenID: "O of " + s.code}
	if s.deleted {
		e.Name, e.Restored = taken, true
	}
	s.deleted = !s.deleted
	s.wechat.set(s.code, map[bool]string{true: "DELETE", false: ""}[s.deleted])
	if !s.deleted || rapid.Bool().Draw(s.rt, "heard") {
		s.hear(e)
	}
}

// upsets decides what WeChat does with the next calls.
func (s *shop) upsets() {
	fault := rapid.SampledFrom([]string{"none", "lost", "unanswered", "busy"}).Draw(s.rt, "fault")
	left := rapid.IntRange(1, 3).Draw(s.rt, "how often")
	hit := func(err error) func(context.Context, call) error {
		return func(context.Context, call) error {
			if left--; left < 0 {
				return nil
			}
			return err
		}
	}
	s.wechat.mu.Lock()
	defer s.wechat.mu.Unlock()
	s.wechat.before, s.wechat.after = nil, nil
	switch fault {
	case "lost":
		s.wechat.before = hit(context.DeadlineExceeded)
	case "unanswered":
		s.wechat.after = hit(context.DeadlineExceeded)
	case "busy":
		s.wechat.before = hit(refusal{temporary: true})
	}
}

// Any history of bookings and of the card's life, whatever WeChat does
// meanwhile: the ledger is the model's, the face is the ledger's, and the holder
// has heard of each entry once, in order, with the total after it.
func TestLedger_any_history_ends_on_the_face(t *testing.T) {
	t.Parallel()
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			bubble(t, func(w *world) {
				run := 0
				rapid.Check(w, func(rt *rapid.T) {
					run++
					w.shop(rt, run).live()
				})
			})
		})
	}
}

func (s *shop) live() {
	stops := []func(){s.run(s.services, s.wechat), s.run(s.replica(s.stores()), s.wechat)}
	for range rapid.IntRange(1, 14).Draw(s.rt, "happenings") {
		rapid.SampledFrom([]func(){s.books, s.books, s.books, s.sets, s.drops, s.upsets, s.sleeps, func() {
			stops[0]()
			stops[0] = s.run(s.services, s.wechat)
		}}).Draw(s.rt, "what")()
	}
	s.wechat.mu.Lock()
	s.wechat.before, s.wechat.after = nil, nil
	s.wechat.mu.Unlock()
	if s.deleted {
		s.drops()
	}
	s.settle()
	for _, stop := range stops {
		stop()
	}
	s.check()
}

func (s *shop) sleeps() {
	time.Sleep(time.Duration(rapid.IntRange(1, 5000).Draw(s.rt, "ms")) * time.Millisecond)
}

func (s *shop) check() {
	c := s.card(s.cardID, s.code)
	if c.Bonus != s.bonus || c.Balance != s.balance || c.Seq != int64(len(s.entries)) || c.Fields != s.fields || c.Status != member.Active {
		s.rt.Fatalf("the card is %+v\nwant %d and %d after %d entries, %v", c, s.bonus, s.balance, len(s.entries), s.fields)
	}
	list, err := s.Entries(context.Background(), s.cardID, s.code, 0, 100)
	if err != nil || len(list) != len(s.entries) {
		s.rt.Fatalf("%d entries, %v, want %d", len(list), err, len(s.entries))
	}
	slices.Reverse(list)
	for i, e := range list {
		if want := s.entries[i]; e.Seq != want.Seq || e.Bonus != want.Bonus || e.Balance != want.Balance || e.AddBonus != want.AddBonus || e.Sent != ledger.SentDone {
			s.rt.Fatalf("entry %d is %+v, want %+v", i, e, want)
		}
	}
	f := s.wechat.shown(s.code)
	if f.bonus != s.bonus || f.balance != s.balance || f.fields != s.fields {
		s.rt.Fatalf("the face is %+v, want %d, %d, %v", f, s.bonus, s.balance, s.fields)
	}
	if !slices.Equal(f.heard, s.heard) {
		s.rt.Fatalf("the holder heard\n %s\nwant\n %s", strings.Join(f.heard, "\n "), strings.Join(s.heard, "\n "))
	}
	if wrong, err := s.Unbalanced(context.Background(), 9); len(wrong) != 0 || err != nil {
		s.rt.Fatalf("%+v do not add up, %v", wrong, err)
	}
	if b, err := s.Backlog(context.Background()); b != (outbox.Backlog{}) || err != nil {
		s.rt.Fatalf("left: %+v, %v", b, err)
	}
}
