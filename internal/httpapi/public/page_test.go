package public_test

import (
	"net/url"
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
