package wechatsim

import (
	"cmp"
	"context"
	crand "crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// push is one event with exactly these elements, ready to be signed and sealed.
type push struct {
	callback   Callback
	to, from   string
	event      string
	createTime int64
	fields     map[string]string
	spaced     bool // white space round the CDATA, as in WeChat's own samples
}

// Trigger builds one signed event push without a running simulator, for a
// server under development. Elements of the event that Fields does not name get
// the samples of [EventKinds]; names that the event does not have are added;
// the common elements can be named too. Omit leaves elements out.
type Trigger struct {
	Callback
	ToUserName   string // gh_…; empty is a sample
	FromUserName string // the person's openid in the Official Account; empty is a sample
	Event        string
	CreateTime   int64 // Unix seconds; 0 is now
	Fields       map[string]string
	Omit         []string
}

// Request signs and seals the event as WeChat does at this moment; each call
// makes a new timestamp and nonce. It sends nothing. The error names the member
// that is wrong.
func (t Trigger) Request(ctx context.Context) (*http.Request, error) {
	p, err := t.push()
	if err != nil {
		return nil, err
	}
	l, err := p.seal(time.Now().Unix())
	if err != nil {
		return nil, err
	}
	return l.request(ctx)
}

func (t Trigger) push() (push, error) {
	if err := t.complete(); err != nil {
		return push{}, err
	}
	kind, known := eventKind(t.Event)
	if !known {
		return push{}, fmt.Errorf("event: %q is no card event", t.Event)
	}
	p := push{callback: t.Callback, to: cmp.Or(t.ToUserName, sampleAccount), from: cmp.Or(t.FromUserName, samplePerson), event: t.Event, createTime: t.CreateTime, fields: map[string]string{}}
	if p.createTime == 0 {
		p.createTime = time.Now().Unix()
	}
	for _, f := range kind.Fields {
		p.fields[f.Name] = f.Sample
	}
	for name, value := range t.Fields {
		if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(name) {
			return push{}, errors.New("fields: a name is no XML name")
		}
		p.fields[name] = value
	}
	for _, name := range t.Omit {
		delete(p.fields, name)
	}
	return p, nil
}

// element is one XML element of a push.
type element struct {
	name, value string
	number      bool
}

// elements are the common ones, those of the kind in its order, then the rest.
func (p push) elements() []element {
	list := []element{{"ToUserName", p.to, false}, {"FromUserName", p.from, false},
		{"CreateTime", strconv.FormatInt(p.createTime, 10), true}, {"MsgType", "event", false}, {"Event", p.event, false}}
	rest := maps.Clone(p.fields)
	for i := range list {
		if value, given := rest[list[i].name]; given {
			list[i].value = value
			delete(rest, list[i].name)
		}
	}
	kind, _ := eventKind(p.event)
	for _, f := range kind.Fields {
		if value, given := rest[f.Name]; given {
			list = append(list, element{f.Name, value, f.Number})
			delete(rest, f.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		list = append(list, element{name, rest[name], false})
	}
	return list
}

func (p push) write(list []element) string {
	var b strings.Builder
	b.WriteString("<xml>")
	for _, e := range list {
		b.WriteString(p.gap() + "<" + e.name + ">" + p.value(e) + "</" + e.name + ">")
	}
	b.WriteString(p.gap() + "</xml>")
	return b.String()
}

func (p push) gap() string {
	if p.spaced {
		return "\n"
	}
	return ""
}

func (p push) value(e element) string {
	if e.number && regexp.MustCompile(`^-?[0-9]+$`).MatchString(e.value) {
		return e.value
	}
	space := ""
	if p.spaced {
		space = " "
	}
	return space + "<![CDATA[" + strings.ReplaceAll(e.value, "]]>", "]]]]><![CDATA[>") + "]]>" + space
}

// letter is a sealed push: the address with its signatures, and the body.
type letter struct {
	target string
	body   string
}

// seal signs with a new nonce and, unless the mode is plain, encrypts.
func (p push) seal(timestamp int64) (letter, error) {
	target, err := url.Parse(p.callback.URL)
	if err != nil {
		return letter{}, errors.New("url: an http or https address")
	}
	stamp, nonce, random := strconv.FormatInt(timestamp, 10), digitsOf(10), digitsOf(16)
	list := p.elements()
	query := target.Query()
	query.Set("signature", digest(p.callback.Token, stamp, nonce))
	query.Set("timestamp", stamp)
	query.Set("nonce", nonce)
	query.Set("openid", list[1].value)
	if p.callback.Mode != ModePlain {
		sealed, err := sealMessage(p.callback.EncodingAESKey, random, p.write(list), p.callback.AppID)
		if err != nil {
			return letter{}, err
		}
		query.Set("encrypt_type", "aes")
		query.Set("msg_signature", digest(p.callback.Token, stamp, nonce, sealed))
		if p.callback.Mode == ModeSafe {
			list = list[:1]
		}
		list = append(list, element{"Encrypt", sealed, false})
	}
	target.RawQuery = query.Encode()
	return letter{target.String(), p.write(list)}, nil
}

func (l letter) request(ctx context.Context) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.target, strings.NewReader(l.body))
	if err != nil {
		return nil, errors.New("url: an http or https address")
	}
	req.Header.Set("Content-Type", "text/xml")
	req.Header.Set("User-Agent", "Mozilla/4.0")
	return req, nil
}

// digitsOf returns n random digits, the first not 0.
func digitsOf(n int) string {
	raw := make([]byte, n)
	crand.Read(raw)
	for i := range raw {
		raw[i] = digits[int(raw[i])%len(digits)]
	}
	if raw[0] == '0' {
		raw[0] = '1'
	}
	return string(raw)
}
