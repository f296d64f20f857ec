package ticket_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/tickettest"
)

// A replica knows whether it fetched the value that it serves.
func TestStatus_SaysWhoFetchedTheValue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		u, store := &upstream{lifetime: 2 * time.Hour}, tickettest.NewMemory()
		first, second := source(t, u.Fetch, store, ticket.Options{}), source(t, u.Fetch, store, ticket.Options{})
		get(t, first)
		get(t, second)
		if a, b := first.Status(), second.Status(); !a.Fetched || b.Fetched || u.count() != 1 {
			t.Errorf("fetched: %t and %t, after %d fetches", a.Fetched, b.Fetched, u.count())
		}
		if n := (ticket.Fetches{Issued: 1, Unchanged: 2, Invalid: 4, Transient: 8, Permanent: 16, Quota: 32}).Failed(); n != 60 {
			t.Errorf("failed: got %d, want 60", n)
		}
	})
}
