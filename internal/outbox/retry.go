package outbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
)

// ErrJobNotFound is returned for a RetryJob that is not, or no longer, known.
var ErrJobNotFound = errors.New("outbox: no such retry of messages")

// Filter selects messages. Each field that is not zero narrows the selection.
type Filter struct {
	State         string    `json:"state,omitempty"` // Waiting or Parked
	Kind          string    `json:"kind,omitempty"`
	CardID        string    `json:"card_id,omitempty"`
	Code          string    `json:"code,omitempty"`
	ErrorContains string    `json:"error_contains,omitempty"` // a part of LastError
	Before        time.Time `json:"before,omitzero"`          // stored before this time
	IDs           []string  `json:"ids,omitempty"`            // only RetryAll has regard to it, and then to no other field
}

// RetryJob is the retry of all messages that a filter selects. A message that is
// stored, or parked again, after the job was created is not among them.
type RetryJob struct {
	ID        string
	Actor     string // who asked for it
	Filter    Filter
	State     string // JobRunning, JobDone or JobStopped
	Total     int64  // the messages that were found when the job was created
	Done      int64  // those that were retried
	Failed    int64  // those that were no longer in the outbox
	CreatedAt time.Time
	EndedAt   time.Time // zero while it runs
}

// The states of a RetryJob.
const (
	JobRunning = "running"
	JobDone    = "done"
	JobStopped = "stopped"
)

// RetryStore keeps RetryJobs.
type RetryStore interface {
	// AddRetry stores a job with the ID, Actor and Filter of j, and returns it. It
	// deletes jobs that ended a month ago.
	AddRetry(ctx context.Context, j RetryJob) (RetryJob, error)
	// RetryJob returns a job, or ErrJobNotFound. RetryJobs lists up to n, newest
	// first.
	RetryJob(ctx context.Context, id string) (RetryJob, error)
	RetryJobs(ctx context.Context, n int) ([]RetryJob, error)
	// StopRetry stops a job if it runs. It returns ErrJobNotFound for an unknown one.
	StopRetry(ctx context.Context, id string) error
	// WorkOnRetry takes the oldest running job that no other caller works on, calls
	// retry for each of its next n messages, oldest first, and records the progress,
	// all in one transaction. retry reports whether it has retried the message. If
	// it returns an error, nothing has happened. WorkOnRetry returns false if there
	// is no such job.
	WorkOnRetry(ctx context.Context, n int, retry func(ctx context.Context, tx Tx, m Stored) (bool, error)) (bool, error)
}

const (
	// retryPage is how many messages are retried in one transaction, which keeps
	// their cards locked.
	retryPage = 100
	// jobPoll is how long a job may wait that another replica stored or left.
	jobPoll = 2 * time.Second
)

// RetryAll creates a job that retries all messages that f selects, as Retry does for
// one. A zero State is Parked. The replicas work on the job in the background; see
// RunRetries.
func (s *Service) RetryAll(ctx context.Context, actor string, f Filter) (RetryJob, error) {
	if f.State == "" && len(f.IDs) == 0 {
		f.State = Parked
	}
	j, err := s.store.AddRetry(ctx, RetryJob{ID: uuid.Must(uuid.NewV7()).String(), Actor: actor, Filter: f})
	if err != nil {
		return j, fmt.Errorf("retry messages: %w", err)
	}
	signal(s.jobs)
	return j, nil
}

// RetryJob returns a job, or ErrJobNotFound. A job is kept for a month.
func (s *Service) RetryJob(ctx context.Context, id string) (RetryJob, error) {
	return s.store.RetryJob(ctx, id)
}

// RetryJobs lists up to n jobs, newest first.
func (s *Service) RetryJobs(ctx context.Context, n int) ([]RetryJob, error) {
	return s.store.RetryJobs(ctx, n)
}

// StopRetry stops a job. What it has retried so far stays so. It does nothing to a
// job that has ended, and returns ErrJobNotFound for an unknown one.
func (s *Service) StopRetry(ctx context.Context, id string) error { return s.store.StopRetry(ctx, id) }

// RunRetries works on the jobs of RetryAll and blocks until ctx ends. Any number of
// replicas may run it. A job that a replica has left, because it ended say, goes on
// where its last transaction ended.
func (s *Service) RunRetries(ctx context.Context, log *slog.Logger) {
	for ctx.Err() == nil {
		worked, err := s.store.WorkOnRetry(ctx, retryPage, s.retryStored)
		switch {
		case worked:
			s.Wake()
		case err != nil && ctx.Err() == nil:
			log.WarnContext(ctx, "outbox: retry of many messages interrupted; will continue", "error", err)
			pause(ctx, nil, errorPause)
		default:
			pause(ctx, s.jobs, jobPoll)
		}
	}
}
