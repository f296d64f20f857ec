package wechatsim

import (
	"errors"
	"time"
)

// EventFault is one unkindness on request to the pushes of events.
type EventFault struct {
	Event       string  `json:"event"`        // its name, or "*" for every one
	Times       int     `json:"times"`        // how many events it hits; 0 is one, -1 until cleared
	Skip        int     `json:"skip"`         // how many it lets pass first
	Duplicate   int     `json:"duplicate"`    // so many further deliveries
	LateSeconds float64 `json:"late_seconds"` // real seconds by which it comes late; others pass it
	Reorder     bool    `json:"reorder"`      // the person's next event comes first, if there is one within a second
	Drop        bool    `json:"drop"`         // it never comes
}

type queuedEventFault struct {
	EventFault
	Left int `json:"left"` // -1: until cleared
	Hits int `json:"hits"`
}

func (f EventFault) check() error {
	_, known := eventKind(f.Event)
	switch {
	case !known && f.Event != "*":
		return errors.New(`event: a card event, or "*"; GET /_sim/ lists them`)
	case f.Times < -1 || f.Skip < 0 || f.Duplicate < 0 || f.Duplicate > 100:
		return errors.New("times: times, skip and duplicate are not negative (times may be -1, duplicate at most 100)")
	case f.LateSeconds < 0 || f.LateSeconds > 3600:
		return errors.New("late_seconds: 0 to 3600")
	case f.Duplicate == 0 && f.LateSeconds == 0 && !f.Reorder && !f.Drop:
		return errors.New("duplicate: at least one of duplicate, late_seconds, reorder, drop")
	}
	return nil
}

// AddEventFault queues one fault behind those that are there. The error names
// the field that is wrong.
func (s *Sim) AddEventFault(f EventFault) error {
	if err := f.check(); err != nil {
		return err
	}
	left := f.Times
	if left == 0 {
		left = 1
	}
	s.post.mu.Lock()
	defer s.post.mu.Unlock()
	s.post.rules = append(s.post.rules, &queuedEventFault{EventFault: f, Left: left})
	return nil
}

// spoil lets the first fault that wants this event have it.
func (p *postman) spoil(it *parcel) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.rules {
		if f.Left == 0 || (f.Event != "*" && f.Event != it.event) {
			continue
		}
		if f.Skip > 0 {
			f.Skip--
			continue
		}
		if f.Left > 0 {
			f.Left--
		}
		f.Hits++
		it.again, it.swap, it.late = f.Duplicate, f.Reorder, seconds(f.LateSeconds)
		if f.Drop {
			it.delivery.State = "dropped"
		}
		return
	}
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

func (p *postman) faults() []queuedEventFault {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]queuedEventFault, 0, len(p.rules))
	for _, f := range p.rules {
		out = append(out, *f)
	}
	return out
}

func (p *postman) clearFaults() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = nil
}
