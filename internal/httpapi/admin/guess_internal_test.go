package admin

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"testing"
)

func TestGuesses_RememberABoundedNumberOfAddresses(t *testing.T) {
	t.Parallel()
	g := newGuesses(slog.New(slog.DiscardHandler), nil)
	r := httptest.NewRequest("GET", "/", nil)
	for i := range 20_000 {
		r.RemoteAddr = fmt.Sprintf("10.%d.%d.1:1", i/256, i%256)
		_ = g.refuse(r, "guess")
	}
	if n := len(g.newer) + len(g.older); n > maxGuessers {
		t.Errorf("%d addresses are remembered", n)
	}
}
