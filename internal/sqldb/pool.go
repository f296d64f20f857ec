package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"
)

// preparer is the common interface of *sql.DB and *sql.Conn.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// preparedQuerier is a Querier that prepares each statement once. SQL text is
// constant in addcard, so there are as many statements as queries in the
// program.
type preparedQuerier struct {
	db    preparer
	stmts sync.Map // query → *sql.Stmt
}

func (p *preparedQuerier) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	if s, ok := p.stmts.Load(query); ok {
		return s.(*sql.Stmt), nil
	}
	s, err := p.db.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if earlier, loaded := p.stmts.LoadOrStore(query, s); loaded {
		return earlier.(*sql.Stmt), s.Close()
	}
	return s, nil
}

func (p *preparedQuerier) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := p.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

func (p *preparedQuerier) Query(ctx context.Context, query string, args ...any) (Rows, error) {
	s, err := p.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return openRows(s.QueryContext(ctx, args...))
}

// QueryRow ignores the end of ctx: reading one row takes microseconds, and the
// driver would start a goroutine for each query to watch ctx. busy_timeout bounds
// the wait for a lock; if less time is left, ctx is watched.
func (p *preparedQuerier) QueryRow(ctx context.Context, query string, args ...any) Row {
	if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > busyTimeout {
		ctx = context.WithoutCancel(ctx)
	}
	s, err := p.prepare(ctx, query)
	if err != nil {
		return p.db.QueryRowContext(ctx, query, args...) // its Scan returns the error
	}
	return s.QueryRowContext(ctx, args...)
}

// openRows makes no Rows of a nil pointer.
func openRows(rows *sql.Rows, err error) (Rows, error) {
	if err != nil {
		return nil, err
	}
	return rows, nil
}

func (p *preparedQuerier) close() error {
	p.stmts.Range(func(_, s any) bool { _ = s.(*sql.Stmt).Close(); return true })
	if db, ok := p.db.(*sql.DB); ok {
		return db.Close()
	}
	return nil
}

// pooledQuerier is a preparedQuerier on several connections. The wait for one ends
// with the context, which it need not do for a connection of package sql.
type pooledQuerier struct {
	preparedQuerier
	slots chan struct{} // as many as there are connections
}

// acquire blocks until a connection is free. A context that has ended gets none, even
// if one is free: select would choose at random.
func (p *pooledQuerier) acquire(ctx context.Context) error {
	if ctx.Err() == nil {
		select {
		case p.slots <- struct{}{}:
			return nil
		case <-ctx.Done():
		}
	}
	return fmt.Errorf("wait for the database: %w", ctx.Err())
}

func (p *pooledQuerier) release() { <-p.slots }

func (p *pooledQuerier) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := p.acquire(ctx); err != nil {
		return nil, err
	}
	defer p.release()
	return p.preparedQuerier.Exec(ctx, query, args...)
}

func (p *pooledQuerier) Query(ctx context.Context, query string, args ...any) (Rows, error) {
	if err := p.acquire(ctx); err != nil {
		return nil, err
	}
	rows, err := p.preparedQuerier.Query(ctx, query, args...)
	if err != nil {
		p.release()
		return nil, err
	}
	return &pooledRows{rows, sync.OnceFunc(p.release)}, nil
}

func (p *pooledQuerier) QueryRow(ctx context.Context, query string, args ...any) Row {
	if err := p.acquire(ctx); err != nil {
		return scanned(func(...any) error { return err })
	}
	row := p.preparedQuerier.QueryRow(ctx, query, args...)
	return scanned(func(dest ...any) error {
		defer p.release()
		return row.Scan(dest...)
	})
}

type pooledRows struct {
	Rows
	release func()
}

func (r *pooledRows) Close() error {
	defer r.release()
	return r.Rows.Close()
}
