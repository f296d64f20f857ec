package sqldb

import (
	"context"
	"database/sql"
)

// Observe returns db as one that tells of every statement before it runs it. It
// is for tests; see must be safe for concurrent use.
func Observe(db *DB, see func(query string, args []any)) *DB {
	return &DB{observed{db.engine, see}}
}

type observed struct {
	engine
	see func(query string, args []any)
}

func (o observed) read() Querier { return watched{o.engine.read(), o.see} }

func (o observed) write(ctx context.Context, fn func(ctx context.Context, tx Querier) error) error {
	return o.engine.write(ctx, func(ctx context.Context, tx Querier) error { return fn(ctx, watched{tx, o.see}) })
}

type watched struct {
	q   Querier
	see func(query string, args []any)
}

func (w watched) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	w.see(query, args)
	return w.q.Exec(ctx, query, args...)
}

func (w watched) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	w.see(query, args)
	return w.q.Query(ctx, query, args...)
}

func (w watched) QueryRow(ctx context.Context, query string, args ...any) *sql.Row {
	w.see(query, args)
	return w.q.QueryRow(ctx, query, args...)
}
