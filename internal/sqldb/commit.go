package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// maxBatch bounds how many transactions one disk flush may carry. A flush
	// costs about as much as 20 of them, so more would only add latency.
	maxBatch = 256
	// batchTimeout bounds one batch in a context of its own: a caller who
	// leaves must not roll back the others.
	batchTimeout = 15 * time.Second
)

// job is one caller's transaction. The caller waits on done in any case, so fn
// may write to the caller's variables.
type job struct {
	ctx      context.Context
	fn       func(ctx context.Context, tx Querier) error
	err      error
	panicked any
	done     chan struct{}
}

// committer runs the transactions of all callers on SQLite's one writing
// connection, as many to a commit as are waiting.
type committer struct {
	conn    *sql.Conn
	changed func() // called after a batch, before anybody is answered
	tx      *pool  // on conn; keeps its prepared statements from batch to batch
	jobs    chan *job
	stopped chan struct{}

	mu     sync.RWMutex // guards closed against a send on the closed channel
	closed bool
}

func newCommitter(conn *sql.Conn, changed func()) *committer {
	c := &committer{conn: conn, changed: changed, tx: &pool{db: conn}, jobs: make(chan *job, maxBatch), stopped: make(chan struct{})}
	go c.run()
	return c
}

func (c *committer) write(ctx context.Context, fn func(context.Context, Querier) error) error {
	j := &job{ctx: ctx, fn: fn, done: make(chan struct{})}
	if err := c.enqueue(j); err != nil {
		return err
	}
	<-j.done
	if j.panicked != nil {
		panic(j.panicked) // where the caller's own recovery and stack are
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

func (c *committer) close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		close(c.jobs)
	}
	c.mu.Unlock()
	<-c.stopped
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
		c.serve(batch)
	}
}

// serve commits a batch together; if that commit fails, nobody has been
// answered yet and each transaction is tried again alone.
func (c *committer) serve(batch []*job) {
	err := c.commit(batch)
	// Jobs whose transaction did not even begin would wait for the same lock.
	alone := err != nil && len(batch) > 1 && !errors.Is(err, ErrBusy)
	for i, j := range batch {
		if alone {
			err = c.commit(batch[i : i+1])
		}
		if err != nil {
			j.err = err
		}
		c.changed()
		close(j.done)
	}
}

// commit runs the batch as one transaction. An error means that nothing of it
// is known to be on disk; what single jobs refused is in job.err.
func (c *committer) commit(batch []*job) error {
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	if _, err := c.tx.Exec(ctx, "begin immediate"); err != nil {
		return fmt.Errorf("%w: %w", ErrBusy, err)
	}
	err := c.fill(ctx, batch)
	if err == nil && len(batch) == 1 && batch[0].refused() {
		c.rollback()
		return nil
	}
	if err == nil {
		if _, err = c.tx.Exec(ctx, "commit"); err == nil {
			return nil
		}
		err = fmt.Errorf("commit: %w", err)
	}
	c.rollback()
	return err
}

func (c *committer) fill(ctx context.Context, batch []*job) error {
	for _, j := range batch {
		if err := j.run(ctx, c.tx, len(batch) > 1); err != nil {
			return err
		}
	}
	return nil
}

// rollback frees the connection after a failure. Its own error says nothing
// new: SQLite has mostly rolled back by itself, and a connection that is truly
// stuck shows at the next begin.
func (c *committer) rollback() {
	ctx, cancel := context.WithTimeout(context.Background(), batchTimeout)
	defer cancel()
	_, _ = c.tx.Exec(ctx, "rollback")
}

func (j *job) refused() bool { return j.err != nil || j.panicked != nil }

// run calls fn. In company it does so in a savepoint, so that a refusal undoes
// only its own work; the error it returns is the transaction's, not fn's.
func (j *job) run(ctx context.Context, tx *pool, company bool) error {
	j.err, j.panicked = nil, nil
	if err := j.ctx.Err(); err != nil {
		j.err = fmt.Errorf("wait for the database: %w", err)
		return nil
	}
	if !company {
		j.call(ctx, tx)
		return nil
	}
	if _, err := tx.Exec(ctx, "savepoint job"); err != nil {
		return fmt.Errorf("savepoint: %w", err)
	}
	j.call(ctx, tx)
	if j.refused() {
		if _, err := tx.Exec(ctx, "rollback to job"); err != nil {
			return fmt.Errorf("undo: %w", err) // SQLite gave up the whole transaction, on a full disk say
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
