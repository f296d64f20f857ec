package push_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechat/push"
)

func isGetCard(t *testing.T, e push.Event, err error) {
	t.Helper()
	if err != nil || e.Name != push.UserGetCard || e.FromUserName != openID || e.UserCardCode != "A1B2C3" {
		t.Errorf("%+v, %v", e, err)
	}
}

func reason(t *testing.T, err error) string {
	t.Helper()
	var useless *push.UnusableError
	if !errors.As(err, &useless) {
		t.Errorf("%v, want an UnusableError", err)
		return ""
	}
	return useless.Reason
}

func TestOpen_TakesEachMode(t *testing.T) {
	t.Parallel()
	encrypt := sealed(getCard).encrypt()
	for name, c := range map[string]struct {
		push sent
		to   *push.Receiver
	}{
		"plaintext":                         {plain(getCard), plainReceiver(t)},
		"plaintext, said so":                {plain(getCard).with("encrypt_type", "raw"), plainReceiver(t)},
		"plaintext, other parameters":       {plain(getCard).with("shop", "a", "b"), plainReceiver(t)},
		"compatible, read in the clear":     {compat(getCard, encrypt), plainReceiver(t)},
		"compatible":                        {compat(getCard, encrypt), sealedReceiver(t)},
		"safe":                              {safe(encrypt), sealedReceiver(t)},
		"safe, without the plain signature": {safe(encrypt).with("signature"), sealedReceiver(t)},
		"safe, spaced": {safeBody(encrypt, "\n<xml>\r\n\t<ToUserName> <![CDATA[gh]]> </ToUserName> <Encrypt>\n<![CDATA["+encrypt+
			"]]>\n</Encrypt></xml>\n"), sealedReceiver(t)},
		"any account": {safe(encrypt), receiver(t, push.Options{AESKey: keyNow, AppID: appID})},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := c.push.to(c.to)
			isGetCard(t, e, err)
		})
	}
}

// Symptom: an authentic push got 403, because of a text in its unencrypted part.
func TestOpen_JudgesOnlyWhatIsSealed(t *testing.T) {
	t.Parallel()
	encrypt := sealed(getCard).encrypt()
	body := func(clear string) string {
		return "<xml>" + clear + "<Encrypt><![CDATA[" + encrypt + "]]></Encrypt></xml>"
	}
	const head = "<ToUserName><![CDATA[gh_3fcea188bf78]]></ToUserName>"
	for name, text := range map[string]string{
		"a control character":      body(head + "<OuterStr><![CDATA[\x01]]></OuterStr>"),
		"NULs":                     "\x00" + body("\x00"+head+"<OuterStr>\x00</OuterStr>\x00") + "\x00\x00",
		"a cut character":          body(head + "<OuterStr><![CDATA[\xe6\x9c]]></OuterStr>"),
		"the end of a CDATA":       body(head + "<OuterStr><![CDATA[a]]>b]]></OuterStr>"),
		"only the end of a CDATA":  body(head + "<OuterStr>]]></OuterStr>"),
		"the start of a CDATA":     body(head + "<OuterStr><![CDATA[a<![CDATA[b]]></OuterStr>"),
		"ends of CDATA":            body(head+"<OuterStr>]]>]]>\x01]]</OuterStr>") + "\r\n",
		"an ampersand":             body(head + "<OuterStr>a&b&nbsp;</OuterStr>"),
		"less than":                body(head + "<OuterStr>a<b < c></OuterStr>"),
		"a break-out":              body(head + "<OuterStr><![CDATA[]]></OuterStr><FromUserName>mallory</FromUserName><OuterStr>]]></OuterStr>"),
		"an element twice":         body(head + head),
		"an empty element":         body("<OuterStr>]]></OuterStr><UnionId/>"),
		"an attribute":             body(`<ToUserName a="b">x</ToUserName>`),
		"text between elements":    body(head + "text" + head),
		"dirt behind the Encrypt":  "<xml><Encrypt>" + encrypt + "</Encrypt><OuterStr>]]>\x01</OuterStr></xml>",
		"spaced":                   "\ufeff<xml>\n<OuterStr>]]></OuterStr>\n<Encrypt> <![CDATA[\n" + encrypt + "\n]]>\r\n</Encrypt>\n</xml>\n",
		"an XML declaration":       `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + body("<OuterStr>]]></OuterStr>"),
		"JSON":                     `{"ToUserName":"gh_3fcea188bf78","Encrypt":"` + encrypt + `"}`,
		"JSON, spaced":             "\ufeff {\n\t\"Encrypt\" : \"" + encrypt + "\" }\x00",
		"JSON, escaped":            `{"Encrypt":"` + strings.ReplaceAll(encrypt, "/", `\/`) + `"}`,
		"JSON, control characters": "{\"OuterStr\":\"\x00\x08\xe6\",\"Encrypt\":\"" + encrypt + "\"}",
		"JSON, a quote":            `{"OuterStr":"a"b","Encrypt":"` + encrypt + `","Event":"x"}`,
		"JSON, a quote, escaped":   `{"OuterStr":"a"b","Encrypt":"` + strings.ReplaceAll(encrypt, "/", `\/`) + `"}`,
		"JSON, a quote, by number": `{"OuterStr":"a"b","Encrypt":"` + strings.ReplaceAll(encrypt, "=", `\u003d`) + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e, err := safeBody(encrypt, text).to(sealedReceiver(t))
			isGetCard(t, e, err)
			forged(t, name, sealedReceiver(t), safeBody(encrypt, text).with("msg_signature", strings.Repeat("0", 40)))
		})
	}
}

// JSON that is broken beside the Encrypt must have exactly one.
func TestOpen_RefusesBrokenJSONWithoutOneEncrypt(t *testing.T) {
	t.Parallel()
	encrypt := sealed(getCard).encrypt()
	for name, members := range map[string]string{
		"none": `"Event":"x"`, "of another name": `"encrypt":"` + encrypt + `"`, "no text": `"Encrypt":{}`,
		"two": `"Encrypt":"` + encrypt + `","Encrypt":"` + encrypt + `"`, "one more": `"Encrypt":"` + encrypt + `","Encrypt":{}`,
	} {
		forged(t, name, sealedReceiver(t), safeBody(encrypt, `{"OuterStr":"a"b",`+members+`}`))
	}
}

func TestOpen_NeverBelievesWhatIsNotSealed(t *testing.T) {
	t.Parallel()
	mallory := strings.NewReplacer(openID, "mallory", "A1B2C3", "666").Replace(getCard)
	e, err := compat(mallory, sealed(getCard).encrypt()).to(sealedReceiver(t))
	isGetCard(t, e, err)

	_, err = compat(
		getCard,
		sealed(`<xml><ToUserName>gh_3fcea188bf78</ToUserName><MsgType>text</MsgType></xml>`).encrypt(),
	).to(
		sealedReceiver(t),
	)
	if got := reason(t, err); got != push.NotAnEvent {
		t.Error(got)
	}
}

func TestOpen_TakesThePreviousKeyUntilItIsGone(t *testing.T) {
	t.Parallel()
	e := sealed(getCard)
	e.key = keyBefore
	event, err := safe(e.encrypt()).to(sealedReceiver(t))
	isGetCard(t, event, err)
	if _, err := safe(e.encrypt()).to(receiver(t, push.Options{AESKey: keyNow, AppID: appID})); !errors.Is(err, push.ErrForged) {
		t.Error(err)
	}
}

func TestOpen_OpensASealOfEveryLength(t *testing.T) {
	t.Parallel()
	for n := range 70 {
		filled := strings.Replace(getCard, "mp_home", strings.Repeat("x", n), 1)
		e, err := safe(sealed(filled).encrypt()).to(sealedReceiver(t))
		if err != nil || len(e.OuterStr) != n {
			t.Errorf("%d: %q, %v", n, e.OuterStr, err)
		}
	}
}

func TestOpen_TakesTenMinutesByEitherClock(t *testing.T) {
	t.Parallel()
	const far = 90 * 60
	for _, c := range []struct {
		local, wechat int64 // seconds after the push's timestamp; 0 for wechat is none
		fresh         bool
	}{
		{0, 0, true}, {600, 0, true}, {-600, 0, true}, {601, 0, false}, {-601, 0, false},
		{far, 0, false}, {far, 5, true}, {5, far, true}, {5, -far, true}, {far, far, false}, {far, 601, false}, {-far, -600, true},
	} {
		o := push.Options{Now: at(when + c.local)}
		if c.wechat != 0 {
			o.WeChatNow = at(when + c.wechat)
		}
		_, err := plain(getCard).to(receiver(t, o))
		if c.fresh && err != nil || !c.fresh && !errors.Is(err, push.ErrStale) {
			t.Errorf("local %+d, WeChat %+d: %v", c.local, c.wechat, err)
		}
		o.AESKey, o.AppID = keyNow, appID
		_, err = safe(sealed(getCard).encrypt()).to(receiver(t, o))
		if c.fresh && err != nil || !c.fresh && !errors.Is(err, push.ErrStale) {
			t.Errorf("sealed, local %+d, WeChat %+d: %v", c.local, c.wechat, err)
		}
	}
}

func TestOpen_GoesByTheLocalClockWhenNoneIsGiven(t *testing.T) {
	t.Parallel()
	r, err := push.New(token, push.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := fmt.Sprint(time.Now().Unix())
	if _, err := r.Open(stamped(now, nonce), []byte(getCard)); err != nil {
		t.Error(err)
	}
}

// A replayed push and a push in the wrong mode get the same answer as a forged one; the
// operator's log has the difference.
func TestErrors_OfARightSignatureAreStillForged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		push sent
		to   *push.Receiver
		want error
	}{
		{plain(getCard), sealedReceiver(t), push.ErrMode},
		{plain(getCard).with("encrypt_type", "raw"), sealedReceiver(t), push.ErrMode},
		{safe(sealed(getCard).encrypt()), plainReceiver(t), push.ErrMode},
		{plain(getCard), receiver(t, push.Options{Now: at(when + 3600)}), push.ErrStale},
	} {
		_, err := c.push.to(c.to)
		if !errors.Is(err, c.want) || !errors.Is(err, push.ErrForged) {
			t.Errorf("%v, want %v", err, c.want)
		}
	}
}

func TestEcho_Refuses(t *testing.T) {
	t.Parallel()
	good := plain("").with("echostr", "4375120948345356249")
	if got, err := sealedReceiver(t).Echo(good.query); got != "4375120948345356249" || err != nil {
		t.Errorf("safe mode: %q, %v", got, err)
	}
	for name, s := range map[string]sent{
		"no echostr":       good.with("echostr"),
		"an empty echostr": good.with("echostr", ""),
		"a script":         good.with("echostr", "<script>alert(1)</script>"),
		"a line end":       good.with("echostr", "1\n"),
		"a minus":          good.with("echostr", "-1"),
		"65 characters":    good.with("echostr", strings.Repeat("1", 65)),
		"two echostr":      good.with("echostr", "1", "2"),
		"no signature":     good.with("signature"),
		"another one":      good.with("signature", sign("other", fmt.Sprint(when), nonce)),
		"upper case":       good.with("signature", strings.ToUpper(good.query.Get("signature"))),
		"another nonce":    good.with("nonce", "1"),
		"two nonces":       good.with("nonce", nonce, nonce),
	} {
		if got, err := plainReceiver(t).Echo(s.query); got != "" || !errors.Is(err, push.ErrForged) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got, err := receiver(t, push.Options{Now: at(when + 601)}).Echo(good.query); !errors.Is(err, push.ErrForged) {
		t.Errorf("stale: %q, %v", got, err)
	}
}

func TestNew_NamesEverythingThatIsWrongAndNoValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		token string
		o     push.Options
		want  []string
	}{
		{"", push.Options{AESKey: keyNow}, []string{"token", "AppID"}},
		{token, push.Options{PreviousAESKey: keyNow}, []string{"previous"}},
		{token, push.Options{AESKey: keyNow[:42], PreviousAESKey: keyNow + "A", AppID: appID}, []string{"push: AES key", "previous AES key"}},
		{token, push.Options{AESKey: strings.Repeat("-", 43), AppID: appID}, []string{"AES key"}},
		{token, push.Options{AESKey: keyNow[:42] + "\n", AppID: appID}, []string{"AES key"}},
	} {
		r, err := push.New(c.token, c.o)
		if err == nil || r != nil {
			t.Errorf("%+v: no error", c.o)
			continue
		}
		for _, word := range c.want {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%v does not name the %s", err, word)
			}
		}
		if strings.Contains(err.Error(), keyNow[:10]) {
			t.Errorf("%v shows a key", err)
		}
	}
}

func TestReceiver_PrintsNoSecret(t *testing.T) {
	t.Parallel()
	r := sealedReceiver(t)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if got := fmt.Sprintf(verb, r); got != "push.Receiver" {
			t.Errorf("%s: %s", verb, got)
		}
	}
}

func TestOpen_IsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	r, s := sealedReceiver(t), safe(sealed(getCard).encrypt())
	done := make(chan error)
	for range 8 {
		go func() {
			var first error
			for range 50 {
				if _, err := s.to(r); err != nil {
					first = err
				}
			}
			done <- first
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestOpen_ChangesNeitherQueryNorBody(t *testing.T) {
	t.Parallel()
	s := safe(sealed(getCard).encrypt())
	body, query := []byte(s.body), s.query.Encode()
	if _, err := sealedReceiver(t).Open(s.query, body); err != nil {
		t.Fatal(err)
	}
	if string(body) != s.body || s.query.Encode() != query {
		t.Error("changed")
	}
	if _, err := sealedReceiver(t).Open(url.Values{}, nil); !errors.Is(err, push.ErrForged) {
		t.Error(err)
	}
}
