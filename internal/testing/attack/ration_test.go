//go:build linux

package attack

import (
	"fmt"
	"testing"
	"time"
)

// No client spends what all have in common: the calls that WeChat allows.
func TestRations_AreNotSpentByOneClient(t *testing.T) {
	const json = "Content-Type: application/json"
	login := http11("POST", "/v1/session", `{"code":"invented#########"}`, json)
	runAttacks(t, []attack{
		{name: "one code ten times in each of 30 claims", begin: sameCode, lasts: 3 * time.Second},
		{
			name: "1,200 logins a second from 20 addresses",
			begin: func(s *stage) (func(), func(before, during *tally)) {
				return s.invent(login, addresses(20), 1200)
			},
		},
		{name: "40 faces of invented cards from 1 address, then real ones", begin: inventedFaces(1), short: true},
		{name: "400 faces of invented cards from 20 addresses, then real ones", begin: inventedFaces(20)},
	})
}

// sameCode claims one code repeatedly.
func sameCode(s *stage) (func(), func(before, during *tally)) {
	s.wechat.call("DELETE", "/_sim/calls", nil, nil)
	item := fmt.Sprintf(`{"cardId":%q,"code":"invented","isSuccess":true}`, s.cardID)
	body := `{"cardList":[` + item
	for range 9 {
		body += "," + item
	}
	m := s.members[0]
	o := order{Manner: repeats, Target: s.process.public, From: addresses(1), Conns: 4, Rate: 20, For: 1500 * time.Millisecond}
	o.Requests = [][]byte{http11("POST", "/v1/claims", body+"]}", "Content-Type: application/json", "Authorization: Bearer "+m.token)}
	c := s.clients(o)
	return nil, func(_, _ *tally) {
		got, calls := c.outcome(), s.wechat.calls("/card/code/decrypt")
		s.t.Logf("claims: %v; %d calls of decrypt", got, calls)
		if calls > 30 {
			s.t.Errorf("%d calls of decrypt for one code, want one for each claim at most", calls)
		}
	}
}

// maxLoginCalls is how many calls of code2Session a second all clients together
// may cause, far above what a shop needs.
const maxLoginCalls = 300

// invent sends logins with invented codes.
func (s *stage) invent(login []byte, from []string, rate float64) (func(), func(before, during *tally)) {
	s.wechat.call("DELETE", "/_sim/calls", nil, nil)
	began := time.Now()
	c := s.clients(order{Manner: repeats, Target: s.process.public, From: from, Conns: 200, Rate: rate, Requests: [][]byte{login}}, "nice")
	var calls float64
	return func() {
			got := c.stop()
			calls = float64(s.wechat.calls(loginCall)) / time.Since(began).Seconds()
			s.t.Logf("logins: %v; %.0f calls of code2Session a second", got, calls)
		}, func(_, _ *tally) {
			if full && calls > maxLoginCalls {
				s.t.Errorf("%.0f calls of code2Session a second, want at most %d", calls, maxLoginCalls)
			}
		}
}

// inventedFaces asks for faces of invented cards, 40 in all from one address, or
// 20 from each of more. Then members ask for cards that the server must read
// from WeChat first.
func inventedFaces(from int) func(s *stage) (func(), func(before, during *tally)) {
	return func(s *stage) (func(), func(before, during *tally)) {
		real := s.wechat.newCards(10)
		s.wechat.call("DELETE", "/_sim/calls", nil, nil)
		o := order{Manner: repeats, Target: s.process.public, From: addresses(from), Conns: from, Rate: 40, For: time.Second}
		if from > 1 {
			o.Rate = 400
		}
		o.Requests = [][]byte{http11("GET", "/v1/cards/pInvented#########", "")}
		s.t.Logf("faces: %v", s.clients(o).outcome())
		return nil, func(_, _ *tally) {
			for i, id := range real {
				m := s.members[i%len(s.members)]
				body := object{"cards": []any{object{"card_id": id}}}
				if err := s.do(m.client, s.request("POST", "/v1/card-ext", m.token, body), nil); err != nil {
					s.t.Errorf("card-ext for a real card: %v", err)
				}
			}
			s.t.Logf("%d calls of /card/get", s.wechat.calls("/card/get"))
		}
	}
}
