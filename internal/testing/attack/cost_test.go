//go:build linux

package attack

import (
	"fmt"
	"strings"
	"testing"
)

// A hostile request may slow honest ones down, but only so much.
const (
	maxSlowdown = 5    // times the median of before
	alwaysFine  = 10.0 // ms: a median that is no reason to complain
)

// One address at the rate that it is allowed does not slow others down.
func TestRefusals_CostLittle(t *testing.T) {
	const json, xml = "Content-Type: application/json", "Content-Type: text/xml"
	keys := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"k%d":1,`, i)
		}
		return b.String()
	}
	fixed := func(requests ...[]byte) func(*stage) [][]byte { return func(*stage) [][]byte { return requests } }
	asMembers := func(method, path, body string) func(*stage) [][]byte {
		return func(s *stage) (list [][]byte) {
			for _, m := range s.members {
				list = append(list, http11(method, path, body, json, "Authorization: Bearer "+m.token))
			}
			return list
		}
	}
	login := func(body string) func(*stage) [][]byte { return fixed(http11("POST", "/v1/session", body, json)) }
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	forwarded := "X-Forwarded-For: " + strings.Repeat("1,", 7000)
	unsigned := http11("POST", "/wechat/callback", strings.Repeat("<a>", 20000), xml)
	var list []attack
	for _, a := range []struct {
		name     string
		sealed   bool
		short    bool
		requests func(*stage) [][]byte
	}{
		{name: "60 KB of unknown keys to the login", requests: login(`{` + keys(6000) + `"code":"x"}`), short: true},
		{name: "60 KB of unknown keys to card-ext", requests: asMembers("POST", "/v1/card-ext", `{`+keys(6000)+`"cards":[]}`)},
		{name: "60 KB of unknown keys in elements", requests: asMembers("POST", "/v1/card-ext", `{"cards":[{`+keys(6000)+`"card_id":"p"}]}`)},
		{name: "one key 10,000 times", requests: login(`{` + strings.Repeat(`"a":1,`, 10000) + `"code":"x"}`)},
		{name: "60 KB of nested arrays", requests: login(`{"code":` + nested(30000) + `}`)},
		{name: "30,000 elements", requests: asMembers("POST", "/v1/card-ext", `{"cards":[`+strings.Repeat("1,", 29999)+`1]}`)},
		{name: "20,000 empty elements", requests: asMembers("POST", "/v1/claims", `{"cardList":[`+strings.Repeat("{},", 20000)+`{}]}`)},
		{name: "60 KB of text for a code", requests: login(`{"code":"` + strings.Repeat(`\u00e9`, 10000) + `"}`)},
		{name: "2,000 query parameters", requests: fixed(http11("GET", "/v1/jssdk-config?"+strings.Repeat("a=1&", 3500)+"url=x", ""))},
		{name: "a query of 15 KB", requests: fixed(http11("GET", "/v1/jssdk-config?url=https://shop.example/"+strings.Repeat("%41", 5000), ""))},
		{name: "a token of 15 KB", requests: fixed(http11("GET", "/v1/me", "", "Authorization: Bearer "+strings.Repeat("eyJhbGci.", 1600)))},
		{name: "a forged token", requests: fixed(http11("GET", "/v1/me", "", "Authorization: Bearer "+forgedToken))},
		{name: "X-Forwarded-For with 7,000 addresses", requests: fixed(http11("GET", "/healthz", "", forwarded))},
		{name: "60 KB of XML without a query", requests: fixed(unsigned), sealed: true},
		{name: "60 KB of XML with a wrong signature", requests: fixed(forgedPush(60 << 10)), sealed: true},
		{name: "60 KB of XML with a wrong signature, plain", requests: fixed(forgedPush(60 << 10))},
		{name: "the docs bundle", requests: fixed(http11("GET", bundle, ""))},
		{name: "the docs bundle with gzip", requests: fixed(http11("GET", bundle, "", "Accept-Encoding: gzip"))},
		{name: "the OpenAPI documents", requests: fixed(http11("GET", "/openapi.json", ""), http11("GET", "/openapi.yaml", ""))},
	} {
		list = append(list, attack{
			name: a.name + " a hundred times a second", setup: setup{sealed: a.sealed}, short: a.short,
			begin: func(s *stage) (func(), func(before, during *tally)) {
				o := order{Manner: repeats, Target: s.process.public, From: addresses(1), Conns: 16, Rate: 100, Requests: a.requests(s)}
				c := s.clients(o)
				return func() { s.t.Logf("attacker: %v", c.stop()) }, s.judgeSlowdown
			},
		})
	}
	runAttacks(t, list)
}

func (s *stage) judgeSlowdown(before, during *tally) {
	if got := during.median(); full && got > max(maxSlowdown*before.median(), alwaysFine) {
		s.t.Errorf("the median of honest requests rose from %.1f to %.1f ms", before.median(), got)
	}
}
