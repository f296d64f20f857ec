package push_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechat/push"
	"github.com/addcard/addcard/internal/wechat/wirejson"
)

var base64Text = regexp.MustCompile(`([0-9A-Za-z+/]|\\/)+={0,2}`)

// FuzzOpen: no input panics, and only input with the right signature, computed by the
// test itself, gets an error other than ErrForged.
func FuzzOpen(f *testing.F) {
	encrypt := sealed(getCard).encrypt()
	dirty := "<xml><OuterStr>]]>\x01</OuterStr><Encrypt>" + encrypt + "</Encrypt></xml>"
	for _, s := range []sent{plain(getCard), safe(encrypt), safeBody(encrypt, dirty), safeBody(encrypt, `{"Encrypt":"`+encrypt+`"}`),
		compat(getCard, encrypt), plain("{}"), safe(""),
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
			signed := func(encrypt []byte) bool {
				return query.Get("msg_signature") == sign(token, stamp[0], stamp[1], strings.ReplaceAll(string(encrypt), `\/`, "/"))
			}
			if !slices.ContainsFunc(base64Text.FindAll(body, -1), signed) {
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
		"<OuterStr>&amp;</OuterStr>", "<OuterStr><![CDATA[\x01]\x00]>\xe6]]></OuterStr>"} {
		f.Add([]byte(message(elements)))
	}
	f.Add([]byte(jsonDel))
	f.Add([]byte("\x00" + strings.Replace(jsonDel, "home", "\x01\\u0000\xe6", 1)))
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
		other := readOtherwise(t, inner)
		for name, value := range map[string]string{"ToUserName": e.ToUserName, "FromUserName": e.FromUserName, "Event": e.Name,
			"CardId": e.CardID, "UserCardCode": e.UserCardCode, "UnionId": e.UnionID} {
			if value != other[name] {
				t.Errorf("%s is %q here and %q there", name, value, other[name])
			}
		}
		if e.FromUserName == "" || e.CreateTime <= 0 || e.CardID == "" && e.Name != push.CardPayOrder {
			t.Errorf("incomplete: %+v", e)
		}
	})
}

// readOtherwise reads a message with the standard library, and removes from its texts
// what is not allowed in them.
func readOtherwise(t *testing.T, inner []byte) map[string]string {
	t.Helper()
	const bad = "\ufffd"
	mark := func(c rune) rune {
		if c < ' ' && !strings.ContainsRune(" \t\r\n", c) || c == '\ufffe' || c == '\uffff' {
			return '\ufffd'
		}
		return c
	}
	marked := strings.TrimLeft(strings.Map(mark, string(inner)), bad+"\ufeff")
	other := map[string]string{}
	if strings.HasPrefix(strings.TrimLeft(marked, " \t\r\n"), "<") {
		var doc struct {
			Elements []struct {
				XMLName xml.Name
				Text    string `xml:",chardata"`
			} `xml:",any"`
		}
		if err := xml.Unmarshal([]byte(marked), &doc); err != nil {
			t.Fatalf("no XML: %v", err)
		}
		for _, e := range doc.Elements {
			other[e.XMLName.Local] = e.Text
		}
	} else {
		var doc map[string]json.RawMessage
		if err := json.Unmarshal(wirejson.Mend([]byte(marked)), &doc); err != nil {
			t.Fatalf("no JSON: %v", err)
		}
		for name, value := range doc {
			text := ""
			if json.Unmarshal(value, &text) != nil {
				text = string(value)
			}
			other[name] = text
		}
	}
	for name, text := range other {
		other[name] = strings.Trim(strings.ReplaceAll(strings.Map(mark, text), bad, ""), " \t\r\n")
	}
	return other
}
