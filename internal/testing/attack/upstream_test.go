//go:build linux

package attack

import (
	"fmt"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
)

const loginCall = "/sns/jscode2session"

// A WeChat that does not answer harms only the requests that need it.
func TestWeChat_ThatHangsHarmsOnlyWhatNeedsIt(t *testing.T) {
	const json = "Content-Type: application/json"
	login := http11("POST", "/v1/session", `{"code":"hanging#########"}`, json)
	hang := func(s *stage, o order) (func(), func(before, during *tally)) {
		s.wechat.fault(wechatsim.Fault{Path: loginCall, LatencyMS: 60_000, Times: -1})
		o.Target, o.Requests = s.process.public, [][]byte{login}
		c := s.clients(o)
		return func() {
			s.wechat.clearFaults()
			s.t.Logf("logins: %v", c.stop())
		}, nil
	}
	runAttacks(t, []attack{
		{
			name: "160 logins a second while code2Session hangs", spares: []string{"login"}, short: true,
			begin: func(s *stage) (func(), func(before, during *tally)) {
				return hang(s, order{Manner: visits, From: addresses(160), Conns: 1500, Rate: 160})
			},
		},
		{
			name: "2,000 logins that their callers leave while code2Session hangs", spares: []string{"login"},
			begin: func(s *stage) (func(), func(before, during *tally)) {
				return hang(s, order{Manner: leaves, From: addresses(200), Conns: 200, Rate: 250})
			},
		},
		{
			name: "every other call of WeChat takes 8 s", begin: slowCalls, setup: setup{members: 30},
		},
	})
}

// slowCalls slows all calls but those of logins down, and sends what needs them.
func slowCalls(s *stage) (func(), func(before, during *tally)) {
	s.wechat.fault(wechatsim.Fault{Path: loginCall, LatencyMS: 1, Times: -1})
	s.wechat.fault(wechatsim.Fault{Path: "*", LatencyMS: 8000, Times: -1})
	const json = "Content-Type: application/json"
	o := order{Manner: visits, Target: s.process.public, From: addresses(100), Conns: 1500, Rate: 150}
	for _, m := range s.members {
		token := "Authorization: Bearer " + m.token
		o.Requests = append(o.Requests,
			http11("POST", "/v1/claims", fmt.Sprintf(`{"cardList":[{"cardId":%q,"code":"invented#########"}]}`, s.cardID), json, token),
			http11("POST", "/v1/activations", fmt.Sprintf(`{"card_id":%q,"code":"1#########","activate_ticket":"invented#########"}`, s.cardID), json, token),
			http11("POST", "/v1/card-ext", `{"cards":[{"card_id":"pInvented#########"}]}`, json, token),
			http11("GET", "/v1/cards/pInvented#########", ""))
	}
	c := s.clients(o)
	return func() {
		s.wechat.clearFaults()
		s.t.Logf("what needs WeChat: %v", c.stop())
	}, nil
}
