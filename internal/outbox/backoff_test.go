package outbox_test

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/testing/world"
)

func TestBackOff(t *testing.T) {
	t.Parallel()
	const tries, never = 1000, 1001
	s, m := time.Second, time.Minute
	h := m / 2
	passes := world.RefusalError{IsTemporary: true}
	for name, test := range map[string]struct {
		cause  error
		waits  []time.Duration // the longest, attempt by attempt, and then the last
		deadAt int64           // failures
	}{
		"passes":  {passes, []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, h, h, h, h, h, h, h, 5 * m}, 100},
		"wrapped": {fmt.Errorf("call: %w", passes), []time.Duration{s, 2 * s, 4 * s}, 100},
		"unknown": {errors.New("database is down"), []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, h, h, h, h, h, h, h, 5 * m}, never},
		// Symptom: PostgreSQL was killed while the sender read an entry, and the message was parked.
		"reset":           {&net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}, []time.Duration{s, 2 * s, 4 * s}, never},
		"waits":           {outbox.WaitError{Wait: m}, []time.Duration{m + 4*s}, never},
		"not delivered":   {world.RefusalError{IsNotDelivered: true}, []time.Duration{s, 2 * s, 4 * s, 8 * s, 16 * s, 32 * s, 64 * s}, 16},
		"refused":         {world.RefusalError{}, []time.Duration{s}, 1},
		"the account":     {world.RefusalError{IsPermanent: true}, []time.Duration{10 * m}, never},
		"the day's quota": {world.RefusalError{RetryIn: 3 * time.Hour}, []time.Duration{3*time.Hour + 9*m + s}, never},
		"quota first":     {world.RefusalError{RetryIn: m, IsPermanent: true}, []time.Duration{m + 4*s}, never},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for attempts := range int64(tries) {
				longest := test.waits[min(int(attempts), len(test.waits)-1)]
				for range 20 {
					wait, dead := outbox.BackOff(attempts, test.cause)
					if dead != (attempts+1 >= test.deadAt) {
						t.Fatalf("failure %d: dead %v, want at %d", attempts+1, dead, test.deadAt)
					}
					if dead {
						break
					}
					if int(attempts) < len(test.waits) && (wait > longest || wait < longest/2) {
						t.Fatalf("failure %d: waits %v, want %v to %v", attempts+1, wait, longest/2, longest)
					}
				}
			}
		})
	}
}

// What failed together must not come back together.
func TestBackOff_Spreads(t *testing.T) {
	t.Parallel()
	for name, cause := range map[string]error{
		"passes":  world.RefusalError{IsTemporary: true},
		"account": world.RefusalError{IsPermanent: true},
		"quota":   world.RefusalError{RetryIn: time.Hour},
	} {
		seen := map[time.Duration]bool{}
		for range 50 {
			wait, _ := outbox.BackOff(3, cause)
			seen[wait.Round(time.Millisecond)] = true
		}
		if len(seen) < 40 {
			t.Errorf("%s: %d different waits of 50", name, len(seen))
		}
	}
}
