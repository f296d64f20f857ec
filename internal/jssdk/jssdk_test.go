package jssdk_test

import (
	"context"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/jssdk"
)

// The example of WeChat's page (vector J1).
func TestSign(t *testing.T) {
	t.Parallel()
	got := jssdk.Sign("sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg",
		"Wm3WZYTPz0wzccnW", 1414587457, "http://mp.weixin.qq.com?params=value")
	if got != "0f9de62fce790f9a083d5c99e95740ceb90c27ed" {
		t.Errorf("got %s", got)
	}
}

func service(hosts ...string) *jssdk.Service {
	return &jssdk.Service{AppID: "wx1", Hosts: hosts, Nonce: func() string { return "n" },
		Ticket: func(context.Context) (string, error) { return "t", nil }, Now: func() time.Time { return time.Unix(1700000000, 5) }}
}

func TestConfig_SignsOwnPagesOnly(t *testing.T) {
	t.Parallel()
	s := service("shop.example", "shop.example:8443")
	got, err := s.Config(t.Context(), "https://shop.example/a?b=%E5%BA%97&c#/route")
	want := jssdk.Config{
		AppID:     "wx1",
		Timestamp: 1700000000,
		NonceStr:  "n",
		Signature: jssdk.Sign("t", "n", 1700000000, "https://shop.example/a?b=%E5%BA%97&c"),
	}
	if got != want || err != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := s.Config(t.Context(), "http://shop.example:8443/"); err != nil {
		t.Error(err)
	}
	for _, address := range []string{"", "shop.example", "//shop.example/", "https://evil.example/", "https://shop.example.evil.example/",
		"https://shop.example@evil.example/",
		"https://user@shop.example/", "ftp://shop.example/", "https://shop.example:444/", "javascript:alert(1)",
		"https://evil.example/#https://shop.example/"} {
		if _, err := s.Config(t.Context(), address); !errors.Is(err, jssdk.ErrURL) {
			t.Errorf("%q: got %v, want ErrURL", address, err)
		}
	}
}

// A page that is signed with no ticket works on no phone.
func TestConfig_WithoutATicketIsAnError(t *testing.T) {
	t.Parallel()
	s, down := service("shop.example"), errors.New("no ticket")
	s.Ticket = func(context.Context) (string, error) { return "", down }
	if got, err := s.Config(t.Context(), "https://shop.example/"); !errors.Is(err, down) || got != (jssdk.Config{}) {
		t.Errorf("got %+v, %v, want %v", got, err, down)
	}
}

// A browser keeps most bytes of a path and a query as they are, so they are
// signed as they are, also where net/url refuses them.
func TestConfig_SignsTheBytesThatTheBrowserHas(t *testing.T) {
	t.Parallel()
	s := service("shop.example")
	for _, address := range []string{
		"https://shop.example", "https://shop.example/", "https://shop.example?a", "https://shop.example/?", "https://shop.example/??a?b",
		"https://shop.example/50%off", "https://shop.example/%", "https://shop.example/a%2", "https://shop.example/%zz?%",
		"https://shop.example/?name=%u5E97%u5E97", "https://shop.example/?q=%B5%EA", "https://shop.example/a;b;c?d;e=1",
		"https://shop.example//a/../b//", `https://shop.example/?a=b\c`, "https://shop.example/@evil.example:80/[1]|{}^`'\"",
		"https://shop.example/?next=https://evil.example/&a=1+2", "https://shop.example/?a=b@c:d", "https://shop.example/店?店=店",
	} {
		got, err := s.Config(t.Context(), address+"#/a#b")
		if want := jssdk.Sign("t", "n", 1700000000, address); err != nil || got.Signature != want {
			t.Errorf("%q: got %s, %v, want %s", address, got.Signature, err, want)
		}
	}
}

func TestConfig_RefusesWhatNoBrowserHas(t *testing.T) {
	t.Parallel()
	s := service("shop.example", "evil")
	for _, address := range []string{
		"https://shop.example/a b", "https://shop.example/a\tb", "https://shop.example/\r\nx", "https://shop.example/\x00",
		"https://shop.example/\x7f",
		"https://shop.example/\u0085", "https://shop.example/\xff", " https://shop.example/", "\thttps://shop.example/",
		"ht\ntps://shop.example/",
		`https:\\shop.example/`, `https://shop.example\@evil.example/`, `https://evil.example\@shop.example/`, `https://shop.example\a`,
		`https://shop.example/a\b`,
		"https:/shop.example/", "https:///shop.example/", "https:shop.example/", "https://", "https:///", "https://?shop.example",
		"https://shop.example@evil.example/", "https://shop.example:443@evil.example/", "https://@shop.example/", "https://:@shop.example/",
		"https://evil.example?@shop.example/", "https://shop.example%2Eevil/", "https://shop%2eexample/", "https://shop.example%00/",
		"https://shop.example:/", "https://shop.example:+443/", "https://shop.example:4x3/", "https://shop.example:65979/",
		"https://shop.example:443:443/",
		"https://shop.example:000443/", "https://shop.example../", "https://.shop.example/", "https://[shop.example]/", "https://ſhop.example/",
		"httpſ://shop.example/", "https://shop。example/", "wss://shop.example/", "view-source:https://shop.example/", "file://shop.example/",
	} {
		if _, err := s.Config(t.Context(), address); !errors.Is(err, jssdk.ErrURL) {
			t.Errorf("%q: got %v, want ErrURL", address, err)
		}
	}
}

// The address bar has a host in lower case and without the default port; an
// operator may write it otherwise.
func TestConfig_ComparesHostsAsBrowsersDo(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		host, address string
		allowed       bool
	}{
		{"Shop.EXAMPLE", "https://shop.example/", true},
		{"shop.example", "HTTPS://SHOP.example/A", true},
		{"shop.example:443", "https://shop.example/", true},
		{"shop.example:80", "http://shop.example/", true},
		{"shop.example", "https://shop.example:443/", true},
		{"shop.example", "http://shop.example:80/", true},
		{"shop.example.", "https://shop.example/", true},
		{"shop.example", "https://shop.example./", true},
		{"SHOP.example.:8443", "https://shop.example:8443/", true},
		{"xn--xhq521b.example", "https://XN--xhq521b.example/", true},
		{"127.0.0.1:3000", "http://127.0.0.1:3000/", true},

		{"shop.example", "https://shop.example:80/", false},
		{"shop.example", "http://shop.example:443/", false},
		{"shop.example:443", "http://shop.example/", false},
		{"shop.example:80", "https://shop.example/", false},
		{"shop.example:8443", "https://shop.example/", false},
		{"shop.example", "https://shop.example:8443/", false},
		{"shop.example", "https://www.shop.example/", false},
		{"www.shop.example", "https://shop.example/", false},
		{"shop.example", "https://shopexample/", false},
	} {
		_, err := service(c.host).Config(t.Context(), c.address)
		if (err == nil) != c.allowed || (err != nil && !errors.Is(err, jssdk.ErrURL)) {
			t.Errorf("%s on %s: got %v, want allowed %v", c.address, c.host, err, c.allowed)
		}
	}
}

// A page that is signed is on the host that a browser would ask for it.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{"https://shop.example/", "https://shop.example:443?a", "https://a@shop.example/",
		`https://shop.example\@e/`} {
		f.Add(seed)
	}
	s := service("shop.example")
	f.Fuzz(func(t *testing.T, address string) {
		if _, err := s.Config(t.Context(), address); err != nil {
			return
		}
		origin := regexp.MustCompile(`^(?:[Hh][Tt][Tt][Pp][Ss]://[^/?#@\\]*|[Hh][Tt][Tt][Pp]://[^/?#@\\]*)`).FindString(address)
		u, err := url.Parse(origin)
		if err != nil || u.User != nil || strings.TrimSuffix(strings.ToLower(u.Hostname()), ".") != "shop.example" {
			t.Errorf("%q is signed", address)
		}
	})
}
