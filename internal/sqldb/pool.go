package sqldb

import (
	"context"
	"database/sql"
	"sync"
)

// preparer is what *sql.DB and *sql.Conn have in common.
type preparer interface {
	PrepareContext(ctx context.Context, query string) (*sql.Stmt, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// pool is a Querier that prepares each statement once. SQL is constant text
// here, so the number of statements is the number of queries in the program.
type pool struct {
	db    preparer
	stmts sync.Map // query → *sql.Stmt
}

func (p *pool) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
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

func (p *pool) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	s, err := p.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.ExecContext(ctx, args...)
}

func (p *pool) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	s, err := p.prepare(ctx, query)
	if err != nil {
		return nil, err
	}
	return s.QueryContext(ctx, args...)
}

// QueryRow lets go of ctx's end: a look-up of one row takes microseconds, and
// the driver would start a goroutine for each to wait for it.
func (p *pool) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	ctx = context.WithoutCancel(ctx)
	s, err := p.prepare(ctx, query)
	if err != nil {
		return p.db.QueryRowContext(ctx, query, args...) // carries the error to Scan
	}
	return s.QueryRowContext(ctx, args...)
}

func (p *pool) close() error {
	p.stmts.Range(func(_, s any) bool { _ = s.(*sql.Stmt).Close(); return true })
	if db, ok := p.db.(*sql.DB); ok {
		return db.Close()
	}
	return nil
}
