package app_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// Concurrent requests with one key at two replicas have one effect and one answer.
func TestEntries_OneKeyOneEffect(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Quiet = true
	cardID := w.Card()
	replicas := []*apptest.Server{w.Serve(), w.Serve()}
	_, code := w.Claim(replicas[0], "ming", cardID)
	path := apptest.EntriesPath(cardID, code)
	const keys, parallel = 40, 64
	for k := range keys {
		var wg sync.WaitGroup
		var mu sync.Mutex
		bodies, fresh := map[string]bool{}, 0
		for i := range parallel {
			wg.Go(func() {
				got := replicas[i%2].AddEntry(path, fmt.Sprint("key ", k), `{"add_bonus":1}`)
				mu.Lock()
				defer mu.Unlock()
				bodies[fmt.Sprint(got.Status, string(got.Body))] = true
				if got.Header.Get("Idempotent-Replayed") == "" {
					fresh++
				}
			})
		}
		wg.Wait()
		if len(bodies) != 1 || fresh != 1 {
			t.Fatalf("key %d: %d different answers, %d not replayed", k, len(bodies), fresh)
		}
	}
	if e := replicas[0].AddEntry(path, "last", `{"add_bonus":1}`).Entry(t); e.Bonus != keys+1 || e.Seq != keys+1 {
		t.Errorf("after %d keys: %+v", keys, e)
	}
}

// Of concurrent debits of the whole balance one succeeds.
func TestEntries_SixtyFourDebitsOfAWholeBalance(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Quiet = true
	cardID := w.Card(apptest.WithBalance)
	replicas := []*apptest.Server{w.Serve(), w.Serve()}
	_, code := w.Claim(replicas[0], "ming", cardID)
	path := apptest.EntriesPath(cardID, code)
	replicas[0].AddEntry(path, "in", `{"add_balance":500}`).Entry(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for i := range 64 {
		wg.Go(func() {
			got := replicas[i%2].AddEntry(path, fmt.Sprint("out ", i), `{"add_balance":-500}`)
			mu.Lock()
			defer mu.Unlock()
			statuses[got.Status]++
		})
	}
	wg.Wait()
	if statuses[201] != 1 || statuses[409] != 63 {
		t.Errorf("statuses: %v", statuses)
	}
}
