package jssdk_test

import (
	"context"
	"errors"
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

func TestConfig_SignsOwnPagesOnly(t *testing.T) {
	t.Parallel()
	s := &jssdk.Service{AppID: "wx1", Hosts: []string{"shop.example", "shop.example:8443"}, Nonce: func() string { return "n" },
		Ticket: func(context.Context) (string, error) { return "t", nil }, Now: func() time.Time { return time.Unix(1700000000, 5) }}
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
