package doctor

import (
	"context"
	"sync"
	"time"

	"github.com/addcard/addcard/internal/config"
)

const (
	// watchEvery is the least time between two examinations of a Watch.
	watchEvery = time.Minute
	// watchTime bounds one examination.
	watchTime = 10 * time.Second
)

// Watch examines a running deployment when its findings are asked for. It leaves out the
// checks that call WeChat, which Diagnose makes. It is safe for concurrent use.
type Watch struct {
	cfg        config.Config
	deployment *Deployment
	wanted     chan struct{}

	mu       sync.Mutex
	findings []Finding
	at       time.Time
}

// NewWatch returns a Watch of a deployment that is open as long as the Watch runs.
func NewWatch(cfg config.Config, d *Deployment) *Watch {
	return &Watch{cfg: cfg, deployment: d, wanted: make(chan struct{}, 1)}
}

// Findings returns what the last examination has found, and when it ended: nothing, and
// the zero time, before the first. It does not wait. If the findings are older than a
// minute, Run examines anew.
func (w *Watch) Findings() ([]Finding, time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.at) >= watchEvery {
		select {
		case w.wanted <- struct{}{}:
		default:
		}
	}
	return w.findings, w.at
}

// Run examines whenever the findings are asked for, once a minute at most, until ctx
// ends.
func (w *Watch) Run(ctx context.Context) {
	for {
		select {
		case <-w.wanted:
		case <-ctx.Done():
			return
		}
		w.examine(ctx)
		select {
		case <-time.After(watchEvery):
		case <-ctx.Done():
			return
		}
	}
}

func (w *Watch) examine(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, watchTime)
	defer cancel()
	var findings []Finding
	d := &doctor{Deployment: w.deployment, cfg: w.cfg, report: func(f Finding) { findings = append(findings, f) }}
	d.checkCheaply(ctx)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.findings, w.at = findings, time.Now()
}
