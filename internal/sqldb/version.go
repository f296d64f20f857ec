package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// dataVersionInterval is how late commits of other processes may be noticed.
const dataVersionInterval = 100 * time.Millisecond

// versions counts commits, so that data that was read can be kept until the
// next one.
type versions struct {
	count atomic.Int64
	start time.Time

	conn        *sql.Conn // sees the commits of all other connections
	polledAt    atomic.Int64
	dataVersion atomic.Int64
}

func newVersions(ctx context.Context, db *sql.DB) (*versions, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("watch the database: %w", err)
	}
	if _, err := conn.ExecContext(ctx, "pragma busy_timeout = 0"); err != nil { // requests wait for each other on this connection
		return nil, errors.Join(fmt.Errorf("watch the database: %w", err), conn.Close())
	}
	return &versions{conn: conn, start: time.Now()}, nil
}

// current returns the count. It polls the file if the last poll is too long
// ago.
func (v *versions) current(ctx context.Context) int64 {
	now := int64(time.Since(v.start))
	if last := v.polledAt.Load(); now-last >= int64(dataVersionInterval) && v.polledAt.CompareAndSwap(last, now) {
		v.poll(context.WithoutCancel(ctx))
	}
	return v.count.Load()
}

// poll compares SQLite's data_version, which changes with commits of other
// connections. If it cannot be read, something may have been committed.
func (v *versions) poll(ctx context.Context) {
	var n int64
	if err := v.conn.QueryRowContext(ctx, "pragma data_version").Scan(&n); err != nil || v.dataVersion.Swap(n) != n {
		v.count.Add(1)
	}
}
