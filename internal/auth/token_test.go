package auth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	mathrand "math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/auth/sqlstore"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

const (
	sub = "0b7f8c1e-3a52-4d7e-9f10-5a4b3c2d1e0f"
	jti = "7d0c9b8a-1e2f-4a3b-8c4d-5e6f7a8b9c0d"
	iat = 1763899200 // 2025-11-23 12:00 UTC, the time in these tests

	goodHeader = `{"alg":"HS256","kid":"k1","typ":"JWT"}`
	goodClaims = `{"iss":"addcard","aud":"addcard","sub":"` + sub + `","jti":"` + jti + `","iat":1763899200,"exp":1763906400}`
)

// sign makes a token of any text without the library under test.
func sign(header, claims string, key []byte) string { return signWith(sha256.New, header, claims, key) }

func signWith(h func() hash.Hash, header, claims string, key []byte) string {
	text := b64(header) + "." + b64(claims)
	mac := hmac.New(h, key)
	mac.Write([]byte(text))
	return text + "." + b64(string(mac.Sum(nil)))
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func good() string { return sign(goodHeader, goodClaims, key1) }

// fixedService returns a Service at the time of these tests with the keys k1
// and k2.
func fixedService(t testing.TB) *auth.Service {
	return open(t, setup{
		keys: keys(t, entry("k1", key1), entry("k2", key2)),
		opts: auth.Options{Now: func() time.Time { return time.Unix(iat, 0) }},
	})
}

// header and claims return a good token with one part of its JSON replaced.
func header(t testing.TB, old, repl string) string {
	return sign(replaced(t, goodHeader, old, repl), goodClaims, key1)
}

func claims(t testing.TB, old, repl string) string {
	return sign(goodHeader, replaced(t, goodClaims, old, repl), key1)
}

func replaced(t testing.TB, text, old, repl string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q is not once in %q", old, text)
	}
	return strings.Replace(text, old, repl, 1)
}

func TestVerify_Accepts(t *testing.T) {
	t.Parallel()
	s := fixedService(t)
	for name, token := range map[string]string{
		"a good token":            good(),
		"fields in another order": sign(`{"typ":"JWT","alg":"HS256","kid":"k1"}`, goodClaims, key1),
		"spaces in its JSON":      sign(`{ "alg": "HS256", "kid": "k1", "typ": "JWT" }`, goodClaims+"\n", key1),
		"the second key":          sign(strings.Replace(goodHeader, "k1", "k2", 1), goodClaims, key2),
		"a clock 30 s ahead":      claims(t, `1763899200,"exp":1763906400`, `1763899230,"exp":1763906430`),
		"a shorter life":          claims(t, "1763906400", "1763899201"),
		"just expired":            claims(t, `1763899200,"exp":1763906400`, `1763899170,"exp":1763899171`),
	} {
		if got, err := s.Verify(token); err != nil || got.MemberID != sub || got.JTI != jti {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestVerify_RefusesCraftedTokens(t *testing.T) {
	t.Parallel()
	s := fixedService(t)
	n := 0
	for _, tokens := range []map[string]string{craftedHeaders(t), craftedKeys(t), craftedClaims(t), craftedTimes(t), craftedForms(t)} {
		for name, token := range tokens {
			n++
			for range 2 { // a refused token must not be kept as verified
				if got, err := s.Verify(token); !errors.Is(err, auth.ErrSession) || got != (auth.Session{}) {
					t.Errorf("%s: got %+v, %v", name, got, err)
				} else if leaks(err, token) {
					t.Errorf("%s: the error quotes the token: %v", name, err)
				}
			}
		}
	}
	t.Logf("%d tokens", n)
}

// leaks reports whether err contains a significant part of the token.
func leaks(err error, token string) bool {
	for _, part := range strings.Split(token, ".") {
		raw, _ := base64.RawURLEncoding.DecodeString(part)
		for _, piece := range append(strings.FieldsFunc(string(raw), func(r rune) bool { return strings.ContainsRune(`{}",:`, r) }), part) {
			if len(piece) > 7 && strings.Contains(err.Error(), piece) {
				return true
			}
		}
	}
	return false
}

// A token may have up to 2 KiB.
func TestVerify_BoundsTheLength(t *testing.T) {
	t.Parallel()
	s := fixedService(t)
	n := 0
	for token := good(); len(token) <= 2100; n++ {
		token = claims(t, `"aud"`, strings.Repeat(" ", n)+`"aud"`)
		if _, err := s.Verify(token); (err == nil) != (len(token) <= 2048) {
			t.Errorf("%d characters: got %v", len(token), err)
		}
	}
}

// golang-jwt ignores line ends and, by default, the unused bits of the last
// character. Single changes with a whole alphabet find other such cases.
func TestVerify_RefusesEveryMutation(t *testing.T) {
	t.Parallel()
	s := fixedService(t)
	g := good()
	if _, err := s.Verify(g); err != nil {
		t.Fatal(err)
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ \n\r\t\x00\x7f\xff"
	for n := 0; n < 100_000; {
		at, c := mathrand.IntN(len(g)), alphabet[mathrand.IntN(len(alphabet))]
		var m string
		switch mathrand.IntN(8) {
		case 0:
			m = g[:at] + string([]byte{c}) + g[at:]
		case 1:
			m = g[:at] + g[at+1:]
		default:
			m = g[:at] + string([]byte{c}) + g[at+1:]
		}
		if m == g {
			continue
		}
		n++
		if _, err := s.Verify(m); !errors.Is(err, auth.ErrSession) {
			t.Fatalf("accepted: %q", m)
		}
	}
	for _, c := range []byte(alphabet) { // every character at both ends
		for _, m := range []string{g + string([]byte{c}), string([]byte{c}) + g, g[:len(g)-1] + string([]byte{c})} {
			if _, err := s.Verify(m); m != g && err == nil {
				t.Errorf("accepted: %q", m)
			}
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(good())
	f.Add(good() + "\n")
	f.Add(header(f, "HS256", "none"))
	f.Add(header(f, `"typ"`, `"crit":["exp"],"typ"`))
	f.Add(claims(f, `"aud":"addcard"`, `"aud":["addcard"]`))
	f.Add(claims(f, "1763906400", "9e18"))
	s := fixedService(f)
	f.Fuzz(func(t *testing.T, token string) {
		if got, err := s.Verify(token); err == nil && token != good() {
			t.Errorf("accepted: %q as %+v", token, got)
		} else if err != nil && !errors.Is(err, auth.ErrSession) {
			t.Errorf("got %v, want ErrSession", err)
		}
	})
}

// FuzzVerify_Signed signs arbitrary text with a good key. An accepted token
// must have only our header fields, two UUIDs and a lifetime of at most two
// hours.
func FuzzVerify_Signed(f *testing.F) {
	f.Add(goodHeader, goodClaims)
	f.Add(goodHeader, `{"iss":"addcard","iss":"addcard"}`)
	f.Add(`{"alg":"HS256","kid":"k1","typ":"JWT","crit":[]}`, goodClaims)
	s := fixedService(f)
	f.Fuzz(func(t *testing.T, header, claims string) {
		got, err := s.Verify(sign(header, claims, key1))
		if err != nil {
			return
		}
		if life := got.ExpiresAt.Sub(got.IssuedAt); life <= 0 || life > 2*time.Hour || len(got.MemberID) != 36 || len(got.JTI) != 36 {
			t.Errorf("accepted: %+v", got)
		}
		if strings.Contains(header, "crit") || !strings.Contains(header, "JWT") {
			t.Errorf("accepted the header %q", header)
		}
	})
}

func TestKeys_Rotate(t *testing.T) {
	t.Parallel()
	store := sqlstore.New(sqldbtest.New(t))
	with := func(list ...string) *auth.Service { return open(t, setup{keys: keys(t, list...), store: store}) }
	one, two := entry("k1", key1), entry("k2", key2)
	old, behind, front, after := with(one), with(one, two), with(two, one), with(two)
	first, _ := login(t, old)
	second, _ := login(t, behind)
	third, _ := login(t, front)
	for name, tt := range map[string]struct {
		s    *auth.Service
		live [3]bool
	}{
		"only the old":      {old, [3]bool{true, true, false}},
		"the new behind it": {behind, [3]bool{true, true, true}},
		"the new in front":  {front, [3]bool{true, true, true}},
		"only the new":      {after, [3]bool{false, false, true}},
	} {
		for i, token := range []string{first, second, third} {
			if _, err := tt.s.Verify(token); (err == nil) != tt.live[i] {
				t.Errorf("%s, token %d: got %v", name, i+1, err)
			}
		}
	}
	swapped := with(entry("k1", key2))
	wantInvalid(t, swapped, first)
}
