//go:build linux

package attack

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/server"
)

// connections is the number of connections of the attacks on the slots.
const connections = 1100

// slow is an attack by many connections.
type slow struct {
	name     string
	manner   string
	admin    bool // on the operator's listener
	from     int  // addresses
	conns    int  // connections if 0
	rate     float64
	requests func(s *stage) [][]byte
	head     int // bytes that are sent at once; -1: all but the body
	sealed   bool
	members  int
	short    bool
}

func (a slow) attack() attack {
	return attack{
		name: fmt.Sprintf("%s, from %d", a.name, a.from), setup: setup{sealed: a.sealed, members: a.members}, short: a.short,
		begin: func(s *stage) (end func(), judge func(before, during *tally)) {
			o := order{Manner: a.manner, Target: s.process.public, From: addresses(a.from), Conns: a.conns, Rate: a.rate, Head: a.head}
			if o.Conns == 0 {
				o.Conns = connections
			}
			if a.admin {
				o.Target = s.process.admin
			}
			if a.requests != nil {
				o.Requests = a.requests(s)
			}
			if a.head < 0 {
				o.Head = strings.Index(string(o.Requests[0]), "\r\n\r\n") + 4
			}
			c := s.clients(o)
			return func() { s.t.Logf("attackers: %v", c.stop()) }, nil
		},
	}
}

// Slow and silent connections, and forged requests, take nothing from others.
func TestSlots_AreNotTakenByConnectionsThatProveNothing(t *testing.T) {
	const json = "Content-Type: application/json"
	body := strings.Repeat("x", 600)
	one := func(request []byte) func(*stage) [][]byte { return func(*stage) [][]byte { return [][]byte{request} } }
	callback := http11("POST", "/wechat/callback", body, "Content-Type: text/xml")
	session := http11("POST", "/v1/session", `{"code":"`+body+`"}`, json)
	chunked := http11("POST", "/v1/session", "", json, "Transfer-Encoding: chunked")
	chunked = append(chunked, "258\r\n{\"code\":\""+body...)
	cardExt := http11("POST", "/v1/card-ext", `{"cards":[{"card_id":"`+body+`"}]}`, json, "Authorization: Bearer "+forgedToken)
	entries := http11("POST", "/v1/cards/pCard/codes/1/entries", `{"add_bonus":1,"record_bonus":"`+body+`"}`, json)
	get, me := http11("GET", "/healthz", ""), http11("GET", "/v1/me", "")
	export := http11("GET", "/v1/members/export", "", "Authorization: Bearer "+server.AdminToken)
	forged := func(*stage) [][]byte { return [][]byte{forgedPush(600)} }
	large := func(*stage) [][]byte { return [][]byte{forgedPush(60 << 10)} }
	var list []attack
	for _, a := range []slow{
		{name: "POST /wechat/callback a byte a second", manner: drips, from: 1, requests: one(callback), head: -1, short: true},
		{name: "POST /wechat/callback a byte a second", manner: drips, from: 20, requests: one(callback), head: -1, sealed: true},
		{name: "POST /wechat/callback a byte a second", manner: drips, from: 200, requests: one(callback), head: -1},
		{name: "POST /wechat/callback with a wrong signature a byte a second", manner: drips, from: 20, requests: forged, head: -1, sealed: true},
		{name: "POST /v1/session a byte a second", manner: drips, from: 1, requests: one(session), head: -1},
		{name: "POST /v1/session a byte a second", manner: drips, from: 20, requests: one(session), head: -1, sealed: true},
		{name: "POST /v1/session in chunks a byte a second", manner: drips, from: 20, requests: one(chunked), head: -1},
		{name: "POST /v1/card-ext with a forged token a byte a second", manner: drips, from: 1, requests: one(cardExt), head: -1},
		{name: "POST /v1/card-ext with a forged token a byte a second", manner: drips, from: 20, requests: one(cardExt), head: -1},
		{name: "POST entries without a token a byte a second", manner: drips, admin: true, from: 1, requests: one(entries), head: -1},
		{name: "POST entries without a token a byte a second", manner: drips, admin: true, from: 20, requests: one(entries), head: -1},
		{name: "headers a byte a second", manner: drips, from: 1, requests: one(get), head: 20},
		{name: "headers a byte a second", manner: drips, from: 20, requests: one(get), head: 20, sealed: true},
		{name: "headers a byte a second to the operator's listener", manner: drips, admin: true, from: 20, requests: one(get), head: 20},
		{name: "silent connections", manner: silent, from: 1},
		{name: "silent connections", manner: silent, from: 20},
		{name: "silent connections to the operator's listener", manner: silent, admin: true, from: 20},
		{name: "idle kept connections", manner: idles, from: 1, requests: one(get)},
		{name: "idle kept connections", manner: idles, from: 20, requests: one(get), short: true},
		{name: "idle kept connections to the operator's listener", manner: idles, admin: true, from: 20, requests: one(get)},
		{name: "forged pushes at full rate", manner: repeats, from: 1, conns: 20, requests: forged},
		{name: "forged pushes at full rate", manner: repeats, from: 20, conns: 40, requests: forged, sealed: true},
		{name: "forged pushes of 60 KiB at full rate", manner: repeats, from: 20, conns: 40, requests: large},
		{name: "requests without a token that wait for no answer", manner: floods, from: 1, conns: 120, requests: one(me)},
		{name: "requests without a token that wait for no answer", manner: floods, from: 100, conns: 120, requests: one(me)},
		{name: "probes that wait for no answer", manner: floods, from: 100, conns: 120, requests: one(get)},
		{
			name: "requests to the operator's listener that wait for no answer", manner: floods, admin: true, from: 1, conns: 120,
			requests: one(me),
		},
		{name: "docs read slowly", manner: sips, from: 1, requests: one(http11("GET", bundle, ""))},
		{name: "docs read slowly", manner: sips, from: 20, requests: one(http11("GET", bundle, ""))},
		{name: "the export read slowly by an operator", manner: sips, admin: true, from: 1, conns: 100, members: 300, requests: one(export)},
	} {
		list = append(list, a.attack())
	}
	runAttacks(t, list)
}

// bundle is the largest answer that needs no token.
const bundle = "/docs/swagger-ui-bundle.js"

// forgedToken has the form of a session token.
const forgedToken = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCIsImtpZCI6ImsxIn0." +
	"eyJpc3MiOiJhZGRjYXJkIiwiYXVkIjoiYWRkY2FyZCIsInN1YiI6IjAxOGYwMDAwLTAwMDAtNzAwMC04MDAwLTAwMDAwMDAwMDAwMSIsImp0aSI6IngiLCJpYXQiOjE3MDAwMDAwMDAsImV4cCI6NDAwMDAwMDAwMH0." +
	"c2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF0dXJlc2lnbmF"

// forgedPush returns a push with the right form, a fresh timestamp and a wrong
// signature.
func forgedPush(size int) []byte {
	timestamp, nonce := fmt.Sprint(time.Now().Unix()), "1234567890"
	parts := []string{"a wrong token", timestamp, nonce}
	slices.Sort(parts)
	sum := sha1.Sum([]byte(strings.Join(parts, "")))
	signature := hex.EncodeToString(sum[:])
	query := "?signature=" + signature + "&timestamp=" + timestamp + "&nonce=" + nonce
	body := "<xml><ToUserName><![CDATA[gh_0]]></ToUserName>" + strings.Repeat("<A>1</A>", size/8) + "</xml>"
	return http11("POST", "/wechat/callback"+query, body, "Content-Type: text/xml")
}
