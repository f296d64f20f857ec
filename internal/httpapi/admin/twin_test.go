package admin_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// sameCard is the result of calls at the same instant: the card_ids that the
// answers name, and the number of cards at WeChat.
func sameCard(t *testing.T, w *apptest.World, calls []func() apptest.Answer) (ids map[string]bool, cards int) {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	ids = map[string]bool{}
	for _, call := range calls {
		wg.Go(func() {
			var made struct {
				CardID string `json:"card_id"`
			}
			call().Is(t, 201).JSON(t, &made)
			mu.Lock()
			defer mu.Unlock()
			ids[made.CardID] = true
		})
	}
	wg.Wait()
	var list struct{ Cards []apptest.Object }
	apptest.Request(t, http.MethodGet, w.WeChat.URL+"/_sim/cards", "", nil).JSON(t, &list)
	return ids, len(list.Cards)
}

// Symptom: two equal requests at the same instant made two cards.
func TestOperator_EqualCreationsAtOnceMakeOneCard(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	servers := []*apptest.Server{w.Serve(), w.Serve()}
	create := func(i, benefits int) func() apptest.Answer {
		return func() apptest.Answer {
			return servers[i%2].Operate(http.MethodPost, "/v1/cards", apptest.Definition(func(_, member apptest.Object) {
				member["prerogative"] = strings.Repeat("特权", benefits)
			}))
		}
	}
	slow := wechatsim.Fault{Path: "/card/create", LatencyMS: 200, Times: -1}
	if err := w.Sim.AddFault(slow); err != nil {
		t.Fatal(err)
	}
	var calls []func() apptest.Answer
	for i := range 6 {
		calls = append(calls, create(i, 1))
	}
	if ids, cards := sameCard(t, w, calls); len(ids) != 1 || cards != 1 {
		t.Errorf("six equal calls named %d cards; WeChat has %d", len(ids), cards)
	}
	if ids, cards := sameCard(t, w, calls[:1]); len(ids) != 1 || cards != 2 {
		t.Errorf("a later call named %d cards; WeChat has %d, want a second one", len(ids), cards)
	}
	for i := range 6 { // cards of one title and brand with two sets of benefits
		calls[i] = create(i, 1+i/3)
	}
	if ids, cards := sameCard(t, w, calls); len(ids) != 2 || cards != 4 {
		t.Errorf("calls with two definitions named %d cards; WeChat has %d, want 4", len(ids), cards)
	}
}
