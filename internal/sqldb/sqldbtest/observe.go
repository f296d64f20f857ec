package sqldbtest

import (
	"context"
	"database/sql"

	"github.com/addcard/addcard/internal/sqldb"
)

// Observe returns a DB that calls see with each statement before db runs it. see
// must be safe for concurrent use.
func Observe(db *sqldb.DB, see func(query string, args []any)) *sqldb.DB {
	return &sqldb.DB{Engine: observedEngine{db.Engine, see}}
}

type observedEngine struct {
	sqldb.Engine
	see func(query string, args []any)
}

func (e observedEngine) Read() sqldb.Querier { return observedQuerier{e.Engine.Read(), e.see} }

func (e observedEngine) Write(ctx context.Context, fn func(ctx context.Context, tx sqldb.Querier) error) error {
	return e.Engine.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		return fn(ctx, observedQuerier{tx, e.see})
	})
}

type observedQuerier struct {
	sqldb.Querier
	see func(query string, args []any)
}

func (q observedQuerier) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	q.see(query, args)
	return q.Querier.Exec(ctx, query, args...)
}

func (q observedQuerier) Query(ctx context.Context, query string, args ...any) (sqldb.Rows, error) {
	q.see(query, args)
	return q.Querier.Query(ctx, query, args...)
}

func (q observedQuerier) QueryRow(ctx context.Context, query string, args ...any) sqldb.Row {
	q.see(query, args)
	return q.Querier.QueryRow(ctx, query, args...)
}
