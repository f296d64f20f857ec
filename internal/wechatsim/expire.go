package wechatsim

import (
	"net/http"
	"time"
)

// expireTokens plays a stranger, or WeChat itself, ending tokens early.
func (s *Sim) expireTokens(r *http.Request) (any, error) {
	in, err := decode[struct {
		What    string `json:"what"`
		Account string `json:"account"`
		ErrCode int    `json:"errcode"`
	}](r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := map[string]*account{"": s.official, "official": s.official, "miniprogram": s.mini}[in.Account]
	if a == nil {
		return nil, invalid("account", "account is official or miniprogram")
	}
	if in.ErrCode == 0 {
		in.ErrCode = 40001
	}
	killed, err := a.kill(in.What, in.ErrCode, s.Now())
	if err != nil {
		return nil, err
	}
	return object{"killed": killed}, nil
}

// ExpireAccessToken kills the Official Account's current tokens: they answer
// 40001 from now on, and the next fetch gives a new one.
func (s *Sim) ExpireAccessToken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.official.killTokens(40001, s.Now())
}

func (a *account) kill(what string, code int, now time.Time) (int, error) {
	switch what {
	case "access_token":
		return a.killTokens(code, now), nil
	case "wx_card", "jsapi":
		return a.killTickets(what, now), nil
	case "", "all":
		return a.killTokens(code, now) + a.killTickets("wx_card", now) + a.killTickets("jsapi", now), nil
	}
	return 0, invalid("what", "what is access_token, wx_card, jsapi or all")
}

func (a *account) killTokens(code int, now time.Time) int {
	killed := 0
	for _, g := range []*grant{a.stable, a.legacy} {
		if g.usable(now) {
			g.dead = code
			killed++
		}
	}
	return killed
}

func (a *account) killTickets(kind string, now time.Time) int {
	killed := 0
	for _, t := range a.tickets[kind] {
		if now.Before(t.until) {
			t.until = now
			killed++
		}
	}
	return killed
}
