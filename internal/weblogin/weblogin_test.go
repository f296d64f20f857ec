package weblogin_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/weblogin"
)

const page = "https://shop.example/card#login=abc"

// service signs in on pages that begin so, and counts the codes.
func service(codes *[]string) *weblogin.Service {
	return &weblogin.Service{
		AppID: "wx1", OpenURL: "https://open.example",
		Allows: func(page string) bool { return strings.HasPrefix(page, "https://shop.example/") },
		Login: func(_ context.Context, code string) (string, time.Duration, error) {
			*codes = append(*codes, code)
			return "token", time.Hour, nil
		},
	}
}

func begin(t *testing.T, s *weblogin.Service) (binding, state string) {
	t.Helper()
	b, err := s.Begin(page, "https://api.example/callback")
	to, _ := url.Parse(b.Authorize)
	if err != nil || to.Query().Get("redirect_uri") != "https://api.example/callback" || len(to.Query().Get("state")) < 20 {
		t.Fatalf("got %+v, %v", b, err)
	}
	return b.Binding, to.Query().Get("state")
}

func TestFinish_SignsInTheBrowserInWhichTheLoginBegan(t *testing.T) {
	t.Parallel()
	var codes []string
	s := service(&codes)
	binding, state := begin(t, s)
	f, err := s.Finish(t.Context(), binding, state, "c1")
	if want := (weblogin.Finished{Page: page, Token: "token", Life: time.Hour}); f != want || err != nil {
		t.Errorf("got %+v, %v", f, err)
	}
	if f, err := s.Finish(t.Context(), binding, state, ""); !errors.Is(err, weblogin.ErrDenied) || f.Page != page || f.Token != "" {
		t.Errorf("without a code: got %+v, %v", f, err)
	}
	if len(codes) != 1 || codes[0] != "c1" {
		t.Errorf("exchanged %q", codes)
	}
}

func TestFinish_OfAnotherBrowserExchangesNothing(t *testing.T) {
	t.Parallel()
	var codes []string
	s := service(&codes)
	binding, state := begin(t, s)
	_, other := begin(t, s)
	encode := func(page string) string { return base64.RawURLEncoding.EncodeToString([]byte(page)) }
	for _, c := range [][2]string{
		{"", ""}, {"", state}, {binding, ""}, {binding, other}, {binding, state[1:]}, {binding, strings.ToLower(state)},
		{"." + encode(page), ""}, {"a", "a"}, {"a.", "a"}, {"a.%", "a"}, {"a." + encode("https://evil.example/"), "a"},
		{"a." + encode("https://shop.example/\r\nX: y"), "a"},
	} {
		if f, err := s.Finish(t.Context(), c[0], c[1], "c1"); !errors.Is(err, weblogin.ErrState) || f != (weblogin.Finished{}) {
			t.Errorf("%q: got %+v, %v, want ErrState", c, f, err)
		}
	}
	if len(codes) != 0 {
		t.Errorf("exchanged %q", codes)
	}
}

func TestBegin_IsForAllowedPagesInPlainCharacters(t *testing.T) {
	t.Parallel()
	s := service(nil)
	for _, page := range []string{"", "https://evil.example/", "https://shop.example/\r\nX: y", "https://shop.example/ ",
		"https://shop.example/店", "https://shop.example/" + strings.Repeat("a", 2028)} {
		if b, err := s.Begin(page, "https://api.example/"); !errors.Is(err, weblogin.ErrPage) || b != (weblogin.Begun{}) {
			t.Errorf("%q: got %+v, %v, want ErrPage", page, b, err)
		}
	}
}
