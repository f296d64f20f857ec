package cardext_test

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/cardext"
)

const (
	ticket = "ojZ8YtyVyr30HheH3CM73y7h4jJE"
	cardID = "pjZ8Yt1XGILfi-FUsewpnnolGgZk"
	nonce  = "kq3Zr8PwY1bN5vXcA7dE2fGhJ4mLsT6u"
	when   = 1700000000
)

type vector struct {
	ID, Kind string
	Inputs   json.RawMessage
	Expected json.RawMessage
}

func vectors(t *testing.T) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Vectors []vector }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file.Vectors
}

func decode[T any](t *testing.T, text json.RawMessage) (v T) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSign_GivesEveryPublishedSignature(t *testing.T) {
	t.Parallel()
	seen := 0
	for _, v := range vectors(t) {
		if v.Kind != "card_signature" {
			continue
		}
		seen++
		t.Run(v.ID, func(t *testing.T) {
			in, want := decode[map[string]string](t, v.Inputs), decode[string](t, v.Expected)
			seconds, err := strconv.ParseInt(in["timestamp"], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			p := cardext.Params{CardID: in["card_id"], Code: in["code"], OpenID: in["openid"]}
			ext := cardext.Sign(in["api_ticket"], p, seconds, in["nonce_str"])
			if got := ext.Signature(); got != want {
				t.Errorf("signature %s, want %s", got, want)
			}
			if err := cardext.Verify(in["api_ticket"], in["card_id"], ext.String()); err != nil {
				t.Errorf("Verify: %v", err)
			}
		})
	}
	if seen != 6 {
		t.Errorf("%d card vectors, want 6", seen)
	}
}

func TestSortedSHA1_GivesEveryPublishedHash(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		if v.Kind != "sorted_sha1" {
			continue
		}
		in, want := decode[struct{ Values []string }](t, v.Inputs), decode[string](t, v.Expected)
		if got := cardext.SortedSHA1(in.Values...); got != want {
			t.Errorf("%s: %s, want %s", v.ID, got, want)
		}
	}
}

func TestExt_String_IsWhatWxAddCardTakes(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		p    cardext.Params
		want string
	}{
		{"least", cardext.Params{CardID: cardID},
			`{"timestamp":1700000000,"nonce_str":"` + nonce + `","signature":"SIG"}`},
		{"code", cardext.Params{CardID: cardID, Code: "4929123456781234", OuterStr: "mp_home"},
			`{"code":"4929123456781234","timestamp":1700000000,"nonce_str":"` + nonce + `","outer_str":"mp_home","signature":"SIG"}`},
		{"everything", cardext.Params{CardID: cardID, Code: "1", OpenID: "o1", OuterStr: "x", FixedBeginTimestamp: 1700000001},
			`{"code":"1","openid":"o1","timestamp":1700000000,"nonce_str":"` + nonce +
				`","outer_str":"x","fixed_begintimestamp":1700000001,"signature":"SIG"}`},
		{"no HTML escapes", cardext.Params{CardID: cardID, OuterStr: "<a&b>\u2028会员\"\\\n\x00"},
			`{"timestamp":1700000000,"nonce_str":"` + nonce + `","outer_str":"<a&b>` + "\u2028会员" + `\"\\\u000a\u0000","signature":"SIG"}`},
	} {
		ext := cardext.Sign(ticket, tt.p, when, nonce)
		if got, want := ext.String(), strings.Replace(tt.want, "SIG", ext.Signature(), 1); got != want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, want)
		}
	}
}

func TestExt_InALargerDocumentIsAString(t *testing.T) {
	t.Parallel()
	ext := cardext.Sign(ticket, cardext.Params{CardID: cardID}, when, nonce)
	text, err := json.Marshal(map[string]any{"cardExt": ext})
	if err != nil {
		t.Fatal(err)
	}
	if got := decode[map[string]string](t, text)["cardExt"]; got != ext.String() {
		t.Errorf("cardExt %q, want %q", got, ext)
	}
}

func TestExt_String_StaysValidWhenAValueIsNotUTF8(t *testing.T) {
	t.Parallel()
	ext := cardext.Sign(ticket, cardext.Params{CardID: cardID, OuterStr: "a\xffb"}, when, nonce)
	if got := decode[map[string]any](t, json.RawMessage(ext.String()))["outer_str"]; got != "a\uFFFDb" {
		t.Errorf("outer_str %q", got)
	}
	if err := cardext.Verify(ticket, cardID, ext.String()); err != nil {
		t.Error(err)
	}
}

func TestSign_AllocatesAtMostOnce(t *testing.T) {
	p := cardext.Params{CardID: cardID, Code: "4929123456781234", OpenID: "oLxxxxxxxxxxxxxxxxxxxxxxxxxx"}
	if n := testing.AllocsPerRun(100, func() { cardext.Sign(benchTicket, p, when, nonce) }); n > 1 {
		t.Errorf("%v allocations, want at most 1", n)
	}
}

func TestNewNonce_Is32LettersAndDigitsEachEquallyLikely(t *testing.T) {
	t.Parallel()
	const rounds = 20_000
	count, seen := map[rune]int{}, map[string]bool{}
	for range rounds {
		n := cardext.NewNonce()
		if len(n) != 32 || seen[n] {
			t.Fatalf("nonce %q: wrong length or seen before", n)
		}
		seen[n] = true
		for _, r := range n {
			count[r]++
		}
	}
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	if len(count) != len(letters) {
		t.Errorf("%d different characters, want %d", len(count), len(letters))
	}
	// Each of the 62 symbols is expected 10,323 ± 101 times in 640,000. Taking
	// bytes modulo 62 would give the first eight symbols 12,500.
	for _, r := range letters {
		if n := count[r]; n < 9_700 || n > 10_950 {
			t.Errorf("%q came %d times of %d", r, n, rounds*32)
		}
	}
}
