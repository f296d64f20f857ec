package sqldb

import (
	"context"
	"fmt"
	"time"
)

const (
	// startedSQL keeps replicas that have no job from using the writing connection.
	startedSQL  = `select count(*) from schedule where name = $1 and taken_at > now_ms() - $2`
	startJobSQL = `insert into schedule (name, taken_at) values ($1, now_ms())
	on conflict (name) do update set taken_at = excluded.taken_at
	where schedule.taken_at <= excluded.taken_at - $2
	returning taken_at`
)

// StartJob reports whether the caller must do a job that one replica does for the
// fleet. It returns true to one caller in each period, by the clock of the database.
func (db *DB) StartJob(ctx context.Context, job string, every time.Duration) (bool, error) {
	started, err := Queries{db.Read(), db}.Any(ctx, "look for the job "+job, startedSQL, job, every.Milliseconds())
	if err != nil || started {
		return false, err
	}
	return db.Try(ctx, "start the job "+job, startJobSQL, job, every.Milliseconds())
}

// Now returns the time by the clock of the database.
func (db *DB) Now(ctx context.Context) (now time.Time, err error) {
	if err := db.Read().QueryRow(ctx, `select now_ms()`).Scan((*Time)(&now)); err != nil {
		return now, fmt.Errorf("read the clock: %w", err)
	}
	return now, nil
}
