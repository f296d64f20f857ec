package shop_test

import (
	"testing"

	"github.com/addcard/addcard/internal/shop"
)

func TestPoints_AreRoundedDown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ per100, fen, want int64 }{
		{100, 0, 0}, {100, 99, 0}, {100, 100, 1}, {100, 12_345, 123}, {10, 999, 0}, {10, 1_000, 1}, {150, 100, 1}, {150, 200, 3},
		{0, 1_000_000, 0}, {1_000_000, 1, 100}, {100_000, 1_000_000_000_000, 10_000_000_000_000},
	} {
		if got := (shop.Settings{PointsPer100Yuan: c.per100}).Points(c.fen); got != c.want {
			t.Errorf("%d per 100 yuan, %d fen: got %d, want %d", c.per100, c.fen, got, c.want)
		}
	}
}
