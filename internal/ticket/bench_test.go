package ticket_test

import (
	"context"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/tickettest"
)

func warm(b testing.TB) *ticket.Source {
	b.Helper()
	fetch := func(context.Context) (string, time.Duration, error) { return "value", 2 * time.Hour, nil }
	s := ticket.New(key, fetch, tickettest.NewMemory(), ticket.Options{})
	b.Cleanup(s.Close)
	if _, err := s.Ticket(b.Context()); err != nil {
		b.Fatal(err)
	}
	return s
}

func BenchmarkSource_Ticket(b *testing.B) {
	s, ctx := warm(b), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Ticket(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSource_Ticket_Parallel(b *testing.B) {
	s, ctx := warm(b), b.Context()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := s.Ticket(ctx); err != nil {
				b.Error(err)
			}
		}
	})
}

func TestSource_HotReadAllocatesNothing(t *testing.T) {
	s, ctx := warm(t), t.Context()
	if n := testing.AllocsPerRun(1000, func() { _, _ = s.Ticket(ctx) }); n != 0 {
		t.Errorf("a hot read allocates %v times", n)
	}
}
