package push_test

import (
	"encoding/xml"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechat/push"
)

// FuzzOpen: no input panics, and only input with the right signature, computed by the
// test itself, gets an error other than ErrForged.
func FuzzOpen(f *testing.F) {
	encrypt := sealed(getCard).encrypt()
	for _, s := range []sent{plain(getCard), safe(encrypt), compat(getCard, encrypt), plain("{}"), safe(""),
		safe(encrypt).with("msg_signature", plain("").query.Get("signature")), plain(getCard).with("signature", strings.Repeat("0", 40))} {
		f.Add(s.query.Encode(), []byte(s.body))
	}
	inClear, keyed := plainReceiver(f), sealedReceiver(f)
	f.Fuzz(func(t *testing.T, rawQuery string, body []byte) {
		query, _ := url.ParseQuery(rawQuery)
		stamp := []string{query.Get("timestamp"), query.Get("nonce")}
		if _, err := inClear.Open(query, body); !errors.Is(err, push.ErrForged) && query.Get("signature") != sign(token, stamp[0], stamp[1]) {
			t.Errorf("plaintext: %v", err)
		}
		if _, err := inClear.Echo(query); err == nil && query.Get("signature") != sign(token, stamp[0], stamp[1]) {
			t.Error("echo without a signature")
		}
		if _, err := keyed.Open(query, body); !errors.Is(err, push.ErrForged) {
			var outer struct{ Encrypt string }
			if err := xml.Unmarshal(body, &outer); err != nil {
				t.Errorf("a seal in what is no XML: %v", err)
			}
			if query.Get("msg_signature") != sign(token, stamp[0], stamp[1], strings.TrimSpace(outer.Encrypt)) {
				t.Errorf("sealed: %v", err)
			}
		}
	})
}

// FuzzOpen_Sealed: authentic content is an event with the same values as encoding/xml
// reads, or an UnusableError.
func FuzzOpen_Sealed(f *testing.F) {
	for _, s := range samples() {
		f.Add([]byte(s.write(true)))
	}
	for _, elements := range []string{"", "<FromUserName>mallory</FromUserName>", "<A><B><C><D>1</D></C></B></A>", "<!--c-->",
		"<OuterStr>&amp;</OuterStr>"} {
		f.Add([]byte(message(elements)))
	}
	r := receiver(f, push.Options{AESKey: keyNow, AppID: appID})
	f.Fuzz(func(t *testing.T, inner []byte) {
		if len(inner) > push.MaxBody/2 {
			t.Skip("longer in base64 than a body")
		}
		e, err := safe(sealed(string(inner)).encrypt()).to(r)
		if err != nil {
			var useless *push.UnusableError
			if !errors.As(err, &useless) {
				t.Errorf("%v", err)
			}
			return
		}
		var other struct {
			ToUserName, FromUserName, Event, UserCardCode string

			CardID  string `xml:"CardId"`
			UnionID string `xml:"UnionId"`
		}
		if err := xml.Unmarshal(inner, &other); err != nil {
			t.Fatalf("no XML: %v", err)
		}
		for name, pair := range map[string][2]string{"ToUserName": {e.ToUserName, other.ToUserName},
			"FromUserName": {e.FromUserName, other.FromUserName},
			"Event":        {e.Name, other.Event}, "CardId": {e.CardID, other.CardID}, "UserCardCode": {e.UserCardCode, other.UserCardCode},
			"UnionId": {e.UnionID, other.UnionID}} {
			if pair[0] != strings.Trim(pair[1], " \t\r\n") {
				t.Errorf("%s is %q here and %q there", name, pair[0], pair[1])
			}
		}
		if e.FromUserName == "" || e.CreateTime <= 0 || e.CardID == "" && e.Name != push.CardPayOrder {
			t.Errorf("incomplete: %+v", e)
		}
	})
}
