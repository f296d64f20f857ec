package push_test

import "testing"

func BenchmarkOpen_Plain(b *testing.B) {
	r, s := plainReceiver(b), plain(getCard)
	body := []byte(s.body)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Open(s.query, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen_Sealed(b *testing.B) {
	r, s := sealedReceiver(b), safe(sealed(getCard).encrypt())
	body := []byte(s.body)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Open(s.query, body); err != nil {
			b.Fatal(err)
		}
	}
}

// The cost of refusing a forged push.
func BenchmarkOpen_Forged(b *testing.B) {
	r, s := sealedReceiver(b), safe(sealed(getCard).encrypt()).with("nonce", "1")
	body := []byte(s.body)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Open(s.query, body); err == nil {
			b.Fatal("taken")
		}
	}
}

func BenchmarkDedupeKey(b *testing.B) {
	e, err := plain(getCard).to(plainReceiver(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if e.DedupeKey() == "" {
			b.Fatal("no key")
		}
	}
}
