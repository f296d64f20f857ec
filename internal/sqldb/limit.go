package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// callTime bounds one call of the database: the wait for a connection, the
// statement or the whole transaction with its repetitions, and its end. The caller's
// answer must be sent within five seconds.
const callTime = 4 * time.Second

// limits are the limits of the calls with a context.
type limits struct {
	each time.Duration
	left *atomic.Int64 // nanoseconds for all calls together; nil without such a limit
}

type limitsKey struct{}

// Each returns a context whose calls of the database take at most d each, instead
// of four seconds. They have no limit together.
func Each(ctx context.Context, d time.Duration) context.Context {
	return context.WithValue(ctx, limitsKey{}, limits{each: d})
}

// Together returns a context whose calls of the database take at most d together.
func Together(ctx context.Context, d time.Duration) context.Context {
	left := &atomic.Int64{}
	left.Store(int64(d))
	return context.WithValue(ctx, limitsKey{}, limits{each: d, left: left})
}

// limitCall returns a context for one call, which ends at the limit of the call.
// The caller must call end when the call has ended.
func limitCall(ctx context.Context) (limited context.Context, end func()) {
	l, ok := ctx.Value(limitsKey{}).(limits)
	switch {
	case !ok:
		l.each = callTime
	case l.left != nil:
		l.each = time.Duration(l.left.Load())
	}
	limited, cancel := context.WithTimeout(ctx, l.each)
	began := time.Now()
	return limited, func() {
		cancel()
		if l.left != nil {
			l.left.Add(-int64(time.Since(began)))
		}
	}
}

// limitedQuerier limits each call of a Querier that runs no transaction.
type limitedQuerier struct {
	db *DB
	q  Querier
}

func (l limitedQuerier) Exec(ctx context.Context, query string, args ...any) (sql.Result, error) {
	limited, end := limitCall(ctx)
	defer end()
	result, err := l.q.Exec(limited, query, args...)
	return result, l.db.fault(ctx, err, false)
}

func (l limitedQuerier) Query(ctx context.Context, query string, args ...any) (Rows, error) {
	limited, end := limitCall(ctx)
	rows, err := l.q.Query(limited, query, args...)
	if err != nil {
		end()
		return nil, l.db.fault(ctx, err, false)
	}
	return &limitedRows{rows, func(err error) error { return l.db.fault(ctx, err, false) }, end}, nil
}

func (l limitedQuerier) QueryRow(ctx context.Context, query string, args ...any) Row {
	limited, end := limitCall(ctx)
	row := l.q.QueryRow(limited, query, args...)
	return scanned(func(dest ...any) error {
		defer end()
		return l.db.fault(ctx, row.Scan(dest...), false)
	})
}

// scanned is a Row that is read by a function.
type scanned func(dest ...any) error

func (s scanned) Scan(dest ...any) error { return s(dest...) }

type limitedRows struct {
	Rows
	fault func(error) error
	end   func()
}

func (r *limitedRows) Err() error { return r.fault(r.Rows.Err()) }

func (r *limitedRows) Close() error {
	defer r.end()
	return r.Rows.Close()
}

// Read returns a Querier outside any transaction: each statement sees what was
// committed before it began. It never waits for a writer. A statement, with the
// reading of its rows, takes at most four seconds, or what Each or Together say.
// Its errors wrap ErrUnavailable if the database is at fault.
func (db *DB) Read() Querier { return limitedQuerier{db, db.Engine.Read()} }

// Write runs fn in one durable transaction and returns once the commit is on
// disk. It takes at most four seconds, or what Each or Together say; a commit
// that takes longer may still succeed, and is ErrUnknown. Its errors wrap
// ErrUnavailable if the database is at fault. See Engine for what fn must and may
// do.
func (db *DB) Write(ctx context.Context, fn func(ctx context.Context, tx Querier) error) error {
	limited, end := limitCall(ctx)
	defer end()
	return db.fault(ctx, db.Engine.Write(limited, fn), true)
}

// fault returns err, wrapped by ErrUnavailable if the database is at fault for
// the failure of a call of the database with ctx, and remembers that. A caller that
// has left is not.
func (db *DB) fault(ctx context.Context, err error, write bool) error {
	if err == nil || errors.Is(ctx.Err(), context.Canceled) || !isFault(err) {
		return err
	}
	if err = asDamage(err); !errors.Is(err, ErrUnavailable) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	db.health.note(err, write)
	return err
}
