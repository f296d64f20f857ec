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
		return nil, invalidField("account", "account is official or miniprogram")
	}
	if in.ErrCode == 0 {
		in.ErrCode = 40001
	}
	killed, err := a.expire(in.What, in.ErrCode, s.Now())
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
	s.official.expireTokens(40001, s.Now())
}

func (a *account) expire(what string, code int, now time.Time) (int, error) {
	switch what {
	case "access_token":
		return a.expireTokens(code, now), nil
	case "wx_card", "jsapi":
		return a.expireTickets(what, now), nil
	case "", "all":
		return a.expireTokens(code, now) + a.expireTickets("wx_card", now) + a.expireTickets("jsapi", now), nil
	}
	return 0, invalidField("what", "what is access_token, wx_card, jsapi or all")
}

func (a *account) expireTokens(code int, now time.Time) int {
	killed := 0
	for _, g := range []*accessToken{a.stable, a.legacy} {
		if g.valid(now) {
			g.killed = code
			killed++
		}
	}
	return killed
}

func (a *account) expireTickets(kind string, now time.Time) int {
	killed := 0
	for _, t := range a.tickets[kind] {
		if now.Before(t.until) {
			t.until = now
			killed++
		}
	}
	return killed
}
