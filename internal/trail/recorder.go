package trail

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/addcard/addcard/internal/ration"
)

const (
	// flushInterval is the time between two writes.
	flushInterval = time.Second
	// maxBuffered bounds the rows that wait to be written, of which maxBatch are
	// written in one transaction.
	maxBuffered = 4096
	maxBatch    = 1000
	// flushTime bounds the last write.
	flushTime = 2 * time.Second
	// repeatTime is for how long a repetition is not recorded again. maxRemembered
	// bounds what is remembered for that, about 200 bytes each.
	repeatTime    = time.Hour
	maxRemembered = 16384
	// keep is for how long rows are kept. Each purgeInterval one replica deletes
	// older ones, purgePage in one transaction.
	keep          = 180 * 24 * time.Hour
	purgeInterval = time.Hour
	purgePage     = 500
)

// Store keeps the trail. It is safe for concurrent use.
type Store interface {
	// Add writes rows about members. It leaves out those of members that are
	// unknown, or were erased.
	Add(ctx context.Context, rows []Row) error
	// Purge deletes up to n rows that are older than age, and returns how many.
	Purge(ctx context.Context, age time.Duration, n int) (int, error)
	// StartJob reports whether the caller must do the job. It returns true to one
	// caller in each period.
	StartJob(ctx context.Context, job string, every time.Duration) (bool, error)
}

// Recorder records logins, phone numbers and cardExts. Its methods other than Run never block. It
// is safe for concurrent use.
type Recorder struct {
	store Store
	log   *slog.Logger
	seen  *ration.Recent[what, time.Time]

	mu      sync.Mutex
	rows    []Row // the oldest first
	dropped int   // since the last write
}

// what is the same in a repetition.
type what struct{ kind, memberID, cardID, code string }

// NewRecorder returns a Recorder. What it has taken is lost unless Run runs.
func NewRecorder(store Store, log *slog.Logger) *Recorder {
	return &Recorder{store: store, log: log, seen: ration.NewRecent[what, time.Time](maxRemembered, repeatTime)}
}

// Login records that the member has logged in, at most once an hour.
func (r *Recorder) Login(memberID string) { r.record(what{kind: Login, memberID: memberID}) }

// Phone records that WeChat has verified a phone number of the member, at most once an
// hour. The number is not recorded.
func (r *Recorder) Phone(memberID string) { r.record(what{kind: Phone, memberID: memberID}) }

// CardExt records that a cardExt was signed for the member, at most once an hour for
// each code.
func (r *Recorder) CardExt(memberID, cardID, code string) {
	r.record(what{CardExt, memberID, cardID, code})
}

func (r *Recorder) record(w what) {
	now := time.Now()
	if last, ok := r.seen.Get(w); ok && now.Sub(last) < repeatTime {
		return
	}
	r.seen.Put(w, now)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.rows) >= maxBuffered {
		r.dropped++
		return
	}
	r.rows = append(r.rows, Row{MemberID: w.memberID, CardID: w.cardID, Code: w.code, Kind: w.kind, At: now})
}

// Run writes what was recorded, at most once a second, and deletes rows that are too
// old. It blocks until ctx ends and the rest is written, for which it takes 2 s at
// most.
func (r *Recorder) Run(ctx context.Context) {
	tick := time.NewTicker(flushInterval)
	defer tick.Stop()
	var purged time.Time
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
			defer cancel()
			r.flush(last)
			return
		case now := <-tick.C:
			r.flush(ctx)
			if now.Sub(purged) > purgeInterval {
				r.purge(ctx)
				purged = now
			}
		}
	}
}

// flush writes the oldest rows. After an error they are written the next time.
func (r *Recorder) flush(ctx context.Context) {
	r.mu.Lock()
	batch, dropped := r.rows[:min(len(r.rows), maxBatch)], r.dropped
	r.dropped = 0
	r.mu.Unlock()
	if dropped > 0 {
		r.log.WarnContext(ctx, "trail: too much to record; logins and cardExts are missing in the timeline", "dropped", dropped)
	}
	if len(batch) == 0 {
		return
	}
	if err := r.store.Add(ctx, batch); err != nil {
		if ctx.Err() == nil {
			r.log.WarnContext(ctx, "trail: write failed; will retry", "error", err)
		}
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append([]Row(nil), r.rows[len(batch):]...)
}

func (r *Recorder) purge(ctx context.Context) {
	mine, err := r.store.StartJob(ctx, "purge the trail", purgeInterval)
	for n := purgePage; mine && err == nil && n == purgePage; {
		n, err = r.store.Purge(ctx, keep, purgePage)
	}
	if err != nil && ctx.Err() == nil {
		r.log.WarnContext(ctx, "trail: old rows not deleted; will be repeated", "error", err)
	}
}
