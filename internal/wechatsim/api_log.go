package wechatsim

import (
	"maps"
	"sync"
	"time"
)

// CallCount says how often one path was called and how the calls ended: an
// errcode ("0" is success), "fault" for an answer made up by a fault,
// "dropped" where none was given.
type CallCount struct {
	Total    int            `json:"total"`
	Outcomes map[string]int `json:"outcomes"`
}

// Refusal is one refused call with the reason that WeChat would keep to itself.
type Refusal struct {
	Path    string    `json:"path"`
	ErrCode int       `json:"errcode"`
	Why     string    `json:"why"`
	At      time.Time `json:"at"`
}

const maxRefusals = 50

// callLog counts calls. It has its own lock, so that counting never waits.
type callLog struct {
	mu       sync.Mutex
	counts   map[string]*CallCount
	refusals []Refusal
}

func newCallLog() *callLog { return &callLog{counts: map[string]*CallCount{}} }

func (b *callLog) count(path, outcome string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.counts[path]
	if c == nil {
		c = &CallCount{Outcomes: map[string]int{}}
		b.counts[path] = c
	}
	c.Total++
	c.Outcomes[outcome]++
}

func (b *callLog) addRefusal(path string, r *refusal, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.refusals) == maxRefusals {
		b.refusals = append(b.refusals[:0], b.refusals[1:]...)
	}
	b.refusals = append(b.refusals, Refusal{path, r.code, r.why, at})
}

func (b *callLog) snapshot() (map[string]CallCount, []Refusal) {
	b.mu.Lock()
	defer b.mu.Unlock()
	counts := make(map[string]CallCount, len(b.counts))
	for path, c := range b.counts {
		counts[path] = CallCount{c.Total, maps.Clone(c.Outcomes)}
	}
	return counts, append([]Refusal{}, b.refusals...)
}

func (b *callLog) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts, b.refusals = map[string]*CallCount{}, nil
}

// Calls returns the counts per API path since the start or the last reset.
// Paths that are not imitated are counted together under "other".
func (s *Sim) Calls() map[string]CallCount {
	counts, _ := s.calls.snapshot()
	return counts
}
