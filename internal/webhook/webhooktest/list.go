package webhooktest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/webhook"
)

func removed(t *testing.T, w World) {
	w.add(t, "w1", webhook.All)
	w.add(t, "w2", webhook.All)
	w.tell(t, "card.claimed m1 c 1", "card.claimed m2 c 2", "card.claimed m3 c 3")
	d := w.lease(t, "a", 1, "card.claimed m1")[0]
	if err := w.Remove(t.Context(), "w1"); err != nil {
		t.Fatal(err)
	}
	if err := w.Remove(t.Context(), "w1"); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("a second time: %v", err)
	}
	all, err := w.Endpoints(t.Context())
	if err != nil || len(all) != 1 || all[0].ID != "w2" {
		t.Errorf("got %+v, %v", all, err)
	}
	w.due(t, "w2")
	w.tell(t, "card.deleted m1 c 1")
	for i, want := range []int64{2, 1, 0, 0} {
		if n, err := w.Purge(t.Context(), time.Hour, 2); err != nil || n != want {
			t.Errorf("%d: deleted %d, %v, want %d", i, n, err, want)
		}
	}
	w.wantCounts(t, "w1", 0, 0, 0)
	w.wantCounts(t, "w2", 4, 0, 0)
	if _, err := w.Done(t.Context(), d, lease); !errors.Is(err, webhook.ErrLeaseLost) {
		t.Errorf("what was sent meanwhile: %v", err)
	}
}

func resent(t *testing.T, w World) {
	w.add(t, "w1", webhook.All)
	w.add(t, "w2", "stock.low")
	w.tell(t, "card.claimed m c 1")
	d := w.lease(t, "a", 9, "card.claimed m")[0]
	w.done(t, d)
	for _, unknown := range [][2]string{{"w1", "evt_unknown"}, {"w2", d.ID}, {"w9", d.ID}} {
		if err := w.Resend(t.Context(), unknown[0], unknown[1]); !errors.Is(err, webhook.ErrNotFound) {
			t.Errorf("%q: got %v", unknown, err)
		}
	}
	for _, f := range []webhook.Failure{{Why: "no", Park: true}, {Why: "no", Wait: time.Hour}, {Why: "no", Wait: time.Hour}} {
		if err := w.Resend(t.Context(), "w1", d.ID); err != nil {
			t.Fatal(err)
		}
		again := w.lease(t, "a", 9, "card.claimed m")[0]
		if again.ID != d.ID || again.Seq != d.Seq {
			t.Errorf("got %+v, want %+v", again, d)
		}
		if err := w.Resend(t.Context(), "w1", d.ID); err != nil {
			t.Fatal(err)
		}
		w.lease(t, "b", 9) // it is being sent
		w.fail(t, again, f)
	}
	w.wantCounts(t, "w1", 1, 0, 0)
}

func resentSpan(t *testing.T, w World) {
	w.add(t, "w1", webhook.All)
	w.tell(t, "card.claimed m1 c 1", "entry.created m1 c 1", "card.claimed m2 c 2", "entry.created m3 c 3")
	for _, d := range w.lease(t, "a", 9, "card.claimed m1", "card.claimed m2", "entry.created m3") {
		switch d.MemberID {
		case "m1":
			w.done(t, w.done(t, d))
		case "m2":
			w.fail(t, d, webhook.Failure{Why: "no", Park: true})
		default:
			w.fail(t, d, webhook.Failure{Why: "no", Wait: time.Hour})
		}
	}
	all, err := w.Deliveries(t.Context(), "w1", webhook.Filter{}, webhook.Mark{}, 9)
	if err != nil || len(all) != 4 {
		t.Fatalf("got %+v, %v", all, err)
	}
	whole := webhook.Span{From: all[3].HappenedAt, To: all[0].HappenedAt.Add(time.Millisecond)}
	span := func(s webhook.Span, n int) (count int) {
		t.Helper()
		for after := (webhook.Mark{HappenedAt: s.From}); ; {
			marks, err := w.ResendSpan(t.Context(), "w1", s, after, n)
			if err != nil {
				t.Fatal(err)
			}
			if count += len(marks); len(marks) < n {
				return count
			}
			after = marks[len(marks)-1]
		}
	}
	before := webhook.Span{From: whole.From.Add(-time.Hour), To: whole.From}
	typed := whole
	typed.Types = []string{"stock.low", "card.deleted"}
	if n := span(before, 9) + span(typed, 9) + span(webhook.Span{From: whole.To, To: whole.To.Add(time.Hour)}, 9); n != 0 {
		t.Errorf("%d were sent again", n)
	}
	typed.Types = []string{"entry.created", "stock.low"}
	if n := span(typed, 9); n != 1 {
		t.Errorf("%d of entry.created were sent again", n)
	}
	w.wantCounts(t, "w1", 2, 1, 1)
	if n := span(whole, 1); n != 2 {
		t.Errorf("%d were sent again", n)
	}
	w.wantCounts(t, "w1", 4, 0, 0)
	list := w.lease(t, "b", 9, "card.claimed m1", "card.claimed m2")
	m1 := slices.IndexFunc(list, func(d webhook.Delivery) bool { return d.MemberID == "m1" })
	if next := w.done(t, list[m1]); next.Type != "entry.created" {
		t.Errorf("next is %+v", next)
	}
}

func deliveries(t *testing.T, w World) {
	w.add(t, "w1", webhook.All)
	w.add(t, "w2", webhook.All)
	for i := range 7 {
		w.tell(t, fmt.Sprintf("%s m%d c %d", []string{"card.claimed", "entry.created"}[i%2], i, i))
	}
	list, err := w.Lease(t.Context(), "w1", "a", lease, 4)
	if err != nil || len(list) != 4 {
		t.Fatal(list, err)
	}
	w.done(t, list[0])
	w.done(t, list[1])
	w.fail(t, list[2], webhook.Failure{Park: true})
	for _, tt := range []struct {
		filter webhook.Filter
		want   int
	}{
		{webhook.Filter{}, 7}, {webhook.Filter{State: webhook.Waiting}, 4}, {webhook.Filter{State: webhook.Parked}, 1},
		{webhook.Filter{State: webhook.Done}, 2}, {webhook.Filter{Type: "entry.created"}, 3}, {webhook.Filter{Type: "stock.low"}, 0},
	} {
		for n := 1; n < 9; n++ {
			var seqs []int64
			for after := (webhook.Mark{}); ; {
				page, err := w.Deliveries(t.Context(), "w1", tt.filter, after, n)
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range page {
					if d.WebhookID != "w1" || tt.filter.State != "" && d.State != tt.filter.State || d.DueAt.IsZero() != (d.State != webhook.Waiting) {
						t.Errorf("%+v: %+v", tt.filter, d)
					}
					seqs, after = append(seqs, d.Seq), d.Mark()
				}
				if len(page) < n {
					break
				}
			}
			down := slices.Clone(seqs)
			slices.Sort(down)
			slices.Reverse(down)
			if len(seqs) != tt.want || !slices.Equal(down, seqs) || len(slices.Compact(down)) != tt.want {
				t.Errorf("%+v, %d a page: got %v, want %d", tt.filter, n, seqs, tt.want)
			}
		}
	}
}

func purged(t *testing.T, w World) {
	w.add(t, "w1", webhook.All)
	w.tell(t, "card.claimed m1 c 1", "card.claimed m2 c 2", "card.claimed m3 c 3", "card.claimed m4 c 4")
	list := w.lease(t, "a", 9, "card.claimed m1", "card.claimed m2", "card.claimed m3", "card.claimed m4")
	w.done(t, list[0])
	w.done(t, list[1])
	w.fail(t, list[2], webhook.Failure{Park: true})
	w.Pass(time.Hour)
	w.done(t, w.lease(t, "b", 9, "card.claimed "+list[3].MemberID)[0])
	for i, want := range []int64{1, 1, 0} {
		if n, err := w.Purge(t.Context(), 30*time.Minute, 1); err != nil || n != want {
			t.Errorf("%d: deleted %d, %v, want %d", i, n, err, want)
		}
	}
	w.wantCounts(t, "w1", 0, 1, 1)
}

func leasedAtOnce(t *testing.T, w World) {
	const members, senders = 40, 8
	w.add(t, "w1", webhook.All)
	for i := range members {
		w.tell(t, fmt.Sprintf("card.claimed m%d c %d", i, i))
	}
	var mu sync.Mutex
	leased := map[string]int{}
	var group sync.WaitGroup
	for i := range senders {
		group.Go(func() {
			for range members {
				list, err := w.Lease(t.Context(), "w1", fmt.Sprint("sender ", i), lease, 3)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				for _, d := range list {
					leased[d.MemberID]++
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	for member, n := range leased {
		if n != 1 {
			t.Errorf("%s was leased %d times", member, n)
		}
	}
	if len(leased) != members {
		t.Errorf("%d were leased", len(leased))
	}
}

// One goroutine tells events of one member, another sends them: the end of the queue and
// the next event meet in every way.
func toldWhileEnding(t *testing.T, w World) {
	const events = 200
	w.add(t, "w1", webhook.All)
	var group sync.WaitGroup
	defer group.Wait()
	group.Go(func() {
		for i := range events {
			if err := w.Tell(t.Context(), "entry.created", "m", "c", fmt.Sprint(i)); err != nil {
				t.Error(err)
			}
		}
	})
	deadline := time.Now().Add(time.Minute)
	for sent := 0; sent < events && !t.Failed(); {
		list, err := w.Lease(t.Context(), "w1", "a", lease, 1)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("%d of %d were sent, %v", sent, events, err)
		}
		for len(list) > 0 {
			if list[0].Code != fmt.Sprint(sent) {
				t.Fatalf("sent %s, want %d", list[0].Code, sent)
			}
			sent++
			next, err := w.Done(t.Context(), list[0], lease)
			if list = []webhook.Delivery{next}; errors.Is(err, webhook.ErrNotFound) {
				list = nil
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
	w.wantCounts(t, "w1", 0, 0, events)
}
