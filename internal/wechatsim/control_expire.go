package wechatsim

import (
	"cmp"
	"time"
)

// expireTokens ends tokens and tickets early, as another system of the account or
// WeChat itself may.
func (s *Sim) expireTokens(in struct {
	What    string `json:"what"`
	Account string `json:"account"`
	ErrCode int    `json:"errcode"`
}) (any, error) {
	a := map[string]*account{"": s.official, "official": s.official, "miniprogram": s.mini}[in.Account]
	if a == nil {
		return nil, invalidField("account", "account is official or miniprogram")
	}
	expired, err := a.expire(in.What, cmp.Or(in.ErrCode, 40001), s.Now())
	return object{"killed": expired}, err
}

// ExpireAccessToken ends the Official Account's current tokens: they answer 40001
// from now on, and the next fetch returns a new one.
func (s *Sim) ExpireAccessToken() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.official.expireTokens(40001, s.Now())
}

// expire returns how many tokens and tickets it ended.
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
	expired := 0
	for _, t := range []*accessToken{a.stable, a.legacy} {
		if t.valid(now) {
			t.killed = code
			expired++
		}
	}
	return expired
}

func (a *account) expireTickets(kind string, now time.Time) int {
	expired := 0
	for _, t := range a.tickets[kind] {
		if now.Before(t.until) {
			t.until = now
			expired++
		}
	}
	return expired
}
