package app_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/addcard/addcard/internal/testing/redis"
	"github.com/addcard/addcard/internal/wechatsim"
)

// With REDIS_URL the tickets are shared there, by replicas that have different
// databases even, and outlive a Redis that is restarted empty.
func TestRedis_replicas_share_the_tickets(t *testing.T) {
	t.Parallel()
	redis := redis.Single(t)
	w := newWorld(t, wechatsim.Options{})
	w.env["REDIS_URL"] = "redis://" + redis.Addr
	cardID := w.card()
	a := w.serve()
	w.db += "-of-another-machine"
	b := w.serve()
	var wg sync.WaitGroup
	for _, s := range []*server{a, b} {
		token, _ := w.login(s, "ming")
		for range 20 {
			wg.Go(func() {
				if got := s.post("/v1/card-ext", token, want(cardID)); got.status != 200 {
					t.Errorf("card-ext: %d %s", got.status, got.body)
				}
			})
		}
	}
	wg.Wait()
	once := func(when string) {
		t.Helper()
		for _, path := range []string{"/cgi-bin/stable_token", "/cgi-bin/ticket/getticket"} {
			if n := w.sim.Calls()[path].Total; n != 1 {
				t.Errorf("%s: %s: %d calls, want 1", when, path, n)
			}
		}
	}
	once("at two replicas")
	redis.Kill()
	token, _ := w.login(a, "hong")
	got := a.post("/v1/card-ext", token, want(cardID))
	if _, err := w.sim.AddCard("hong", got.body); err != nil {
		t.Errorf("without Redis: %v (%d %s)", err, got.status, got.body)
	}
	once("without Redis")
	if strings.Contains(w.logs.String(), w.sim.Accounts().Official.Secret) {
		t.Error("a secret in the log")
	}
}
