package cardsync_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/world"
)

// idle is a WeChat that costs nothing.
type idle struct{}

func (idle) Activate(context.Context, cardsync.Activation) error { return nil }
func (idle) Update(context.Context, cardsync.Update) error       { return nil }
func (idle) CardInfo(context.Context, string, string) (member.CardInfo, error) {
	return member.CardInfo{Active: true, Status: "NORMAL"}, nil
}

// BenchmarkSender measures one activation: leased, sent and recorded durably.
func BenchmarkSender(b *testing.B) {
	s := world.NewServices(world.StoresOn(sqldbtest.New(b)), &world.Catalogue{}, idle{})
	for i := range b.N {
		receive(b, s, i)
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

// BenchmarkReceive measures one event about an unknown code, with one caller.
func BenchmarkReceive(b *testing.B) {
	s := world.NewServices(world.StoresOn(sqldbtest.New(b)), &world.Catalogue{}, idle{})
	for i := range b.N {
		receive(b, s, i)
	}
}

// BenchmarkReceive_Many measures the same with 32 callers, who share disk flushes.
func BenchmarkReceive_Many(b *testing.B) {
	s := world.NewServices(world.StoresOn(sqldbtest.New(b)), &world.Catalogue{}, idle{})
	var n atomic.Int64
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			receive(b, s, int(n.Add(1)))
		}
	})
}

func receive(b *testing.B, s world.Services, i int) {
	err := s.Receive(b.Context(), member.Event{
		DedupeKey: fmt.Sprint(i), Name: world.Taken, CardID: "push", Code: fmt.Sprint("code", i), OpenID: fmt.Sprint("O", i), At: world.At(i),
	})
	if err != nil {
		b.Error(err)
	}
}
