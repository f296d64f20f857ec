//go:build linux

package attack

import (
	"sync"
	"testing"
	"time"
)

// A Date header of WeChat's that is wrong ends no session and revives none.
func TestClock_WrongDatesTouchNoSession(t *testing.T) {
	const minute = 70 * time.Second // long enough for a purge of the logouts, once a minute
	var list []attack
	for _, a := range []struct {
		name  string
		lie   dateLie
		lasts time.Duration
		short bool
	}{
		{"Date is 3 h ahead for a minute", dateLie{Shift: 3 * time.Hour, Times: -1}, minute, true},
		{"Date is 3 h behind", dateLie{Shift: -3 * time.Hour, Times: -1}, 10 * time.Second, false},
		{"Date is 90 days ahead", dateLie{Shift: 90 * 24 * time.Hour, Times: -1}, 10 * time.Second, false},
		{"one Date is in 2001", dateLie{Date: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC), Times: 1}, 4 * time.Second, false},
		{"one Date is in 9999", dateLie{Date: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), Times: 1}, 4 * time.Second, true},
	} {
		list = append(list, attack{name: a.name, short: a.short, lasts: a.lasts, begin: func(s *stage) (func(), func(before, during *tally)) {
			dead := s.logOut()
			stop := s.watchLogout(dead)
			for range 3 {
				s.wechat.lie(a.lie)
				if _, err := s.logIn(true); err != nil { // makes WeChat answer once
					s.t.Error(err)
				}
				s.checkSessions(s.members)
			}
			meanwhile := s.newMember(4500)
			return func() { s.wechat.lie(dateLie{}) }, func(_, _ *tally) {
				after := s.newMember(5000)
				s.checkSessions(append(s.members, meanwhile, after))
				s.traffic(nil).during(time.Second)
				stop()
			}
		}})
	}
	runAttacks(t, list)
}

// checkSessions fails the test if a member's session is not accepted.
func (s *stage) checkSessions(members []*member) {
	refused := 0
	var example error
	for _, m := range members {
		if err := s.do(m.client, s.request("GET", "/v1/me", m.token, nil), nil); err != nil {
			refused, example = refused+1, err
		}
	}
	if refused > 0 {
		s.t.Errorf("%d of %d sessions were refused: %v", refused, len(members), example)
	}
}

// logOut logs a member in and out, and returns the dead token.
func (s *stage) logOut() (token string) {
	s.t.Helper()
	m := s.newMember(4000)
	s.ask(s.request("DELETE", "/v1/session", m.token, nil), nil)
	return m.token
}

// watchLogout fails the test if a token of a session that was ended is accepted,
// until stop is called.
func (s *stage) watchLogout(token string) (stop func()) {
	var wg sync.WaitGroup
	ended := make(chan struct{})
	c := clientFrom("127.0.0.14", true)
	wg.Go(func() {
		for {
			if err := s.do(c, s.request("GET", "/v1/me", token, nil), nil); err == nil {
				s.t.Errorf("GET /v1/me: 200 for a session that was ended")
				return
			}
			select {
			case <-ended:
				return
			case <-time.After(interval):
			}
		}
	})
	return func() { close(ended); wg.Wait() }
}
