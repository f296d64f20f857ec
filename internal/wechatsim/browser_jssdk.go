package wechatsim

import (
	_ "embed"
	"net/http"
	"strings"
)

// jweixin stands in for https://res.wx.qq.com/open/js/jweixin-1.6.0.js.
//
//go:embed browser_jweixin.js
var jweixin []byte

// PathJWeixin is where the simulator serves the script that stands in for WeChat's
// jweixin. A page must have loaded it from its own origin, because the script acts as
// the phone.
const PathJWeixin = "/_sim/jweixin.js"

func serveJWeixin(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/javascript; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(jweixin)
}

// configurePage is wx.config in the browser ("JS-SDK", wx.config). The page's address is
// that of the browser and not one that the page names.
func (s *Sim) configurePage(in struct {
	AppID     string `json:"app_id"`
	URL       string `json:"url"`
	NonceStr  string `json:"nonce_str"`
	Timestamp int64  `json:"timestamp"`
	Signature string `json:"signature"`
}) (any, error) {
	address, _, _ := strings.Cut(in.URL, "#")
	s.mu.Lock()
	domains := s.domains.JS
	s.mu.Unlock()
	says := "config:ok"
	switch {
	case in.AppID != s.official.AppID:
		says = "config:fail, invalid appid"
	case !isHostOf(address, domains):
		says = "config:fail, invalid url domain"
	case !s.CheckWebConfig(address, in.NonceStr, in.Timestamp, in.Signature):
		says = "config:fail, invalid signature"
	}
	s.calls.count("wx.config", says)
	return object{"errMsg": says}, nil
}
