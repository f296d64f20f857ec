package wechat

import (
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxSkew is the largest difference that is ignored: the header has whole seconds,
	// and an answer may take several.
	maxSkew = time.Minute
	// maxCorrection is far more than a wrong time zone and a date that is a day off. A
	// greater difference is reported and never applied: with such a clock no
	// certificate of WeChat's can be trusted either.
	maxCorrection = 48 * time.Hour
	// agreement is how far apart answers may be that agree.
	agreement = 10 * time.Second
	// minAnswers is how many answers must agree, one after the other.
	minAnswers = 3
	// defaultSpan is longer than a lie of a minute.
	defaultSpan = 2 * time.Minute
	// quick is how many times shorter the span is where a lie is unlikely.
	quick = 24
	// reportInterval is how often an odd Date is logged.
	reportInterval = time.Minute
)

// Clock is the local clock, corrected by WeChat's when they differ by more than 60 s:
// WeChat refuses a cardExt with a wrong timestamp. The zero Clock is ready and equal
// to the local clock. It is safe for concurrent use.
//
// A wrong Date must do no harm, so a correction needs at least three answers in a row
// that agree with each other and not with the clock, from the first to the last of
// them at least Span apart. At the start, while no answer has agreed with the clock
// yet, and to end a correction, a 24th of Span is enough. No correction is greater
// than 48 h. Nothing that cannot be undone may depend on a Clock.
type Clock struct {
	Span time.Duration // 0: two minutes
	Log  *slog.Logger  // nil: nothing is logged

	correction, offset atomic.Int64

	mu         sync.Mutex
	confirmed  bool // an answer has agreed with the clock
	candidate  candidate
	reportedAt time.Time
}

// candidate is a correction that the latest answers agree on.
type candidate struct {
	offset  time.Duration
	since   time.Time
	answers int
}

// Observe takes the Date header of WeChat's answer that was received at receivedAt by
// the local clock. An invalid date is ignored.
func (c *Clock) Observe(dateHeader string, receivedAt time.Time) {
	date, err := http.ParseTime(dateHeader)
	if err != nil {
		return
	}
	offset := date.Sub(receivedAt.Round(0))
	if offset.Abs() <= maxSkew {
		offset = 0
	}
	c.offset.Store(int64(offset))
	c.mu.Lock()
	defer c.mu.Unlock()
	if agree(offset, c.Correction()) {
		c.confirmed, c.candidate = true, candidate{}
		return
	}
	c.report("wechat: the Date of an answer is off this machine's clock", offset, receivedAt)
	if c.candidate.answers == 0 || !agree(offset, c.candidate.offset) {
		c.candidate = candidate{offset: offset, since: receivedAt}
	}
	c.candidate.answers++
	if c.candidate.answers >= minAnswers && receivedAt.Sub(c.candidate.since) >= c.span(offset) && offset.Abs() <= maxCorrection {
		c.correction.Store(int64(offset))
		c.confirmed, c.candidate, c.reportedAt = true, candidate{}, time.Time{}
		c.report("wechat: the clock is corrected from now on", offset, receivedAt)
	}
}

func agree(a, b time.Duration) bool { return (a - b).Abs() <= agreement }

// span returns for how long answers must agree on a correction.
func (c *Clock) span(offset time.Duration) time.Duration {
	span := c.Span
	if span == 0 {
		span = defaultSpan
	}
	if offset == 0 || !c.confirmed {
		span /= quick
	}
	return span
}

func (c *Clock) report(what string, offset time.Duration, now time.Time) {
	if c.Log == nil || !c.reportedAt.IsZero() && now.Sub(c.reportedAt) < reportInterval {
		return
	}
	c.reportedAt = now
	c.Log.Warn(what, "off", offset.Round(time.Second), "correction", c.Correction().Round(time.Second))
}

// Offset returns how far WeChat's clock was ahead of the local one by the latest
// answer: 0 while they are within a minute. It is for alarms; Correction is what
// counts.
func (c *Clock) Offset() time.Duration { return time.Duration(c.offset.Load()) }

// Correction returns what Now adds to the local clock.
func (c *Clock) Correction() time.Duration { return time.Duration(c.correction.Load()) }

// Now returns the corrected time.
func (c *Clock) Now() time.Time { return time.Now().Add(c.Correction()) }

// Likely returns the corrected time and, while nothing is corrected, the time by the
// latest answer. A wrong Date misleads it at once: it suits what also accepts the
// local time, and commands that make only a few calls.
func (c *Clock) Likely() time.Time {
	if correction := c.Correction(); correction != 0 {
		return time.Now().Add(correction)
	}
	return time.Now().Add(c.Offset())
}
