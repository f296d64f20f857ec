package wechatsim

import (
	"maps"
	"sync"
	"time"
)

// CallCount counts the calls of one path by their outcome: an errcode ("0" is
// success), "fault" for an answer that a fault replaced, or "dropped" for none.
type CallCount struct {
	Total    int            `json:"total"`
	Outcomes map[string]int `json:"outcomes"`
}

// Refusal is one refused call with the reason, which WeChat would not tell.
type Refusal struct {
	Path    string    `json:"path"`
	ErrCode int       `json:"errcode"`
	Why     string    `json:"why"`
	At      time.Time `json:"at"`
}

const maxRefusals = 50

// callLog counts calls and keeps the latest refusals. It has a lock of its own, so
// that counting never waits for a call.
type callLog struct {
	mu       sync.Mutex
	counts   map[string]*CallCount
	refusals []Refusal
}

func newCallLog() *callLog { return &callLog{counts: map[string]*CallCount{}} }

func (l *callLog) count(path, outcome string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.counts[path]
	if c == nil {
		c = &CallCount{Outcomes: map[string]int{}}
		l.counts[path] = c
	}
	c.Total++
	c.Outcomes[outcome]++
}

func (l *callLog) addRefusal(path string, r *refusal, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.refusals) == maxRefusals {
		l.refusals = append(l.refusals[:0], l.refusals[1:]...)
	}
	l.refusals = append(l.refusals, Refusal{path, r.code, r.why, at})
}

func (l *callLog) snapshot() (map[string]CallCount, []Refusal) {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := make(map[string]CallCount, len(l.counts))
	for path, c := range l.counts {
		counts[path] = CallCount{c.Total, maps.Clone(c.Outcomes)}
	}
	return counts, append([]Refusal{}, l.refusals...)
}

func (l *callLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts, l.refusals = map[string]*CallCount{}, nil
}

// Calls returns the counts by API path since the start or the last reset. All paths
// that are not imitated count as "other".
func (s *Sim) Calls() map[string]CallCount {
	counts, _ := s.calls.snapshot()
	return counts
}
