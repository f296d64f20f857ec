package wechatsim

import (
	"cmp"
	"encoding/json"
	"net/http"
	"time"

	"github.com/addcard/addcard/internal/wechatsim/push"
)

func eventControls() []control {
	return []control{
		{"PUT /_sim/callback", `{"url","token","encoding_aes_key","mode","app_id","format"}: where events go; an empty url turns them off`,
			withBody((*Sim).setCallback)},
		{"POST /_sim/callback/verify", "asks the callback as WeChat does when it is entered: is echostr returned?", (*Sim).verifyCallback},
		{"GET /_sim/events", "the delivery log and the event faults; ?event= filters", (*Sim).showEvents},
		{"POST /_sim/events/faults", `{"event","times","skip","duplicate","late_seconds","reorder","drop","dirt"}`,
			withBody((*Sim).addEventFault)},
		{"DELETE /_sim/events/faults", "forget them", (*Sim).clearEventFaults},
		{"POST /_sim/events/trigger",
			`{"event","fields":{},"user","to","twice","late_seconds","dirt"}: pushes an event that did not happen; a field that is null is left out`,
			(*Sim).triggerEvent},
	}
}

func (s *Sim) setCallback(c push.Callback) (any, error) {
	return object{"url": c.URL}, s.SetCallback(c)
}

func (s *Sim) verifyCallback(r *http.Request) (any, error) {
	if s.events.Callback().URL == "" {
		return nil, invalidField("url", "no callback is set; PUT /_sim/callback first")
	}
	return s.events.Verify(r.Context()), nil
}

func (s *Sim) showEvents(r *http.Request) (any, error) {
	list := []push.Delivery{}
	for _, d := range s.Deliveries() {
		if want := r.URL.Query().Get("event"); want == "" || want == d.Event {
			list = append(list, d)
		}
	}
	return object{"events": list, "faults": s.events.Faults()}, nil
}

func (s *Sim) addEventFault(f push.Fault) (any, error) {
	err := s.events.AddFault(f)
	return object{"faults": s.events.Faults()}, err
}

func (s *Sim) clearEventFaults(*http.Request) (any, error) {
	s.events.ClearFaults()
	return object{"faults": s.events.Faults()}, nil
}

// triggerRequest is the body of POST /_sim/events/trigger.
type triggerRequest struct {
	Event       string                     `json:"event"`
	Fields      map[string]json.RawMessage `json:"fields"`
	User        string                     `json:"user"` // the person of the event; their first card is the default
	To          string                     `json:"to"`   // instead of the callback's URL
	Twice       bool                       `json:"twice"`
	LateSeconds float64                    `json:"late_seconds"`
	Dirt        string                     `json:"dirt"`
}

// triggerEvent answers when the event is delivered or given up, or at once if it
// is delayed.
func (s *Sim) triggerEvent(r *http.Request) (any, error) {
	in, err := decode[triggerRequest](r)
	if err != nil {
		return nil, err
	}
	if in.LateSeconds < 0 || in.LateSeconds > 3600 {
		return nil, invalidField("late_seconds", "late_seconds is 0 to 3600")
	}
	t, err := s.trigger(in)
	if err != nil {
		return nil, err
	}
	duplicates := 0
	if in.Twice {
		duplicates = 1
	}
	return s.events.SendTrigger(r.Context(), t, duplicates, time.Duration(in.LateSeconds*float64(time.Second)))
}

func (s *Sim) trigger(in triggerRequest) (t push.Trigger, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t = push.Trigger{Callback: s.events.Callback(), ToUserName: s.official.OriginalID, Event: in.Event, Dirt: in.Dirt,
		CreateTime: s.Now().Unix()}
	if in.To != "" {
		t.URL = in.To
	}
	if t.URL == "" {
		return t, invalidField("to", "no callback is set; give to, or PUT /_sim/callback first")
	}
	p, err := s.person(cmp.Or(in.User, "ann"))
	if err != nil {
		return t, err
	}
	t.FromUserName, t.Fields = p.openID, s.triggerFields(in.Event, p)
	return t, override(&t, in.Fields)
}

// triggerFields returns elements that fit this simulator: a card that exists, and
// the person's own code.
func (s *Sim) triggerFields(event string, p *person) map[string]string {
	own := map[string]string{}
	if len(s.cardOrder) > 0 {
		own["CardId"] = s.cardOrder[0].id
	}
	if len(p.wallet) > 0 {
		own["CardId"], own["UserCardCode"], own["OuterStr"] = p.wallet[0].card.id, p.wallet[0].code, p.wallet[0].outerStr
	}
	if s.bound {
		own["UnionId"] = s.unionIDIn("events", p)
	}
	out := map[string]string{}
	kind, _ := push.KindOf(event)
	for _, f := range kind.Fields {
		if value, exists := own[f.Name]; exists {
			out[f.Name] = value
		}
	}
	return out
}

// override sets the fields of the request; one that is null is left out.
func override(t *push.Trigger, fields map[string]json.RawMessage) error {
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
			return invalidField("fields", "fields.%s is neither string, number nor null", name)
		}
	}
	return nil
}
