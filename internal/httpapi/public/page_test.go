package public_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

func TestJSSDKConfig(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["JSSDK_HOSTS"] = "shop.example"
	s := w.Serve()
	const page = "https://shop.example/card?from=店"
	var got struct {
		AppID, NonceStr, Signature string
		Timestamp                  int64
	}
	s.Get("/v1/jssdk-config?url="+url.QueryEscape(page+"#top"), "").Is(t, 200).JSON(t, &got)
	if got.AppID != w.Sim.Accounts().Official.AppID || !w.Sim.CheckWebConfig(page, got.NonceStr, got.Timestamp, got.Signature) {
		t.Errorf("got %+v", got)
	}
	p := s.Get("/v1/jssdk-config?url=https://evil.example/", "").Problem(t, 422, "invalid_input")
	if len(p.Errors) != 1 || p.Errors[0].Location != "query.url" {
		t.Errorf("errors: %+v", p.Errors)
	}
	s.Get("/v1/jssdk-config", "").Problem(t, 422, "invalid_input")
}

// A url that is not percent-encoded is cut at its &, and a + in it becomes a
// space. Only the phone would notice that another address was signed.
func TestJSSDKConfig_RefusesAURLThatIsNotEncoded(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["JSSDK_HOSTS"] = "Shop.Example:443, 127.0.0.1:3000"
	s := w.Serve()
	for _, query := range []string{
		"url=https://shop.example/card?a=1&b=2", "b=2&url=https://shop.example/card?a=1", "url=https://shop.example/card?a=1&b",
		"url=https://shop.example/&",
		"url=https://shop.example/&&", "url=https://shop.example/?a&url=b", "url=https%3A%2F%2Fshop.example%2F&url=https%3A%2F%2Fshop.example%2F",
		"url=https://shop.example/a+b", "url=https://shop.example/a%20b", "url=https%3A%2F%2Fshop.example%2Fa%20b",
		"url=https%3A%2F%2Fshop.example%2Fa+b",
		"url=+https://shop.example/", "url=https://shop.example/50%off", "url=https://shop.example/%u5E97", "url=https://shop.example/a%",
		"url=https://shop.example/?q=%E5%BA%97", "url=https://shop.example/?next=%2Fhome", "url=https://shop.example/?q=%B5%EA",
		"url=https://shop.example/a;b",
		"url=https%3A%2F%2Fshop.example%2F&debug=1", "url=https%3A%2F%2Fshop.example%2F&_=1700000000000", "url&url", "url=&a=1",
	} {
		p := s.Get("/v1/jssdk-config?"+query, "").Problem(t, 422, "invalid_input")
		if len(p.Errors) != 1 || p.Errors[0].Location != "query.url" || !strings.Contains(p.Errors[0].Message, "percent-encode url") {
			t.Errorf("%s: %+v", query, p.Errors)
		}
	}
	for _, page := range []string{
		"https://shop.example/50%off", "https://shop.example/?q=%u5E97&a=1+2", "https://shop.example/a%20b?c=%2B;d&e=f#g",
		"http://127.0.0.1:3000/?a=1&a=2&url=3", "https://shop.example",
	} {
		var got struct {
			NonceStr, Signature string
			Timestamp           int64
		}
		s.Get("/v1/jssdk-config?url="+url.QueryEscape(page), "").Is(t, 200).JSON(t, &got)
		signed, _, _ := strings.Cut(page, "#")
		if !w.Sim.CheckWebConfig(signed, got.NonceStr, got.Timestamp, got.Signature) {
			t.Errorf("%s: another address was signed", page)
		}
	}
	for query, want := range map[string]string{
		"url=https://shop.example/card?a=1": "", // the same with and without encoding
		"url=https:%2F%2Fshop.example%2Fa":  "", // as axios encodes
		"":                                  "query.url", "a=1": "query.url", "url=": "query.url", "url": "query.url",
		"url=https://evil.example/": "query.url",
	} {
		got := s.Get("/v1/jssdk-config?"+query, "")
		if want == "" {
			got.Is(t, 200)
		} else if p := got.Problem(t, 422, "invalid_input"); len(p.Errors) != 1 || p.Errors[0].Location != want {
			t.Errorf("%q: %+v", query, p.Errors)
		}
	}
}
