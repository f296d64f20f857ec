package sqldb

import (
	"context"
	"database/sql"
	"fmt"
	"sync/atomic"
	"time"
)

// lookEvery is how old our knowledge of other processes' commits may be.
const lookEvery = 100 * time.Millisecond

// versions counts commits, so that what was read can be kept until one happens.
type versions struct {
	count atomic.Int64
	began time.Time

	conn   *sql.Conn // sees the commits of all others, our writer's included
	looked atomic.Int64
	seen   atomic.Int64
}

func newVersions(ctx context.Context, db *sql.DB) (*versions, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("watch the database: %w", err)
	}
	return &versions{conn: conn, began: time.Now()}, nil
}

// now is the count, after a look at the file if the last is old.
func (v *versions) now(ctx context.Context) int64 {
	now := int64(time.Since(v.began))
	if last := v.looked.Load(); now-last >= int64(lookEvery) && v.looked.CompareAndSwap(last, now) {
		v.look(context.WithoutCancel(ctx))
	}
	return v.count.Load()
}

// look compares SQLite's own count of other connections' commits. When it
// cannot be read, something may have been committed.
func (v *versions) look(ctx context.Context) {
	var n int64
	if err := v.conn.QueryRowContext(ctx, "pragma data_version").Scan(&n); err != nil || v.seen.Swap(n) != n {
		v.count.Add(1)
	}
}
