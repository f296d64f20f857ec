// Package webhooktest is the conformance suite of webhook.Store.
package webhooktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/webhook"
)

// World is a new, empty store, and what the suite does to it without the store.
type World struct {
	webhook.Store
	// Tell stores an event with empty data, as a trigger does.
	Tell func(ctx context.Context, kind, memberID, cardID, code string) error
	// Pass lets the time pass on the store's clock.
	Pass func(d time.Duration)
}

// Run runs the suite. open must return a new World for each test.
func Run(t *testing.T, open func(t *testing.T) World) {
	for name, test := range map[string]func(*testing.T, World){
		"endpoints are listed, the oldest first":                  listed,
		"there is a bound of endpoints":                           manyEndpoints,
		"a change keeps the rest, and the secret before":          changed,
		"a change that fails changes nothing":                     changeFails,
		"an endpoint gets what it subscribes to while it is on":   subscribed,
		"a queue is sent in order, one at a time":                 inOrder,
		"queues do not wait for each other":                       apart,
		"what is about no member waits in the queue of its card":  ofCard,
		"a lease that ends is given to another sender":            leaseEnds,
		"what has failed waits, and holds up its queue only":      failed,
		"what is parked holds up nothing":                         parked,
		"an endpoint that does not answer is paused as a whole":   paused,
		"what fails together is one reason to pause":              failTogether,
		"an answer ends the pause, and what failed is due":        resumed,
		"an endpoint that is gone is switched off, and keeps all": gone,
		"a removed endpoint disappears, and then its deliveries":  removed,
		"a delivery is sent again with the same id":               resent,
		"the deliveries of a span are sent again":                 resentSpan,
		"the lists have every delivery once, the newest first":    deliveries,
		"what was delivered long ago is deleted":                  purged,
		"of concurrent senders each queue is leased to one":       leasedAtOnce,
		"nothing that is told while a queue ends is forgotten":    toldWhileEnding,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

const lease = 20 * time.Second

func (w World) add(t *testing.T, id string, events ...string) webhook.Endpoint {
	t.Helper()
	e := webhook.Endpoint{ID: id, URL: "https://" + id + ".example/", Events: events, Enabled: true, Secret: "secret of " + id}
	if err := w.Add(t.Context(), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// tell stores events; each is "type member card code", with - for what is empty.
func (w World) tell(t *testing.T, events ...string) {
	t.Helper()
	for _, e := range events {
		f := strings.Fields(strings.ReplaceAll(e, "-", "\x00"))
		for i := range f {
			f[i] = strings.ReplaceAll(f[i], "\x00", "")
		}
		if err := w.Tell(t.Context(), f[0], f[1], f[2], f[3]); err != nil {
			t.Fatal(err)
		}
	}
}

// lease leases up to n queues of w1 and checks which deliveries come, as "type member".
func (w World) lease(t *testing.T, name string, n int, want ...string) []webhook.Delivery {
	t.Helper()
	list, err := w.Lease(t.Context(), "w1", name, lease, n)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range list {
		got = append(got, d.Type+" "+d.MemberID)
		if d.Lease != name || d.WebhookID != "w1" || d.Data != "{}" || d.State != webhook.Waiting || !strings.HasPrefix(d.ID, "evt_") {
			t.Errorf("leased %+v", d)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("leased %q, want %q", got, want)
	}
	if len(list) != len(want) {
		t.FailNow()
	}
	return list
}

func (w World) done(t *testing.T, d webhook.Delivery) webhook.Delivery {
	t.Helper()
	next, err := w.Done(t.Context(), d, lease)
	if err != nil && !errors.Is(err, webhook.ErrNotFound) {
		t.Fatal(err)
	}
	return next
}

func (w World) fail(t *testing.T, d webhook.Delivery, f webhook.Failure) {
	t.Helper()
	if err := w.Fail(t.Context(), d, f); err != nil {
		t.Fatal(err)
	}
}

// counts returns how many deliveries of an endpoint are in each state.
func (w World) counts(t *testing.T, id string) (waiting, dead, done int64) {
	t.Helper()
	list, err := w.Deliveries(t.Context(), id, webhook.Filter{}, webhook.Mark{}, 10_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		switch d.State {
		case webhook.Waiting:
			waiting++
		case webhook.Parked:
			dead++
		case webhook.Done:
			done++
		}
	}
	return waiting, dead, done
}

func (w World) wantCounts(t *testing.T, id string, waiting, dead, done int64) {
	t.Helper()
	if a, b, c := w.counts(t, id); a != waiting || b != dead || c != done {
		t.Errorf("%d wait, %d are dead, %d done, want %d, %d, %d", a, b, c, waiting, dead, done)
	}
}

func (w World) status(t *testing.T, id string) webhook.Status {
	t.Helper()
	all, err := w.Endpoints(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.ID == id {
			return e
		}
	}
	t.Fatalf("%s is not in %+v", id, all)
	return webhook.Status{}
}

func (w World) due(t *testing.T, want ...string) {
	t.Helper()
	if got, err := w.Due(t.Context()); err != nil || !slices.Equal(got, want) {
		t.Errorf("due: %q, %v, want %q", got, err, want)
	}
}

func listed(t *testing.T, w World) {
	if all, err := w.Endpoints(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("a new store has %+v, %v", all, err)
	}
	w.add(t, "w2", "card.claimed", "entry.created")
	w.Pass(time.Second)
	w.add(t, "w1", webhook.All)
	w.tell(t, "entry.created m c 1", "stock.low - c -")
	all, err := w.Endpoints(t.Context())
	if err != nil || len(all) != 2 || all[0].ID != "w2" || all[1].ID != "w1" {
		t.Fatalf("got %+v, %v", all, err)
	}
	one, err := w.Endpoint(t.Context(), "w2")
	if err != nil || fmt.Sprint(one) != fmt.Sprint(all[0].Endpoint) || one.CreatedAt.IsZero() || !one.LastSuccessAt.IsZero() ||
		!slices.Equal(one.Events, []string{"card.claimed", "entry.created"}) || one.URL != "https://w2.example/" || one.Secret != "secret of w2" {
		t.Errorf("got %+v and %+v, %v", one, all[0], err)
	}
	if all[0].Waiting != 1 || all[1].Waiting != 2 || all[0].Dead != 0 || all[0].OldestWaiting.IsZero() {
		t.Errorf("got %+v", all)
	}
	if _, err := w.Endpoint(t.Context(), "w9"); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func manyEndpoints(t *testing.T, w World) {
	var group sync.WaitGroup
	errs := make(chan error, webhook.MaxEndpoints+4)
	for i := range cap(errs) {
		group.Go(func() {
			errs <- w.Add(t.Context(), &webhook.Endpoint{ID: fmt.Sprint("w", i), Events: []string{webhook.All}})
		})
	}
	group.Wait()
	close(errs)
	refused := 0
	for err := range errs {
		if errors.Is(err, webhook.ErrTooMany) {
			refused++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if all, err := w.Endpoints(t.Context()); err != nil || len(all) != webhook.MaxEndpoints || refused != 4 {
		t.Errorf("%d endpoints, %d refused, %v", len(all), refused, err)
	}
}

func changed(t *testing.T, w World) {
	before := w.add(t, "w1", webhook.All)
	after, err := w.Change(t.Context(), "w1", time.Hour, func(e *webhook.Endpoint) error {
		e.URL, e.Events, e.Secret = "https://other.example/", []string{"card.claimed"}, "another secret"
		return nil
	})
	stored, err2 := w.Endpoint(t.Context(), "w1")
	if err != nil || err2 != nil || fmt.Sprint(stored) != fmt.Sprint(after) {
		t.Errorf("got %+v, %v, stored is %+v, %v", after, err, stored, err2)
	}
	if after.PreviousSecret != before.Secret || after.Secret != "another secret" || !after.Enabled || after.URL != "https://other.example/" {
		t.Errorf("got %+v", after)
	}
	if d := after.PreviousUntil.Sub(before.CreatedAt); d < time.Hour || d > time.Hour+time.Minute {
		t.Errorf("the secret before signs for %s", d)
	}
	w.tell(t, "card.claimed m c 1", "entry.created m c 1")
	w.wantCounts(t, "w1", 1, 0, 0)
}

func changeFails(t *testing.T, w World) {
	before := w.add(t, "w1", webhook.All)
	wrong := errors.New("wrong")
	_, err := w.Change(t.Context(), "w1", time.Hour, func(e *webhook.Endpoint) error {
		e.URL = ""
		return wrong
	})
	if after, err2 := w.Endpoint(t.Context(), "w1"); !errors.Is(err, wrong) || err2 != nil || fmt.Sprint(after) != fmt.Sprint(before) {
		t.Errorf("got %v, stored is %+v, %v", err, after, err2)
	}
	if _, err := w.Change(t.Context(), "w9", 0, nil); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func subscribed(t *testing.T, w World) {
	w.add(t, "w1", "card.claimed", "card.deleted")
	w.add(t, "w2", webhook.All)
	w.tell(t, "card.claimed m c 1", "entry.created m c 1")
	w.wantCounts(t, "w1", 1, 0, 0)
	w.wantCounts(t, "w2", 2, 0, 0)
	if _, err := w.Change(t.Context(), "w1", 0, func(e *webhook.Endpoint) error { e.Enabled = false; return nil }); err != nil {
		t.Fatal(err)
	}
	w.tell(t, "card.deleted m c 1")
	w.wantCounts(t, "w1", 1, 0, 0)
	w.due(t, "w2")
	w.lease(t, "a", 9)
}

func inOrder(t *testing.T, w World) {
	w.add(t, "w1", webhook.All)
	w.tell(t, "card.claimed m c 1", "card.activated m c 2", "entry.created m c 1")
	w.due(t, "w1")
	d := w.lease(t, "a", 9, "card.claimed m")[0]
	w.due(t)
	w.lease(t, "b", 9)
	for _, want := range []string{"card.activated", "entry.created"} {
		next := w.done(t, d)
		if next.Type != want || next.Lease != "a" || next.ID == d.ID || next.Seq <= d.Seq {
			t.Fatalf("next is %+v, want %s", next, want)
		}
		w.lease(t, "b", 9)
		d = next
	}
	if next, err := w.Done(t.Context(), d, lease); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("got %+v, %v", next, err)
	}
	w.wantCounts(t, "w1", 0, 0, 3)
	w.due(t)
	if e := w.status(t, "w1"); e.LastSuccessAt.IsZero() || !e.OldestWaiting.IsZero() || e.Waiting != 0 {
		t.Errorf("got %+v", e)
	}
	w.tell(t, "card.deleted m c 1")
	w.lease(t, "b", 9, "card.deleted m")
}

func apart(t *testing.T, w World) {
	w.add(t, "w1", webhook.All)
	w.add(t, "w2", webhook.All)
	w.tell(t, "card.claimed m1 c 1", "entry.created m1 c 1", "card.claimed m2 c 2", "card.claimed m3 c 3")
	w.due(t, "w1", "w2")
	w.lease(t, "a", 2, "card.claimed m1", "card.claimed m2")
	w.lease(t, "b", 2, "card.claimed m3")
	w.due(t, "w2")
}

func ofCard(t *testing.T, w World) {
	w.add(t, "w1", webhook.All)
	w.tell(t, "card.reviewed - c1 -", "stock.low - c1 -", "card.reviewed - c2 -", "push.parked m c1 1")
	list := w.lease(t, "a", 9, "card.reviewed ", "card.reviewed ", "push.parked m")
	for _, d := range list {
		if next := w.done(t, d); d.CardID == "c1" && d.MemberID == "" && next.Type != "stock.low" {
			t.Errorf("behind %+v is %+v", d, next)
		}
	}
}

func leaseEnds(t *testing.T, w World) {
	w.add(t, "w1", webhook.All)
	w.tell(t, "card.claimed m c 1")
	late := w.lease(t, "a", 9, "card.claimed m")[0]
	w.Pass(lease + time.Second)
	w.due(t, "w1")
	d := w.lease(t, "b", 9, "card.claimed m")[0]
	if d.ID != late.ID {
		t.Errorf("the id was %s and is %s", late.ID, d.ID)
	}
	_, err := w.Done(t.Context(), late, lease)
	for i, err := range []error{err, w.Fail(t.Context(), late, webhook.Failure{}), w.Release(t.Context(), late)} {
		if !errors.Is(err, webhook.ErrLeaseLost) {
			t.Errorf("%d: got %v", i, err)
		}
	}
	w.wantCounts(t, "w1", 1, 0, 0)
	if err := w.Release(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	d = w.lease(t, "c", 9, "card.claimed m")[0]
	if d.Attempts != 0 {
		t.Errorf("got %+v", d)
	}
	w.done(t, d)
	w.wantCounts(t, "w1", 0, 0, 1)
}

func failed(t *testing.T, w World) {
	w.add(t, "w1", webhook.All)
	w.tell(t, "card.claimed m1 c 1", "entry.created m1 c 1", "card.claimed m2 c 2")
	for _, d := range w.lease(t, "a", 9, "card.claimed m1", "card.claimed m2") {
		if d.MemberID == "m1" {
			w.fail(t, d, webhook.Failure{Why: "it answers 500", Wait: time.Minute})
		} else {
			w.done(t, d)
		}
	}
	w.due(t)
	list, err := w.Deliveries(t.Context(), "w1", webhook.Filter{State: webhook.Waiting}, webhook.Mark{}, 9)
	if err != nil || len(list) != 2 || list[1].LastError != "it answers 500" || list[1].Attempts != 1 || list[0].Attempts != 0 {
		t.Errorf("got %+v, %v", list, err)
	}
	if wait := list[1].DueAt.Sub(list[1].HappenedAt); wait < 50*time.Second || wait > 70*time.Second {
		t.Errorf("due after %s", wait)
	}
	w.tell(t, "card.deleted m1 c 1")
	w.due(t)
	w.Pass(time.Minute + time.Second)
	d := w.lease(t, "b", 9, "card.claimed m1")[0]
	if d.Attempts != 1 {
		t.Errorf("got %+v", d)
	}
	if next := w.done(t, d); next.Type != "entry.created" || next.Attempts != 0 {
		t.Errorf("next is %+v", next)
	}
}

func parked(t *testing.T, w World) {
	w.add(t, "w1", webhook.All)
	w.tell(t, "card.claimed m c 1", "entry.created m c 1")
	w.fail(t, w.lease(t, "a", 9, "card.claimed m")[0], webhook.Failure{Why: "no", Wait: time.Hour, Park: true})
	w.done(t, w.lease(t, "a", 9, "entry.created m")[0])
	w.wantCounts(t, "w1", 0, 1, 1)
	if e := w.status(t, "w1"); e.Dead != 1 || e.Waiting != 0 {
		t.Errorf("got %+v", e)
	}
	w.due(t)
}
