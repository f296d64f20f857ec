package ticket_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/tickettest"
)

func TestSeal(t *testing.T) {
	t.Parallel()
	tickettest.Run(t, func(t *testing.T) tickettest.Harness {
		inner := tickettest.NewMemory()
		return tickettest.Harness{
			Store:   seal(t, inner, "secret"),
			Corrupt: func(t *testing.T, key string) { put(t, inner, key, "junk", 1) },
		}
	})
}

func seal(t *testing.T, inner ticket.Store, secret string) ticket.Store {
	t.Helper()
	store, err := ticket.Seal(inner, secret)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// put saves a copy under a lease of its own.
func put(t *testing.T, store ticket.Store, key, value string, fence int64) {
	t.Helper()
	lease, err := store.Acquire(t.Context(), key, ticket.LeaseRequest{Owner: "put", FenceAbove: fence - 1, TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Save(t.Context(), lease, ticket.FetchedValue{Value: value, Fence: fence, Lifetime: time.Hour}); err != nil {
		t.Fatal(err)
	}
	if err := store.Release(t.Context(), lease, 0); err != nil {
		t.Fatal(err)
	}
}

func raw(t *testing.T, store ticket.Store, key string) string {
	t.Helper()
	rec, err := store.Load(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return rec.Value
}

// A program that can write to the Store can remove a copy but cannot replace it
// with another.
func TestSeal_OpensOnlyWhatBelongsThere(t *testing.T) {
	t.Parallel()
	inner := tickettest.NewMemory()
	put(t, seal(t, inner, "secret"), "token", "the-value", 1)
	good := raw(t, inner, "token")
	if strings.Contains(good, "the-value") {
		t.Fatalf("the store holds %q", good)
	}
	put(t, seal(t, inner, "secret"), "again", "the-value", 1)
	if raw(t, inner, "again") == good {
		t.Error("one value sealed twice looks the same")
	}
	for name, tt := range map[string]struct {
		key, text string
		fence     int64
		secret    string
	}{
		"good":                      {"token", good, 1, "secret"},
		"good, of a former version": {"token", "s1.BVsh+2dvYzJ27+Pzfs1iBmCeRLtX7Y8QHfi8TCXfDv1EPfOlXg", 1, "secret"},
		"other key":                 {"ticket", good, 1, "secret"},
		"later fence":               {"token", good, 9, "secret"},
		"other secret":              {"token", good, 1, "other"},
		"bit flipped":               {"token", good[:len(good)-3] + "AAA", 1, "secret"},
		"cut short":                 {"token", good[:8], 1, "secret"},
		"in the clear":              {"token", "the-value", 1, "secret"},
		"unknown version":           {"token", "s2" + good[2:], 1, "secret"},
		"no base64":                 {"token", "s1.***", 1, "secret"},
		"nothing in it":             {"token", "s1.", 1, "secret"},
		"padding after all":         {"token", good + "=", 1, "secret"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			planted := tickettest.NewMemory()
			put(t, planted, tt.key, tt.text, tt.fence)
			rec, err := seal(t, planted, tt.secret).Load(t.Context(), tt.key)
			if strings.HasPrefix(name, "good") {
				if err != nil || rec.Value != "the-value" {
					t.Errorf("Load = %q, %v", rec.Value, err)
				}
			} else if !errors.Is(err, ticket.ErrUnreadable) {
				t.Errorf("Load = %q, %v, want ErrUnreadable", rec.Value, err)
			}
		})
	}
}

func TestSeal_WantsASecret(t *testing.T) {
	t.Parallel()
	if _, err := ticket.Seal(tickettest.NewMemory(), ""); err == nil {
		t.Error("Seal without a secret: no error")
	}
}

// FuzzSeal_Load opens any data that may be in the Store.
func FuzzSeal_Load(f *testing.F) {
	f.Add("s1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", int64(1))
	f.Add("", int64(0))
	store, err := ticket.Seal(planted{}, "secret")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string, fence int64) {
		ctx := context.WithValue(t.Context(), planted{}, ticket.Record{Value: text, Fence: fence, Lifetime: time.Hour})
		if rec, err := store.Load(ctx, "key"); !errors.Is(err, ticket.ErrUnreadable) {
			t.Errorf("Load of %q = %q, %v, want ErrUnreadable", text, rec.Value, err)
		}
	})
}

// planted is a Store that holds the record of the context.
type planted struct{ ticket.Store }

func (planted) Load(ctx context.Context, _ string) (ticket.Record, error) {
	return ctx.Value(planted{}).(ticket.Record), nil
}
