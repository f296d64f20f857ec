package redisstore_test

import (
	"strings"
	"testing"
	"time"

	redistest "github.com/addcard/addcard/internal/testing/redis"
	"github.com/addcard/addcard/internal/ticket"
)

func BenchmarkLoad(b *testing.B) {
	s := connect(b, redistest.Single(b).URL())
	lease, err := s.Acquire(b.Context(), key, ticket.LeaseRequest{Owner: "a", TTL: time.Hour})
	if err != nil {
		b.Fatal(err)
	}
	v := ticket.FetchedValue{Value: strings.Repeat("v", 512), Fence: lease.Fence, Lifetime: time.Hour}
	if err := s.Save(b.Context(), lease, v); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Load(b.Context(), key); err != nil {
			b.Fatal(err)
		}
	}
}

// The calls of one renewal.
func BenchmarkAcquireSaveRelease(b *testing.B) {
	s := connect(b, redistest.Single(b).URL())
	for b.Loop() {
		lease, err := s.Acquire(b.Context(), key, ticket.LeaseRequest{Owner: "a", TTL: time.Minute})
		if err != nil {
			b.Fatal(err)
		}
		v := ticket.FetchedValue{Value: strings.Repeat("v", 512), Fence: lease.Fence, Lifetime: time.Hour}
		if err := s.Save(b.Context(), lease, v); err != nil {
			b.Fatal(err)
		}
		if err := s.Release(b.Context(), lease, 0); err != nil {
			b.Fatal(err)
		}
	}
}
