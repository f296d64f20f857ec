package member_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/addcard/addcard/internal/member"
)

// idle is a WeChat that costs nothing.
type idle struct{}

func (idle) Activate(context.Context, member.Activation) error { return nil }
func (idle) Update(context.Context, member.Update) error       { return nil }
func (idle) Face(context.Context, string, string) (member.Face, error) {
	return member.Face{Active: true, Status: "NORMAL"}, nil
}

// BenchmarkSender is one activation: taken, sent, noted, durably.
func BenchmarkSender(b *testing.B) {
	s, _ := newService(b)
	for i := range b.N {
		hear(b, s, i)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var sent atomic.Int64
	sender := s.NewSender(idle{}, slog.New(slog.DiscardHandler), func(string, string) {
		if sent.Add(1) == int64(b.N) {
			cancel()
		}
	})
	b.ResetTimer()
	sender.Run(ctx)
}

// BenchmarkReceive is one event of a card never heard of, one caller.
func BenchmarkReceive(b *testing.B) {
	s, _ := newService(b)
	for i := range b.N {
		hear(b, s, i)
	}
}

// BenchmarkReceive_many is the same, by 32 callers: they share the disk's flushes.
func BenchmarkReceive_many(b *testing.B) {
	s, _ := newService(b)
	var n atomic.Int64
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			hear(b, s, int(n.Add(1)))
		}
	})
}

func hear(b *testing.B, s *member.Service, i int) {
	err := s.Receive(b.Context(), member.Event{
		DedupeKey: fmt.Sprint(i), Name: taken, CardID: "push", Code: fmt.Sprint("code", i), OpenID: fmt.Sprint("O", i), At: at(i),
	})
	if err != nil {
		b.Error(err)
	}
}
