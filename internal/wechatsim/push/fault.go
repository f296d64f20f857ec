package push

import (
	"cmp"
	"errors"
	"time"
)

// Fault changes how events are delivered; each event is changed by the first
// queued Fault that matches it.
type Fault struct {
	Event       string  `json:"event"`        // the event's name, or "*" for all
	Times       int     `json:"times"`        // how many events it changes; 0 is one, -1 until cleared
	Skip        int     `json:"skip"`         // how many matching events it lets pass first
	Duplicate   int     `json:"duplicate"`    // how many further deliveries follow the first
	LateSeconds float64 `json:"late_seconds"` // real seconds of delay; other events overtake it
	Reorder     bool    `json:"reorder"`      // the person's next event comes first, if there is one within a second
	Drop        bool    `json:"drop"`         // it is never delivered
	Dirt        string  `json:"dirt"`         // DirtControl, DirtCut or DirtMarkup
}

// QueuedFault is a Fault with what is left of it. Its Skip counts down.
type QueuedFault struct {
	Fault
	Left int `json:"left"` // -1: until cleared
	Hits int `json:"hits"`
}

func (f Fault) check() error {
	_, known := KindOf(f.Event)
	switch {
	case !known && f.Event != "*":
		return errors.New(`event: a card event, or "*"; GET /_sim/ lists them`)
	case f.Times < -1 || f.Skip < 0 || f.Duplicate < 0 || f.Duplicate > 100:
		return errors.New("times: times, skip and duplicate are not negative (times may be -1, duplicate at most 100)")
	case f.LateSeconds < 0 || f.LateSeconds > 3600:
		return errors.New("late_seconds: 0 to 3600")
	case f.Duplicate == 0 && f.LateSeconds == 0 && !f.Reorder && !f.Drop && f.Dirt == "":
		return errors.New("duplicate: at least one of duplicate, late_seconds, reorder, drop, dirt")
	}
	return checkDirt(f.Dirt)
}

// AddFault queues f behind the faults that are queued. The error names the field
// that is wrong.
func (s *Sender) AddFault(f Fault) error {
	if err := f.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &QueuedFault{Fault: f, Left: cmp.Or(f.Times, 1)})
	return nil
}

// Faults returns the queued faults, used ones included.
func (s *Sender) Faults() []QueuedFault {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]QueuedFault, 0, len(s.faults))
	for _, f := range s.faults {
		out = append(out, *f)
	}
	return out
}

// ClearFaults removes all faults.
func (s *Sender) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// applyFault changes the job by the first fault that matches it. It needs s.mu.
func (s *Sender) applyFault(j *job) {
	for _, f := range s.faults {
		if !f.hits(j.event.Name) {
			continue
		}
		j.duplicates, j.reorder, j.dirt = f.Duplicate, f.Reorder, f.Dirt
		j.delay = time.Duration(f.LateSeconds * float64(time.Second))
		if f.Drop {
			j.delivery.State = "dropped"
		}
		return
	}
}

// hits counts f down and reports whether it changes the event of that name.
func (f *QueuedFault) hits(event string) bool {
	if f.Left == 0 || (f.Event != "*" && f.Event != event) {
		return false
	}
	if f.Skip > 0 {
		f.Skip--
		return false
	}
	if f.Left > 0 {
		f.Left--
	}
	f.Hits++
	return true
}
