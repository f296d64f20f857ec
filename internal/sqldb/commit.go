package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	// maxBatch bounds the transactions of one disk flush. A flush takes about
	// as long as 20 transactions, so a larger batch would only add latency.
	maxBatch = 256
	// closeTime bounds the wait of close for a disk that does not answer.
	closeTime = 2 * callTime
)

// job is the transaction of one caller. The caller leaves before fn begins or
// after it has ended, never meanwhile, because fn may set its variables.
type job struct {
	ctx      context.Context
	fn       func(ctx context.Context, tx Querier) error
	err      error
	panicked any
	done     chan struct{}

	mu    sync.Mutex // held while fn runs
	begun bool       // fn has begun
}

// committer runs the transactions of all callers on the one writing connection
// of SQLite, and commits those that are waiting together.
type committer struct {
	conn    *sql.Conn
	changed func()           // called after a commit, before a caller gets its result
	tx      *preparedQuerier // on conn; keeps its prepared statements
	jobs    chan *job
	stopped chan struct{}

	mu     sync.RWMutex // guards closed, so that nothing is sent on the closed channel
	closed bool
}

func newCommitter(conn *sql.Conn, changed func()) *committer {
	c := &committer{
		conn: conn, changed: changed, tx: &preparedQuerier{db: conn},
		jobs: make(chan *job, maxBatch), stopped: make(chan struct{}),
	}
	go c.run()
	return c
}

func (c *committer) write(ctx context.Context, fn func(context.Context, Querier) error) error {
	j := &job{ctx: ctx, fn: fn, done: make(chan struct{})}
	if err := c.enqueue(j); err != nil {
		return err
	}
	if err := j.wait(); err != nil {
		return err
	}
	if j.panicked != nil {
		panic(j.panicked) // in the goroutine of the caller, which may recover
	}
	return j.err
}

func (c *committer) enqueue(j *job) error {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return ErrClosed
	}
	select {
	case c.jobs <- j:
		return nil
	case <-j.ctx.Done():
		return fmt.Errorf("wait for the database: %w", j.ctx.Err())
	}
}

// wait blocks until the job is done. It returns an error if it did not wait for
// that, because ctx ended before fn began or the deadline passed during the commit.
func (j *job) wait() error {
	select {
	case <-j.done:
		return nil
	case <-j.ctx.Done():
	}
	// From now on fn is not called. A caller that was canceled after fn began gets
	// the outcome if it comes in time.
	if !j.hasBegun() {
		return fmt.Errorf("wait for the database: %w", j.ctx.Err())
	}
	deadline, _ := j.ctx.Deadline()
	select {
	case <-j.done:
		return nil
	case <-time.After(time.Until(deadline)):
	}
	j.hasBegun() // waits until fn has ended
	return fmt.Errorf("%w: %w", ErrUnknown, context.DeadlineExceeded)
}

// hasBegun waits while fn runs and reports whether it was called.
func (j *job) hasBegun() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.begun
}

func (c *committer) close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.jobs)
	}
	c.mu.Unlock()
	select {
	case <-c.stopped:
	case <-time.After(closeTime):
		return errors.New("close the database: a commit does not end") // and neither would closing the connection
	}
	return errors.Join(c.tx.close(), c.conn.Close())
}

func (c *committer) run() {
	defer close(c.stopped)
	batch := make([]*job, 0, maxBatch)
	for j := range c.jobs {
		batch = append(batch[:0], j)
		for len(batch) < maxBatch && len(c.jobs) > 0 {
			batch = append(batch, <-c.jobs)
		}
		c.process(batch)
	}
}

// process commits a batch. If the commit fails, no caller has got a result yet,
// and each transaction is run again alone.
func (c *committer) process(batch []*job) {
	began, err := c.commit(batch)
	// If the batch could not begin, neither could single jobs.
	retry := err != nil && began && len(batch) > 1
	for i, j := range batch {
		if retry {
			_, err = c.commit(batch[i : i+1])
		}
		if err != nil {
			j.err = err
		}
		c.changed()
		close(j.done)
	}
}

// commit runs the batch as one transaction and reports whether it has begun. After
// an error it is not known that any of it is on disk. The errors of single jobs are
// in job.err.
func (c *committer) commit(batch []*job) (began bool, err error) {
	// Not the context of a caller: one that leaves must not roll back the others.
	ctx, cancel := context.WithDeadline(context.Background(), latestDeadline(batch))
	defer cancel()
	if err := c.begin(batch); err != nil {
		c.rollback() // in case that the last one failed
		return false, fmt.Errorf("%w: %w", ErrBusy, err)
	}
	err = c.runJobs(ctx, batch)
	if err == nil && len(batch) == 1 && batch[0].failed() {
		c.rollback()
		return true, nil
	}
	if err == nil {
		// Without ctx: the driver returns its error although the commit succeeded.
		if _, err = c.tx.Exec(context.Background(), "commit"); err == nil {
			return true, nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	c.rollback()
	return true, err
}

// begin begins a transaction. While another process holds the lock of the file, it
// tries again as long as one of the callers waits. Those that come meanwhile join
// the next batch, and leave it at their own deadline.
func (c *committer) begin(batch []*job) error {
	for {
		_, err := c.tx.Exec(context.Background(), "begin immediate")
		if !isLocked(err) || !anyWaits(batch) {
			return err
		}
	}
}

func anyWaits(batch []*job) bool {
	return slices.ContainsFunc(batch, func(j *job) bool { return j.ctx.Err() == nil })
}

func latestDeadline(batch []*job) (latest time.Time) {
	for _, j := range batch {
		if deadline, _ := j.ctx.Deadline(); deadline.After(latest) {
			latest = deadline
		}
	}
	return latest
}

func (c *committer) runJobs(ctx context.Context, batch []*job) error {
	for _, j := range batch {
		if err := j.run(ctx, c.tx, len(batch) > 1); err != nil {
			return err
		}
	}
	return nil
}

// rollback frees the connection after a failure. Its error is ignored: SQLite
// has usually rolled back already, and a broken connection fails at the next
// begin.
func (c *committer) rollback() { _, _ = c.tx.Exec(context.Background(), "rollback") }

func (j *job) failed() bool { return j.err != nil || j.panicked != nil }

// run calls fn. If the job is grouped with others, fn runs in a savepoint, so
// that its failure undoes only its own work. The error is that of the
// transaction, not of fn.
func (j *job) run(ctx context.Context, tx *preparedQuerier, grouped bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.err, j.panicked = nil, nil
	if err := j.ctx.Err(); err != nil {
		j.err = fmt.Errorf("wait for the database: %w", err)
		return nil
	}
	j.begun = true
	if !grouped {
		j.call(ctx, tx)
		return nil
	}
	if _, err := tx.Exec(ctx, "savepoint job"); err != nil {
		return fmt.Errorf("savepoint: %w", err)
	}
	j.call(ctx, tx)
	if j.failed() {
		if _, err := tx.Exec(ctx, "rollback to job"); err != nil {
			return fmt.Errorf("undo: %w", err) // SQLite has rolled back the whole transaction, for example on a full disk
		}
	}
	if _, err := tx.Exec(ctx, "release job"); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	return nil
}

func (j *job) call(ctx context.Context, tx Querier) {
	defer func() { j.panicked = recover() }()
	j.err = j.fn(ctx, tx)
}
