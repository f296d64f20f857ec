package app

import (
	"errors"
	"log/slog"
	"net/http"
	"testing"
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
