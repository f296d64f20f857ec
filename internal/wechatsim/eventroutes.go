package wechatsim

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

func eventControls() []control {
	return []control{
		{"PUT /_sim/callback", `{"url","token","encoding_aes_key","mode","app_id"}: where events go; an empty url turns them off`, (*Sim).setCallback},
		{"POST /_sim/callback/verify", "asks the callback as WeChat does when it is entered: is echostr returned?", (*Sim).verifyCallback},
		{"GET /_sim/events", "the delivery log and the event faults; ?event= filters", (*Sim).showEvents},
		{"POST /_sim/events/faults", `{"event","times","skip","duplicate","late_seconds","reorder","drop"}`, (*Sim).addEventFault},
		{"DELETE /_sim/events/faults", "forget them", (*Sim).clearEventFaults},
		{"POST /_sim/events/trigger", `{"event","fields":{},"user","to","twice","late_seconds"}: pushes one event that did not happen; a field that is null is left out`, (*Sim).triggerEvent},
	}
}

func (s *Sim) setCallback(r *http.Request) (any, error) {
	in, err := decode[Callback](r)
	if err != nil {
		return nil, err
	}
	if err := s.SetCallback(in); err != nil {
		return nil, err
	}
	return object{"url": in.URL}, nil
}

// SetCallback changes where events go while the Sim runs; no URL is nowhere. The
// error names the member that is wrong, and then nothing changes.
func (s *Sim) SetCallback(c Callback) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.URL == "" {
		s.callback = Callback{}
		return nil
	}
	return s.pushTo(c)
}

// verifyCallback is the check that WeChat makes when a merchant enters a URL.
func (s *Sim) verifyCallback(r *http.Request) (any, error) {
	s.mu.Lock()
	c := s.callback
	s.mu.Unlock()
	if c.URL == "" {
		return nil, invalid("url", "no callback is set; PUT /_sim/callback first")
	}
	target, err := url.Parse(c.URL)
	if err != nil {
		return nil, err
	}
	stamp, nonce, echo := strconv.FormatInt(time.Now().Unix(), 10), digitsOf(10), digitsOf(19)
	q := target.Query()
	q.Set("signature", digest(c.Token, stamp, nonce))
	q.Set("timestamp", stamp)
	q.Set("nonce", nonce)
	q.Set("echostr", echo)
	target.RawQuery = q.Encode()
	return s.post.verify(r.Context(), target.String(), echo), nil
}

func (p *postman) verify(ctx context.Context, target, echo string) object {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return object{"ok": false, "outcome": "unreachable"}
	}
	res, err := p.client.Do(req)
	if err != nil {
		return object{"ok": false, "outcome": failure(err)}
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	ok := err == nil && res.StatusCode == http.StatusOK && string(body) == echo
	return object{"ok": ok, "status": res.StatusCode, "outcome": map[bool]string{true: "success", false: "answer"}[ok]}
}

func (s *Sim) showEvents(r *http.Request) (any, error) {
	list := []Delivery{}
	for _, d := range s.Deliveries() {
		if want := r.URL.Query().Get("event"); want == "" || want == d.Event {
			list = append(list, d)
		}
	}
	return object{"events": list, "faults": s.post.faults()}, nil
}

func (s *Sim) addEventFault(r *http.Request) (any, error) {
	f, err := decode[EventFault](r)
	if err != nil {
		return nil, err
	}
	if err := s.AddEventFault(f); err != nil {
		return nil, err
	}
	return object{"faults": s.post.faults()}, nil
}

func (s *Sim) clearEventFaults(*http.Request) (any, error) {
	s.post.clearFaults()
	return object{"faults": s.post.faults()}, nil
}

// triggerRequest is the body of POST /_sim/events/trigger.
type triggerRequest struct {
	Event       string                     `json:"event"`
	Fields      map[string]json.RawMessage `json:"fields"`
	User        string                     `json:"user"` // whose event; their first card is the default one
	To          string                     `json:"to"`   // instead of the callback's URL
	Twice       bool                       `json:"twice"`
	LateSeconds float64                    `json:"late_seconds"`
}

// triggerEvent answers when the event is delivered or given up, or at once if it
// is to be late.
func (s *Sim) triggerEvent(r *http.Request) (any, error) {
	in, err := decode[triggerRequest](r)
	if err != nil {
		return nil, err
	}
	if in.LateSeconds < 0 || in.LateSeconds > 3600 {
		return nil, invalid("late_seconds", "late_seconds is 0 to 3600")
	}
	it, err := s.triggered(in)
	if err != nil {
		return nil, err
	}
	it.late = seconds(in.LateSeconds)
	if in.Twice {
		it.again = 1
	}
	s.post.post(it)
	if it.late == 0 {
		select {
		case <-it.done:
		case <-r.Context().Done():
		}
	}
	return s.post.copyOf(it.delivery), nil
}

func (p *postman) copyOf(d *Delivery) Delivery {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := *d
	out.Tries = append([]Try{}, d.Tries...)
	return out
}

func (s *Sim) triggered(in triggerRequest) (*parcel, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := Trigger{Callback: s.callback, ToUserName: s.official.OriginalID, Event: in.Event, CreateTime: s.Now().Unix()}
	if in.To != "" {
		t.URL = in.To
	}
	if t.URL == "" {
		return nil, invalid("to", "no callback is set; give to, or PUT /_sim/callback first")
	}
	if in.User == "" {
		in.User = "ann"
	}
	p, err := s.person(in.User)
	if err != nil {
		return nil, err
	}
	t.FromUserName, t.Fields = p.openID, s.triggerFields(in.Event, p)
	if err := t.override(in.Fields); err != nil {
		return nil, err
	}
	pushed, err := t.push()
	if err != nil {
		return nil, err
	}
	return s.parcel(pushed), nil
}

// triggerFields are samples that fit this simulator: a card that is there, the
// person's own code.
func (s *Sim) triggerFields(event string, p *person) map[string]string {
	out := map[string]string{}
	kind, _ := eventKind(event)
	own := map[string]string{}
	if len(s.cardOrder) > 0 {
		own["CardId"] = s.cardOrder[0].id
	}
	if len(p.wallet) > 0 {
		own["CardId"], own["UserCardCode"], own["OuterStr"] = p.wallet[0].card.id, p.wallet[0].code, p.wallet[0].outerStr
	}
	if s.bound {
		own["UnionId"] = p.unionID
	}
	for _, f := range kind.Fields {
		if value, there := own[f.Name]; there {
			out[f.Name] = value
		}
	}
	return out
}

func (t *Trigger) override(fields map[string]json.RawMessage) error {
	for name, raw := range fields {
		var text string
		var number json.Number
		switch {
		case string(raw) == "null":
			t.Omit = append(t.Omit, name)
		case json.Unmarshal(raw, &text) == nil:
			t.Fields[name] = text
		case json.Unmarshal(raw, &number) == nil:
			t.Fields[name] = number.String()
		default:
			return invalid("fields", "fields.%s is neither string, number nor null", name)
		}
	}
	return nil
}
