package push_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechat/push"
)

// forged checks that a push is refused with the one error for forgeries.
func forged(t *testing.T, name string, r *push.Receiver, s sent) {
	t.Helper()
	e, err := s.to(r)
	if !errors.Is(err, push.ErrForged) || err.Error() != "push: not proved to come from WeChat" || e.Name != "" || e.Fields != nil {
		t.Errorf("%s: %+v, %v", name, e, err)
	}
}

// A wrong query is refused in every mode.
func TestOpen_RefusesAQueryThatIsNotWeChats(t *testing.T) {
	t.Parallel()
	for _, mode := range []struct {
		name, signature string
		to              *push.Receiver
		good            sent
	}{
		{"plaintext", "signature", plainReceiver(t), plain(getCard)},
		{"safe", "msg_signature", sealedReceiver(t), safe(sealed(getCard).encrypt())},
	} {
		good, signature := mode.good, mode.good.query.Get(mode.signature)
		// resigned has a right signature over one value of a wrong form.
		resigned := func(name, value string) sent {
			s := good.with(name, value)
			values := []string{token, s.query.Get("timestamp"), s.query.Get("nonce")}
			if mode.name == "safe" {
				values = append(values, sealed(getCard).encrypt())
			}
			return s.with(mode.signature, sign(values...))
		}
		for name, s := range map[string]sent{
			"no query":                      {url.Values{}, good.body},
			"no timestamp":                  good.with("timestamp"),
			"no nonce":                      good.with("nonce"),
			"no signature":                  good.with(mode.signature),
			"empty signature":               good.with(mode.signature, ""),
			"two timestamps":                good.with("timestamp", fmt.Sprint(when), fmt.Sprint(when)),
			"two nonces":                    good.with("nonce", nonce, "1"),
			"two signatures":                good.with(mode.signature, signature, signature),
			"two encrypt_types":             good.with("encrypt_type", "aes", "aes"),
			"upper-case signature":          good.with(mode.signature, strings.ToUpper(signature)),
			"short signature":               good.with(mode.signature, signature[:39]),
			"long signature":                good.with(mode.signature, signature+"0"),
			"signature with a space":        good.with(mode.signature, " "+signature),
			"signature of another token":    good.with(mode.signature, sign("BBBBB", fmt.Sprint(when), nonce)),
			"signature without token":       good.with(mode.signature, sign(fmt.Sprint(when), nonce)),
			"zeros":                         good.with(mode.signature, strings.Repeat("0", 40)),
			"another nonce":                 good.with("nonce", "1514711493"),
			"another timestamp":             good.with("timestamp", fmt.Sprint(when+1)),
			"timestamp of 9 digits":         resigned("timestamp", "170000000"),
			"timestamp of 11 digits":        resigned("timestamp", "17000000000"),
			"timestamp with a sign":         resigned("timestamp", "+170000000"),
			"timestamp with a minus":        resigned("timestamp", "-170000000"),
			"timestamp with a space":        resigned("timestamp", "1700000000 "),
			"timestamp with a line end":     resigned("timestamp", "1700000000\n"),
			"timestamp in hexadecimal":      resigned("timestamp", "0x65530000"),
			"timestamp with an exponent":    resigned("timestamp", "170000000e"),
			"timestamp in other digits":     resigned("timestamp", "१७००००००००"),
			"timestamp in full-width":       resigned("timestamp", "１７０００００００"),
			"nonce with a separator":        resigned("nonce", "15147-11492"),
			"nonce with an ampersand":       resigned("nonce", "1&timestamp=1"),
			"nonce with a NUL":              resigned("nonce", "1\x00"),
			"nonce in base64":               resigned("nonce", "aGk+/w=="),
			"nonce of 33 characters":        resigned("nonce", strings.Repeat("a", 33)),
			"nonce of letters beyond ASCII": resigned("nonce", "nonsé"),
			"empty nonce":                   resigned("nonce", ""),
			"encrypt_type in capitals":      good.with("encrypt_type", "AES"),
			"encrypt_type of another kind":  good.with("encrypt_type", "des"),
			"empty encrypt_type":            good.with("encrypt_type", ""),
			"a body too long":               {good.query, good.body + strings.Repeat(" ", push.MaxBody)},
		} {
			forged(t, mode.name+": "+name, mode.to, s)
		}
	}
}

// The same values under the names of their neighbours.
func TestOpen_RefusesShiftedAndBorrowedValues(t *testing.T) {
	t.Parallel()
	encrypt := sealed(getCard).encrypt()
	good, r := safe(encrypt), sealedReceiver(t)
	signature := good.query.Get("signature")
	for name, s := range map[string]sent{
		"the plain signature as msg_signature": good.with("msg_signature", signature),
		"the same with an empty Encrypt":       {good.with("msg_signature", signature).query, "<xml><Encrypt></Encrypt></xml>"},
		"the same with an empty CDATA": {good.with("msg_signature", signature).query,
			"<xml><Encrypt><![CDATA[]]></Encrypt></xml>"},
		"the same without an Encrypt": {good.with("msg_signature", signature).query, getCard},
		"a tail of the nonce as Encrypt": {good.with("msg_signature", signature).with("nonce", "15147").query,
			"<xml><Encrypt>11492</Encrypt></xml>"},
		"msg_signature as signature": good.with("signature", good.query.Get("msg_signature")).with("msg_signature"),
		"the head of Encrypt as nonce": {good.with("nonce", nonce+encrypt[:8]).query,
			strings.Replace(good.body, encrypt, encrypt[8:], 1)},
		"the Encrypt of another push":                {good.query, strings.Replace(good.body, encrypt, sealed(getCard+" ").encrypt(), 1)},
		"the captured query, plaintext of one's own": {good.query, getCard},
		"the same, Encrypt in an attribute":          {good.query, `<xml Encrypt="` + encrypt + `">` + getCard[5:]},
		"the same, Encrypt one level down": {good.query,
			strings.Replace(getCard, "</xml>", "<a><Encrypt>"+encrypt+"</Encrypt></a></xml>", 1)},
		"the same, Encrypt behind the root": {good.query, getCard + "<Encrypt>" + encrypt + "</Encrypt>"},
		"the same, Encrypt in another root": {good.query, getCard + good.body},
		"two Encrypts, the signed one first": {good.query,
			strings.Replace(good.body, "</xml>", "<Encrypt>"+encrypt+"</Encrypt></xml>", 1)},
		"Encrypt in another case": {good.query, strings.ReplaceAll(good.body, "Encrypt>", "encrypt>")},
		"Encrypt with a prefix": {good.query,
			strings.ReplaceAll(strings.ReplaceAll(good.body, "<Encrypt", "<a:Encrypt"), "</Encrypt", "</a:Encrypt")},
		"Encrypt in JSON twice":        {good.query, `{"Encrypt":"","Encrypt":"` + encrypt + `"}`},
		"Encrypt in JSON, one down":    {good.query, `{"ToUserName":{"Encrypt":"` + encrypt + `"}}`},
		"Encrypt in JSON, in a list":   {good.query, `[{"Encrypt":"` + encrypt + `"}]`},
		"Encrypt in JSON, other case":  {good.query, `{"encrypt":"` + encrypt + `"}`},
		"Encrypt in JSON, no string":   {good.query, `{"Encrypt":["` + encrypt + `"]}`},
		"Encrypt in JSON, of a push":   {good.query, `{"Encrypt":"` + sealed(getCard+" ").encrypt() + `"}`},
		"Encrypt in XML in JSON":       {good.query, `{"xml":"` + good.body + `"}`},
		"the plain event beside it":    {good.query, strings.Replace(good.body, encrypt, "", 1) + encrypt},
		"Encrypt in a dirty attribute": {good.query, `<xml a="<Encrypt>` + encrypt + `</Encrypt>"></xml>`},
		"Encrypt in dirty text":        {good.query, "<xml><OuterStr>]]> <Encrypt>" + encrypt + "</Encrypt></OuterStr></xml>"},
		"two Encrypts in dirty text": {good.query, "<xml><OuterStr>]]></OuterStr><Encrypt>" + encrypt + "</Encrypt><Encrypt>" +
			encrypt + "</Encrypt></xml>"},
		"Encrypt split by an element": {good.query,
			strings.Replace(good.body, encrypt, encrypt[:9]+"]]><b/><![CDATA["+encrypt[9:], 1)},
		"Encrypt split by a comment": {good.query,
			strings.Replace(good.body, encrypt, encrypt[:9]+"]]><!--b--><![CDATA["+encrypt[9:], 1)},
		"a DOCTYPE": {good.query, "<!DOCTYPE xml>" + good.body},
		"an entity for Encrypt": {good.query,
			`<!DOCTYPE xml [<!ENTITY e "` + encrypt + `">]><xml><Encrypt>&e;</Encrypt></xml>`},
		"no body": {good.query, ""},
		"no XML":  {good.query, "encrypt=" + url.QueryEscape(encrypt)},
		"no end":  {good.query, strings.TrimSuffix(good.body, "</xml>")},
		"a signature of no form beside a right one": good.with("signature", strings.ToUpper(signature)),
		"two signatures beside a right one":         good.with("signature", signature, signature),
		"two right msg_signatures in two cases": good.with("msg_signature", good.query.Get("msg_signature"),
			strings.ToUpper(good.query.Get("msg_signature"))),
		"plaintext that says aes":                     plain(getCard).with("encrypt_type", "aes"),
		"plaintext of another token":                  plain(getCard).with("signature", sign("BBBBB", fmt.Sprint(when), nonce)),
		"sealed, said to be raw, without a signature": good.with("encrypt_type", "raw").with("signature"),
		"sealed, not said to be, without a signature": good.with("encrypt_type").with("signature"),
	} {
		forged(t, name, r, s)
	}
}

// Each Encrypt has a right signature, as from a sender with the Token but without the
// key.
func TestOpen_RefusesSealsThatWeChatDidNotMake(t *testing.T) {
	t.Parallel()
	r, good := sealedReceiver(t), sealed(getCard)
	change := func(f func(*envelope)) string {
		e := good
		f(&e)
		return e.encrypt()
	}
	seals := map[string]string{
		"a key that was retired":  change(func(e *envelope) { e.key = keyRetired }),
		"another AppID":           change(func(e *envelope) { e.appID = "wxb11529c136998cb7" }),
		"a mini-program's AppID":  change(func(e *envelope) { e.appID = "wxba5fad812f8e6fb9" }),
		"the AppID cut":           change(func(e *envelope) { e.appID = appID[:17] }),
		"the AppID and more":      change(func(e *envelope) { e.appID = appID + "0" }),
		"the AppID twice":         change(func(e *envelope) { e.appID = appID + appID }),
		"the AppID in capitals":   change(func(e *envelope) { e.appID = strings.ToUpper(appID) }),
		"no AppID":                change(func(e *envelope) { e.appID = "" }),
		"a length of 0":           change(func(e *envelope) { e.size = 0 }),
		"a length one too short":  change(func(e *envelope) { e.size = len(getCard) - 1 }),
		"a length one too long":   change(func(e *envelope) { e.size = len(getCard) + 1 }),
		"a length over the AppID": change(func(e *envelope) { e.size = len(getCard) + len(appID) }),
		"a length over the end":   change(func(e *envelope) { e.size = len(getCard) + len(appID) + 1 }),
		"the length 0x7fffffff":   change(func(e *envelope) { e.size = 0x7fffffff }),
		"the length 0xffffffff":   change(func(e *envelope) { e.size = 0xffffffff }),
		"the length 0xffffffec":   change(func(e *envelope) { e.size = 0xffffffec }),
		"only padding": change(func(e *envelope) {
			e.random, e.message, e.appID, e.padding = "", "", "", []byte(strings.Repeat("\x20", 60))
		}),
		"nothing but zeros":           base64.StdEncoding.EncodeToString(make([]byte, 64)),
		"three blocks":                base64.StdEncoding.EncodeToString(good.cipher()[:48]),
		"one block":                   base64.StdEncoding.EncodeToString(good.cipher()[:16]),
		"a block too many":            base64.StdEncoding.EncodeToString(append(good.cipher(), make([]byte, 16)...)),
		"half a block too many":       base64.StdEncoding.EncodeToString(append(good.cipher(), make([]byte, 8)...)),
		"a byte too few":              base64.StdEncoding.EncodeToString(good.cipher()[:len(good.cipher())-1]),
		"base64 for URLs":             base64.URLEncoding.EncodeToString(withPlus(t)),
		"base64 without its end":      strings.TrimRight(good.encrypt(), "="),
		"base64 with a line end":      good.encrypt()[:76] + "\n" + good.encrypt()[76:],
		"base64 with carriage return": good.encrypt()[:76] + "\r\n" + good.encrypt()[76:],
		"base64 with a space":         good.encrypt()[:76] + " " + good.encrypt()[76:],
		"base64 with spare bits":      spareBits(t, good.encrypt()),
		"base64 with an end too many": good.encrypt() + "====",
		"base64 twice":                base64.StdEncoding.EncodeToString([]byte(good.encrypt())),
		"hexadecimal":                 fmt.Sprintf("%x", good.cipher()),
		"percent signs":               url.QueryEscape(good.encrypt()),
		"the message itself":          base64.StdEncoding.EncodeToString([]byte(getCard)[:len(getCard)/16*16]),
	}
	for n := 0; n < len(good.cipher()); n += 16 {
		if text := good.cipher()[:n]; n > 0 {
			seals[fmt.Sprintf("cut after %d bytes", n)] = base64.StdEncoding.EncodeToString(text)
		}
	}
	for name, encrypt := range seals {
		forged(t, name, r, safe(encrypt))
	}
}

// Paddings that are too short, too long, of zeros, or mixed; each fills the text to
// whole blocks.
func TestOpen_RefusesEveryWrongPadding(t *testing.T) {
	t.Parallel()
	r := sealedReceiver(t)
	for last := range 256 {
		for _, spoil := range []bool{false, true} {
			e := sealed(getCard)
			missing := 32 - (20+len(getCard)+len(appID))%32
			if last == missing && !spoil {
				continue // the right one
			}
			e.padding = []byte(strings.Repeat("\x01", missing))
			for i := range e.padding {
				e.padding[i] = byte(last)
			}
			if spoil && missing > 1 {
				e.padding[0]++
			}
			forged(t, fmt.Sprintf("padding %d × %d, spoilt %v", missing, last, spoil), r, safe(e.encrypt()))
		}
	}
}

func TestOpen_RefusesAFlippedBitInEveryBlock(t *testing.T) {
	t.Parallel()
	r, good := sealedReceiver(t), safe(sealed(getCard).encrypt())
	text := sealed(getCard).cipher()
	for i := range text {
		text[i] ^= 1 << (i % 8)
		flipped := base64.StdEncoding.EncodeToString(text)
		forged(t, fmt.Sprint("byte ", i), r, sent{good.query, safe(flipped).body})
		if i >= len(text)-32 { // padding and AppID: signed or not
			forged(t, fmt.Sprint("signed, byte ", i), r, safe(flipped))
		}
		text[i] ^= 1 << (i % 8)
	}
	if _, err := safe(base64.StdEncoding.EncodeToString(text)).to(r); err != nil {
		t.Error("the flips were not undone:", err)
	}
}

// withPlus returns a valid Encrypt with a character of standard base64 that URL-safe
// base64 does not have.
func withPlus(t *testing.T) []byte {
	t.Helper()
	for i := range 1000 {
		e := sealed(getCard)
		e.random = fmt.Sprintf("%016d", i)
		if strings.ContainsAny(e.encrypt(), "+/") {
			return e.cipher()
		}
	}
	t.Fatal("no such seal")
	return nil
}

// spareBits sets the bits of the last character that belong to no byte.
func spareBits(t *testing.T, encrypt string) string {
	t.Helper()
	text := strings.TrimRight(encrypt, "=")
	if text == encrypt {
		t.Fatal("this seal's base64 has no spare bits")
	}
	const order = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	last := strings.IndexByte(order, text[len(text)-1])
	return text[:len(text)-1] + string(order[last+1]) + encrypt[len(text):]
}
