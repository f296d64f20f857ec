package app

import (
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// Load balancers see that a replica is about to end.
func TestDrain_MakesTheReplicaUnready(t *testing.T) {
	t.Parallel()
	a := &App{
		log: slog.New(slog.DiscardHandler), grace: time.Millisecond,
		public: listener{server: &http.Server{}}, admin: listener{server: &http.Server{}}, //nolint:gosec // they serve nothing
	}
	if err := a.drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.ready(t.Context()); !errors.Is(err, errDraining) {
		t.Errorf("got %v", err)
	}
}

// The listeners accept connections until load balancers have seen that the replica is
// unready: otherwise they send it requests that are refused.
func TestDrain_WaitsForLoadBalancers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a := &App{
			log: slog.New(slog.DiscardHandler), grace: 10 * time.Second,
			public: listener{server: &http.Server{}}, admin: listener{server: &http.Server{}}, //nolint:gosec // they serve nothing
		}
		ended := make(chan time.Duration, 1)
		began := time.Now()
		go func() {
			_ = a.drain(t.Context())
			ended <- time.Since(began)
		}()
		synctest.Wait()
		if err := a.ready(t.Context()); !errors.Is(err, errDraining) {
			t.Errorf("in the meantime: got %v", err)
		}
		if took := <-ended; took < time.Second || took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
