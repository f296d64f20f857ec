package cardsync_test

import (
	"context"
	"fmt"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/member"
)

// idle is a WeChat that costs nothing.
type idle struct{}

func (idle) Activate(context.Context, cardsync.Activation) error { return nil }
func (idle) Update(context.Context, cardsync.Update) error       { return nil }
func (idle) CardInfo(context.Context, string, string) (member.CardInfo, error) {
	return member.CardInfo{Active: true, Status: "NORMAL"}, nil
}

// BenchmarkSender is one activation: taken, sent, noted, durably.
func BenchmarkSender(b *testing.B) {
	s := newServices(storesOn(sqldbtest.New(b)), &catalogue{}, idle{})
	for i := range b.N {
		hear(b, s, i)
	}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	var sent atomic.Int64
	sender := s.NewSender(s.Handlers(), slog.New(slog.DiscardHandler), func(string, string) {
		if sent.Add(1) == int64(b.N) {
			cancel()
		}
	})
	b.ResetTimer()
	sender.Run(ctx)
}

// BenchmarkReceive is one event of a card never heard of, one caller.
func BenchmarkReceive(b *testing.B) {
	s := newServices(storesOn(sqldbtest.New(b)), &catalogue{}, idle{})
	for i := range b.N {
		hear(b, s, i)
	}
}

// BenchmarkReceive_many is the same, by 32 callers: they share the disk's flushes.
func BenchmarkReceive_many(b *testing.B) {
	s := newServices(storesOn(sqldbtest.New(b)), &catalogue{}, idle{})
	var n atomic.Int64
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			hear(b, s, int(n.Add(1)))
		}
	})
}

func hear(b *testing.B, s services, i int) {
	err := s.Receive(b.Context(), member.Event{
		DedupeKey: fmt.Sprint(i), Name: taken, CardID: "push", Code: fmt.Sprint("code", i), OpenID: fmt.Sprint("O", i), At: at(i),
	})
	if err != nil {
		b.Error(err)
	}
}
