package sqldb

import (
	"context"
	"database/sql"
	"sync"
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

func (p *preparedQuerier) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := p.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// QueryRow ignores the end of ctx: reading one row takes microseconds, and the
// driver would start a goroutine for each query to watch ctx.
func (p *preparedQuerier) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	ctx = context.WithoutCancel(ctx)
	s, err := p.prepare(ctx, query)
	if err != nil {
		return p.db.QueryRowContext(ctx, query, args...) // its Scan returns the error
	}
	return s.QueryRowContext(ctx, args...)
}

func (p *preparedQuerier) close() error {
	p.stmts.Range(func(_, s any) bool { _ = s.(*sql.Stmt).Close(); return true })
	if db, ok := p.db.(*sql.DB); ok {
		return db.Close()
	}
	return nil
}
