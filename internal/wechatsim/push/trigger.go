package push

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"
)

// Trigger describes one event that did not happen, for a server under
// development. Elements of the event that Fields does not name get the samples
// of [Kinds]; names that the event does not have are added; the common elements
// can be named too. Omit leaves elements out.
type Trigger struct {
	Callback
	ToUserName   string // gh_…; empty is a sample
	FromUserName string // the person's openid in the Official Account; empty is a sample
	Event        string
	CreateTime   int64 // Unix seconds; 0 is now
	Fields       map[string]string
	Omit         []string
	Dirt         string // as of a Fault
}

// Request signs and seals the event as WeChat does at this moment; each call
// makes a new timestamp and nonce. It sends nothing. The error names the field
// that is wrong.
func (t Trigger) Request(ctx context.Context) (*http.Request, error) {
	m, err := t.message()
	if err != nil {
		return nil, err
	}
	signed, err := m.sign(time.Now().Unix())
	if err != nil {
		return nil, err
	}
	return signed.request(ctx)
}

func (t Trigger) message() (message, error) {
	if err := t.normalize(); err != nil {
		return message{}, err
	}
	if err := checkDirt(t.Dirt); err != nil {
		return message{}, err
	}
	kind, known := KindOf(t.Event)
	if !known {
		return message{}, fmt.Errorf("event: %q is no card event", t.Event)
	}
	fields := map[string]string{}
	for _, f := range kind.Fields {
		fields[f.Name] = f.Sample
	}
	for name, value := range t.Fields {
		if !regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`).MatchString(name) {
			return message{}, errors.New("fields: a name is no XML name")
		}
		fields[name] = value
	}
	for _, name := range t.Omit {
		delete(fields, name)
	}
	return message{callback: t.Callback, dirt: t.Dirt, event: Event{Name: t.Event, ToUserName: cmp.Or(t.ToUserName, sampleAccount),
		FromUserName: cmp.Or(t.FromUserName, samplePerson), CreateTime: cmp.Or(t.CreateTime, time.Now().Unix()), Fields: fields}}, nil
}
