package cardext_test

import (
	"crypto/sha1"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/cardext"
)

var (
	benchTicket = "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg"
	benchParams = cardext.Params{
		CardID: "pjZ8Yt1XGILfi-FUsewpnnolGgZk",
		Code:   "4929123456781234",
		OpenID: "oLxxxxxxxxxxxxxxxxxxxxxxxxxx",
	}
	benchNonce = "kq3Zr8PwY1bN5vXcA7dE2fGhJ4mLsT6u"
	sinkSum    [sha1.Size]byte
	sinkExt    cardext.Ext
)

// lowerBound does the work that every implementation must do: sort the six
// values and hash their bytes.
func lowerBound(values [6]string, joined []byte) [sha1.Size]byte {
	for i := 1; i < len(values); i++ {
		for j := i; j > 0 && values[j] < values[j-1]; j-- {
			values[j], values[j-1] = values[j-1], values[j]
		}
	}
	if values[0] == "" {
		return [sha1.Size]byte{}
	}
	return sha1.Sum(joined)
}

// BenchmarkSign reports x_floor, the time of Sign divided by the time of
// lowerBound measured alternately with it. The limit of design.md §9 is 1.15.
func BenchmarkSign(b *testing.B) {
	values := [6]string{benchTicket, "1700000000", benchParams.CardID, benchParams.Code, benchParams.OpenID, benchNonce}
	var joined []byte
	for _, v := range values {
		joined = append(joined, v...)
	}
	const turn = 1000
	var signing, least int64
	b.ReportAllocs()
	for b.Loop() {
		least += nanoseconds(func() {
			for range turn {
				sinkSum = lowerBound(values, joined)
			}
		})
		signing += nanoseconds(func() {
			for range turn {
				sinkExt = cardext.Sign(benchTicket, benchParams, 1700000000, benchNonce)
			}
		})
	}
	b.ReportMetric(float64(signing)/float64(least), "x_floor")
	b.ReportMetric(float64(signing)/float64(b.N*turn), "ns/sign")
	b.ReportMetric(float64(least)/float64(b.N*turn), "ns/floor")
}

func BenchmarkString(b *testing.B) {
	ext := cardext.Sign(benchTicket, benchParams, 1700000000, benchNonce)
	b.ReportAllocs()
	for b.Loop() {
		_ = ext.String()
	}
}

func BenchmarkNewNonce(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_ = cardext.NewNonce()
	}
}

func nanoseconds(f func()) int64 {
	start := time.Now()
	f()
	return int64(time.Since(start))
}
