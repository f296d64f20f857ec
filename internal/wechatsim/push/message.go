package push

import (
	"context"
	crand "crypto/rand"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/addcard/addcard/internal/wechatsim/signature"
)

// Event is one event to send, with exactly these elements.
type Event struct {
	Name         string // user_get_card…
	ToUserName   string // the account's original ID, gh_…
	FromUserName string // the person's openid in the Official Account
	CreateTime   int64  // Unix seconds by WeChat's clock
	Fields       map[string]string
}

// message is an event with what is needed to sign and seal it.
type message struct {
	event    Event
	callback Callback
	spaced   bool // white space around the CDATA, as in WeChat's own samples
	dirt     string
}

// xmlElement is one XML element of a message.
type xmlElement struct {
	name, value string
	number      bool
}

func (e xmlElement) isNumber() bool {
	return e.number && regexp.MustCompile(`^-?[0-9]+$`).MatchString(e.value)
}

// elements returns the common elements, those of the kind in its order, then the
// others by name. A field with the name of a common element replaces it.
func (m message) elements() []xmlElement {
	list := []xmlElement{{"ToUserName", m.event.ToUserName, false}, {"FromUserName", m.event.FromUserName, false},
		{"CreateTime", strconv.FormatInt(m.event.CreateTime, 10), true}, {"MsgType", "event", false}, {"Event", m.event.Name, false}}
	rest := maps.Clone(m.event.Fields)
	for i := range list {
		if value, given := rest[list[i].name]; given {
			list[i].value = value
			delete(rest, list[i].name)
		}
	}
	kind, _ := KindOf(m.event.Name)
	for _, f := range kind.Fields {
		if value, given := rest[f.Name]; given {
			list = append(list, xmlElement{f.Name, value, f.Number})
			delete(rest, f.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		list = append(list, xmlElement{name, rest[name], false})
	}
	return list
}

func (m message) xml(list []xmlElement) string {
	gap := ""
	if m.spaced {
		gap = "\n"
	}
	var b strings.Builder
	b.WriteString("<xml>")
	for _, e := range list {
		b.WriteString(gap + "<" + e.name + ">" + m.content(e) + "</" + e.name + ">")
	}
	b.WriteString(gap + "</xml>")
	return b.String()
}

func (m message) content(e xmlElement) string {
	if e.isNumber() {
		return e.value
	}
	space := ""
	if m.spaced {
		space = " "
	}
	return space + "<![CDATA[" + strings.ReplaceAll(e.value, "]]>", "]]]]><![CDATA[>") + "]]>" + space
}

// signedMessage is a message ready to send: the URL with its signatures, and the
// body in its format.
type signedMessage struct{ url, body, format string }

// sign signs with a new nonce and, unless the mode is plain, seals the message.
func (m message) sign(timestamp int64) (signedMessage, error) {
	target, err := url.Parse(m.callback.URL)
	if err != nil {
		return signedMessage{}, errors.New("url: an http or https address")
	}
	stamp, nonce := strconv.FormatInt(timestamp, 10), randomDigits(10)
	list, token := m.elements(), m.callback.Token
	query := target.Query()
	query.Set("signature", signature.Sorted(token, stamp, nonce))
	query.Set("timestamp", stamp)
	query.Set("nonce", nonce)
	query.Set("openid", list[1].value)
	if m.callback.Mode != ModePlain {
		sealed, err := sealMessage(m.callback.EncodingAESKey, randomDigits(16), m.write(list, false), m.callback.AppID)
		if err != nil {
			return signedMessage{}, err
		}
		query.Set("encrypt_type", "aes")
		query.Set("msg_signature", signature.Sorted(token, stamp, nonce, sealed))
		if m.callback.Mode == ModeSafe {
			list = list[:1]
		}
		list = append(list, xmlElement{"Encrypt", sealed, false})
	}
	target.RawQuery = query.Encode()
	return signedMessage{target.String(), m.write(list, true), m.callback.Format}, nil
}

func (m signedMessage) request(ctx context.Context) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, strings.NewReader(m.body))
	if err != nil {
		return nil, errors.New("url: an http or https address")
	}
	req.Header.Set("Content-Type", map[string]string{FormatXML: "text/xml", FormatJSON: "application/json"}[m.format])
	req.Header.Set("User-Agent", "Mozilla/4.0")
	return req, nil
}

// randomDigits returns n random digits; the first is not 0.
func randomDigits(n int) string {
	raw := make([]byte, n)
	crand.Read(raw)
	for i := range raw {
		raw[i] = '0' + raw[i]%10
	}
	if raw[0] == '0' {
		raw[0] = '1'
	}
	return string(raw)
}
