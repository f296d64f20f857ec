package app_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/testing/redis"
	"github.com/addcard/addcard/internal/wechatsim"
)

// With REDIS_URL replicas share the tickets there, even if they have different
// databases. The tickets outlive Redis.
func TestRedis_ReplicasShareTheTickets(t *testing.T) {
	t.Parallel()
	redis := redis.Single(t)
	w := apptest.New(t, wechatsim.Options{})
	w.Env["REDIS_URL"] = "redis://" + redis.Addr
	cardID := w.Card()
	a := w.Serve()
	w.DB += "-of-another-machine"
	b := w.Serve()
	var wg sync.WaitGroup
	for _, s := range []*apptest.Server{a, b} {
		token, _ := w.Login(s, "ming")
		for range 20 {
			wg.Go(func() {
				if got := s.Post("/v1/card-ext", token, apptest.CardIDs(cardID)); got.Status != 200 {
					t.Errorf("card-ext: %d %s", got.Status, got.Body)
				}
			})
		}
	}
	wg.Wait()
	once := func(when string) {
		t.Helper()
		for _, path := range []string{"/cgi-bin/stable_token", "/cgi-bin/ticket/getticket"} {
			if n := w.Sim.Calls()[path].Total; n != 1 {
				t.Errorf("%s: %s: %d calls, want 1", when, path, n)
			}
		}
	}
	once("at two replicas")
	redis.Kill()
	token, _ := w.Login(a, "hong")
	got := a.Post("/v1/card-ext", token, apptest.CardIDs(cardID))
	if _, err := w.Sim.AddCard("hong", got.Body); err != nil {
		t.Errorf("without Redis: %v (%d %s)", err, got.Status, got.Body)
	}
	once("without Redis")
	if strings.Contains(w.Log(), w.Sim.Accounts().Official.Secret) {
		t.Error("a secret in the log")
	}
}

// Two shops may share a Redis: each has tickets of its own there.
func TestRedis_TwoShopsShareIt(t *testing.T) {
	t.Parallel()
	redis := redis.Single(t)
	shops := []*apptest.World{apptest.New(t, wechatsim.Options{}), apptest.New(t, wechatsim.Options{})}
	for _, user := range []string{"ming", "hong", "ann"} {
		for _, w := range shops {
			w.Env["REDIS_URL"] = "redis://" + redis.Addr
			s, cardID := w.Serve(), w.Card() // another replica
			token, _ := w.Login(s, user)
			w.AddCard(s, token, user, cardID)
		}
	}
	for i, w := range shops {
		if n := w.Sim.Calls()["/cgi-bin/ticket/getticket"].Total; n != 1 {
			t.Errorf("shop %d has fetched the ticket %d times", i, n)
		}
	}
}
