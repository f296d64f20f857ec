package auth_test

import (
	"testing"

	"github.com/addcard/addcard/internal/auth"
)

func BenchmarkVerify(b *testing.B) {
	b.Run("known", func(b *testing.B) {
		s := open(b, setup{})
		token, _ := login(b, s)
		b.ReportAllocs()
		for b.Loop() {
			verify(b, s, token)
		}
	})
	b.Run("known, in parallel", func(b *testing.B) {
		s := open(b, setup{})
		token, _ := login(b, s)
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				verify(b, s, token)
			}
		})
	})
	// More tokens than are kept, in turn: each one is parsed again.
	b.Run("new", func(b *testing.B) {
		s := open(b, setup{})
		tokens := make([]string, 20_000)
		for i := range tokens {
			tokens[i], _ = login(b, s)
		}
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			verify(b, s, tokens[i%len(tokens)])
			i++
		}
	})
}

func verify(b *testing.B, s *auth.Service, token string) {
	if _, err := s.Verify(token); err != nil {
		b.Error(err)
	}
}
