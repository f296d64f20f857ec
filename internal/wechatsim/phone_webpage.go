package wechatsim

import (
	"strconv"

	"github.com/addcard/addcard/internal/wechatsim/signature"
)

type webPageRequest struct {
	URL       string `json:"url"`
	NonceStr  string `json:"nonce_str"`
	Timestamp int64  `json:"timestamp"`
	Signature string `json:"signature"`
}

func (s *Sim) checkWebPage(in webPageRequest) (any, error) {
	return object{"ok": s.CheckWebConfig(in.URL, in.NonceStr, in.Timestamp, in.Signature)}, nil
}

// CheckWebConfig calls wx.config in a web page. It reports whether the signature
// over url is right with a jsapi ticket of the Official Account that is valid now.
func (s *Sim) CheckWebConfig(url, nonce string, timestamp int64, given string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.official.tickets["jsapi"] {
		if s.Now().Before(t.until) && signature.WebPage(t.value, nonce, strconv.FormatInt(timestamp, 10), url) == given {
			return true
		}
	}
	return false
}
