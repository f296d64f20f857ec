package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/testing/world"
)

// The operator sees what became of each attempt, also before a retry, and an outage does
// not fill the database.
func TestMessage_HasTheHistoryOfItsAttempts(t *testing.T) {
	world.Run(t, func(w *world.World) {
		code := w.ActivateCard("push")
		calls := 0
		w.WeChat.Before = func(_ context.Context, c world.Call) error {
			if c.Name != "update" {
				return nil
			}
			calls++
			return world.RefusalError{IsTemporary: calls%20 > 0}
		}
		id := w.MustAddEntry("push", code, world.Points(3))
		w.SendAll()
		want := "dead 20, failed 16, failed 8, failed 7, failed 6, failed 5, failed 4, failed 3, failed 2, failed 1"
		wantHistory(w, id, outbox.Parked, want)
		if err := w.Retry(w.Context(), id); err != nil {
			w.Fatal(err)
		}
		stop := w.StartSender(w.Services, w.WeChat)
		time.Sleep(400 * time.Millisecond)
		stop()
		wantHistory(w, id, outbox.Waiting, "failed 1, "+want)
		w.WeChat.Before = nil
		w.SendAll()
		if _, _, err := w.Message(w.Context(), id); !errors.Is(err, outbox.ErrNotFound) {
			w.Errorf("after it was sent: %v", err)
		}
	})
}

func wantHistory(w *world.World, id, state, want string) {
	w.Helper()
	m, tries, err := w.Message(w.Context(), id)
	var got []string
	for i, try := range tries {
		got = append(got, fmt.Sprint(try.Outcome, " ", try.Attempts))
		if try.Text == "" || try.At.IsZero() || i > 0 && try.At.After(tries[i-1].At) {
			w.Errorf("got %+v", try)
		}
	}
	if text := strings.Join(got, ", "); err != nil || m.State != state || m.ID != id || text != want {
		w.Errorf("got %+v, %v, tried %s", m, err, text)
	}
}
