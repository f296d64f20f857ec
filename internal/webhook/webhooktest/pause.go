package webhooktest

import (
	"fmt"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/webhook"
)

func (w World) failWithoutAnswer(t *testing.T, times int) {
	t.Helper()
	for i := range times {
		w.tell(t, fmt.Sprintf("card.claimed x%d c %d", i, i))
		list, err := w.Lease(t.Context(), "w1", "f", lease, 1)
		if err != nil || len(list) != 1 {
			t.Fatalf("got %+v, %v", list, err)
		}
		w.fail(t, list[0], webhook.Failure{Why: "no answer", Wait: time.Hour, NoAnswer: true})
	}
}

func paused(t *testing.T, w World) {
	w.add(t, "w1", webhook.All)
	w.failWithoutAnswer(t, webhook.PauseAfter-1)
	w.tell(t, "card.claimed m1 c 1", "card.claimed m2 c 2", "card.claimed m3 c 3")
	w.due(t, "w1")
	d := w.lease(t, "a", 1, "card.claimed m1")[0]
	w.fail(t, d, webhook.Failure{Why: "no answer", Wait: time.Second, NoAnswer: true})
	w.due(t)
	w.lease(t, "a", 9)
	w.Pass(webhook.Pause(webhook.PauseAfter) + time.Second)
	w.due(t, "w1")
	first, err := w.Lease(t.Context(), "w1", "a", lease, 9)
	if err != nil || len(first) != 1 {
		t.Fatalf("after a pause %d are tried, %v", len(first), err)
	}
	w.due(t) // by another replica
	w.lease(t, "b", 9)
	w.Pass(lease + time.Second) // the one that tried it has died
	w.due(t, "w1")
	if e := w.status(t, "w1"); e.LastError != "no answer" || !e.Enabled {
		t.Errorf("got %+v", e)
	}
	if _, err := w.Change(t.Context(), "w1", 0, func(*webhook.Endpoint) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if list, err := w.Lease(t.Context(), "w1", "c", lease, 9); err != nil || len(list) != 3 {
		t.Errorf("after a change: %+v, %v", list, err)
	}
}

func failTogether(t *testing.T, w World) {
	w.add(t, "w1", webhook.All)
	for i := range 2 * webhook.PauseAfter {
		w.tell(t, fmt.Sprintf("card.claimed m%d c %d", i, i))
	}
	list, err := w.Lease(t.Context(), "w1", "a", lease, 99)
	if err != nil || len(list) != 2*webhook.PauseAfter {
		t.Fatalf("got %+v, %v", list, err)
	}
	for _, d := range list {
		w.fail(t, d, webhook.Failure{Why: "no answer", NoAnswer: true})
	}
	w.due(t)
	for failures := int64(webhook.PauseAfter); failures < webhook.PauseAfter+4; failures++ {
		w.Pass(webhook.Pause(failures) + time.Second/2)
		w.due(t, "w1")
		probe, err := w.Lease(t.Context(), "w1", "b", lease, 99)
		if err != nil || len(probe) != 1 || !probe[0].Probe {
			t.Fatalf("got %+v, %v", probe, err)
		}
		w.fail(t, probe[0], webhook.Failure{Why: "no answer", NoAnswer: true})
		w.due(t)
	}
}

func resumed(t *testing.T, w World) {
	for name, answer := range map[string]func(t *testing.T, d webhook.Delivery){
		"delivered": func(t *testing.T, d webhook.Delivery) { t.Helper(); w.done(t, d) },
		"refused": func(t *testing.T, d webhook.Delivery) {
			t.Helper()
			w.fail(t, d, webhook.Failure{Why: "it answers 500", Park: true})
		},
	} {
		id := w.add(t, "w1", webhook.All).ID
		w.failWithoutAnswer(t, webhook.PauseAfter)
		w.Pass(webhook.Pause(webhook.PauseAfter) + time.Second)
		w.tell(t, "card.claimed m c 1")
		answer(t, w.lease(t, "a", 9, "card.claimed m")[0])
		list, err := w.Lease(t.Context(), "w1", "b", lease, 9)
		if err != nil || len(list) != webhook.PauseAfter {
			t.Errorf("%s: %d are due, %v", name, len(list), err)
		}
		if e := w.status(t, "w1"); (e.LastError == "") != (name == "delivered") {
			t.Errorf("%s: %+v", name, e)
		}
		if err := w.Remove(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := w.Purge(t.Context(), time.Hour, 100); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func gone(t *testing.T, w World) {
	w.add(t, "w1", webhook.All)
	w.tell(t, "card.claimed m1 c 1", "card.claimed m2 c 2")
	list := w.lease(t, "a", 9, "card.claimed m1", "card.claimed m2")
	w.fail(t, list[0], webhook.Failure{Why: "410", Wait: time.Hour, Disable: "it is gone"})
	w.done(t, list[1])
	e := w.status(t, "w1")
	if e.Enabled || e.DisabledReason != "it is gone" || e.Waiting != 1 {
		t.Errorf("got %+v", e)
	}
	w.due(t)
	w.lease(t, "b", 9)
	w.tell(t, "card.deleted m1 c 1")
	w.wantCounts(t, "w1", 1, 0, 1)
	if _, err := w.Change(t.Context(), "w1", 0, func(e *webhook.Endpoint) error { e.Enabled = true; return nil }); err != nil {
		t.Fatal(err)
	}
	w.lease(t, "b", 9, "card.claimed "+list[0].MemberID)
	if e := w.status(t, "w1"); !e.Enabled || e.DisabledReason != "" {
		t.Errorf("got %+v", e)
	}
}
