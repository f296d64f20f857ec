package sqlstore_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/outbox/sqlstore"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/postgres"
)

// Symptom: "outbox: message refused for good … dial tcp … connection refused". The
// database is away while a handler works, and back when the outcome is recorded.
func TestSender_PostgresAwayForAMomentParksNothing(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*postgres.Server){"killed": (*postgres.Server).Kill, "shut down": (*postgres.Server).Abort} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := postgres.New(t, "-c", "fsync=off")
			store := sqlstore.New(sqldbtest.Open(t, server.URL("postgres")))
			if err := store.Write(t.Context(), func(ctx context.Context, tx outbox.Tx) error {
				return tx.Enqueue(ctx, outbox.Message{CardID: "c", Code: "1", Kind: "look"})
			}); err != nil {
				t.Fatal(err)
			}
			outcomes := make(chan string, 100)
			var mu sync.Mutex // on a slow machine the lease may end meanwhile
			tries := 0
			look := func(ctx context.Context, m outbox.Message) error {
				mu.Lock()
				defer mu.Unlock()
				tries++
				if tries > 3 {
					return store.Write(ctx, func(ctx context.Context, tx outbox.Tx) error { return outbox.Finish(ctx, tx, m) })
				}
				stop(server)
				var away error
				for range tries { // a connection that breaks, then ones that are refused
					_, away = store.Backlog(ctx)
				}
				write := store.Write(ctx, func(ctx context.Context, tx outbox.Tx) error { return tx.Touch(ctx, "c", "1") })
				server.Restart(t)
				if away == nil || write == nil {
					t.Errorf("the database is not away: %v, %v", away, write)
				}
				if tries == 2 {
					return write
				}
				return away
			}
			service := outbox.New(store, nil)
			sender := service.NewSender(map[string]outbox.Handler{"look": {Send: look}}, slog.New(slog.DiscardHandler),
				func(_, outcome string) { outcomes <- outcome })
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			ended := make(chan struct{})
			go func() { defer close(ended); sender.Run(ctx) }()
			defer func() { cancel(); <-ended }()
			for outcome := ""; outcome != "done"; {
				select {
				case outcome = <-outcomes:
				case <-ctx.Done():
					t.Fatal("the message was not sent")
				}
				if outcome == "dead" {
					t.Fatal("the message was parked")
				}
			}
		})
	}
}
