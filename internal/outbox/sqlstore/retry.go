package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/sqldb"
)

// job is a job with its place in the list of messages.
type job struct {
	outbox.RetryJob
	filter string
	after  outbox.Mark
}

func jobFields(j *job) sqldb.Fields {
	return sqldb.Fields{
		sqldb.Col("retry_id", &j.ID), sqldb.Col("actor", &j.Actor), sqldb.Col("filter", &j.filter), sqldb.Col("state", &j.State),
		sqldb.Col("total", &j.Total), sqldb.Col("done", &j.Done), sqldb.Col("failed", &j.Failed),
		sqldb.Col("after_at", (*sqldb.Time)(&j.after.CreatedAt)), sqldb.Col("after_id", &j.after.ID),
		sqldb.Col("created_at", (*sqldb.Time)(&j.CreatedAt)), sqldb.Col("ended_at", (*sqldb.Time)(&j.EndedAt)),
	}
}

func scanJob(scan sqldb.Scan) (j job, err error) {
	if err := scan(jobFields(&j).Pointers()...); err != nil {
		return j, err
	}
	if err := json.Unmarshal([]byte(j.filter), &j.Filter); err != nil {
		return j, fmt.Errorf("decode the filter of a retry: %w", err)
	}
	return j, nil
}

func scanRetryJob(scan sqldb.Scan) (outbox.RetryJob, error) {
	j, err := scanJob(scan)
	return j.RetryJob, err
}

const purgeRetriesSQL = `delete from outbox_retry where created_at < now_ms() - 2592000000 and state <> 'running'`

var (
	jobColumns = jobFields(&job{}).Columns().List("")
	addJobSQL  = `insert into outbox_retry (retry_id, actor, filter, total, created_at) values ($1, $2, $3, $4, $5)
	returning ` + jobColumns
	selectJobSQL = `select ` + jobColumns + ` from outbox_retry `
	jobSQL       = selectJobSQL + `where retry_id = $1`
	jobsSQL      = selectJobSQL + `order by created_at desc, retry_id desc limit $1`
	countSQL     = `select count(*) from outbox where state = $6` + selectedSQL
)

// AddRetry implements outbox.Store.
func (s *Store) AddRetry(ctx context.Context, j outbox.RetryJob) (added outbox.RetryJob, err error) {
	if slices.Sort(j.Filter.IDs); len(j.Filter.IDs) > 0 {
		j.Filter.IDs = slices.Compact(j.Filter.IDs)
	}
	filter, err := json.Marshal(j.Filter)
	if err != nil {
		return added, fmt.Errorf("encode the filter of a retry: %w", err)
	}
	// Counted outside the transaction, which is to be short.
	now, err := s.db.Now(ctx)
	if err != nil {
		return added, fmt.Errorf("add a retry: %w", err)
	}
	total := int64(len(j.Filter.IDs))
	if total == 0 {
		count := s.db.Read().QueryRow(ctx, countSQL, append(selected(j.Filter, now.UnixMilli()+1), j.Filter.State)...)
		if err := count.Scan(&total); err != nil {
			return added, fmt.Errorf("count the messages to retry: %w", err)
		}
	}
	err = s.db.Write(ctx, func(ctx context.Context, tx sqldb.Querier) error {
		if err := (sqldb.Queries{Querier: tx, DB: s.db}).Run(ctx, "delete old retries", purgeRetriesSQL); err != nil {
			return err
		}
		added, err = scanRetryJob(tx.QueryRow(ctx, addJobSQL, j.ID, j.Actor, string(filter), total, sqldb.Time(now)).Scan)
		return err
	})
	if err != nil {
		return added, fmt.Errorf("add a retry: %w", err)
	}
	return added, nil
}

// RetryJob implements outbox.Store.
func (s *Store) RetryJob(ctx context.Context, id string) (outbox.RetryJob, error) {
	j, err := scanRetryJob(s.db.Read().QueryRow(ctx, jobSQL, id).Scan)
	return j, sqldb.One("read a retry", err, outbox.ErrJobNotFound)
}

// RetryJobs implements outbox.Store.
func (s *Store) RetryJobs(ctx context.Context, n int) ([]outbox.RetryJob, error) {
	return sqldb.All(ctx, s.db.Read(), "list retries", scanRetryJob, jobsSQL, n)
}

const stopJobSQL = `update outbox_retry set state = 'stopped', ended_at = now_ms() where retry_id = $1 and state = 'running'`

// StopRetry implements outbox.Store.
func (s *Store) StopRetry(ctx context.Context, id string) error {
	stopped, err := s.db.Change(ctx, "stop a retry", stopJobSQL, id)
	if err == nil && !stopped {
		_, err = s.RetryJob(ctx, id)
	}
	return err
}

const (
	// anyJobSQL keeps an idle replica from using the writing connection.
	anyJobSQL  = `select count(*) from (select 1 from outbox_retry where state = 'running' limit 1) as running`
	saveJobSQL = `update outbox_retry set total = $2, done = $3, failed = $4, after_at = $5, after_id = $6, state = $7,
	ended_at = case when $7 = 'running' then 0 else now_ms() end
	where retry_id = $1`
)

// takeJobSQL locks the oldest job that no other replica works on. A message that is
// stored again gets a later time than the job has, so the job does not find it again.
func takeJobSQL(skipLocked string) string {
	return `update outbox_retry set state = state where retry_id in (select r.retry_id from outbox_retry r
		where r.state = 'running' and r.created_at < now_ms() order by r.created_at limit 1` + skipLocked + `) returning ` + jobColumns
}

var errNoJob = errors.New("no retry to work on")

// WorkOnRetry implements outbox.Store.
func (s *Store) WorkOnRetry(
	ctx context.Context, n int, retry func(ctx context.Context, tx outbox.Tx, m outbox.Stored) (bool, error),
) (worked bool, err error) {
	running, err := sqldb.Queries{Querier: s.db.Read()}.Any(ctx, "look for retries", anyJobSQL)
	if err != nil || !running {
		return false, err
	}
	err = s.db.Write(ctx, func(ctx context.Context, q sqldb.Querier) error {
		worked = false
		tx := Tx{sqldb.Queries{Querier: q, DB: s.db}}
		j, err := scanJob(q.QueryRow(ctx, takeJobSQL(s.db.SkipLocked("r"))).Scan)
		if err = sqldb.One("take a retry", err, errNoJob); errors.Is(err, errNoJob) {
			return nil
		}
		if err != nil {
			return err
		}
		worked = true
		page, missing, err := tx.pageOf(ctx, &j, n)
		if err != nil {
			return err
		}
		j.Failed += missing
		for _, m := range page {
			done, err := retry(ctx, tx, m)
			switch {
			case err != nil:
				return err
			case done:
				j.Done++
			default:
				j.Failed++
			}
		}
		j.Total = max(j.Total, j.Done+j.Failed) // some may have been parked after they were counted
		return tx.Run(ctx, "record the progress of a retry", saveJobSQL,
			j.ID, j.Total, j.Done, j.Failed, sqldb.Time(j.after.CreatedAt), j.after.ID, j.State)
	})
	return worked && err == nil, err
}

var pageSQL = selectStoredSQL + `where state = $6 and (created_at, outbox_id) > ($7, $8)` + selectedSQL + `
	order by created_at, outbox_id limit $9`

// pageOf returns the next n messages of a job, and moves its place behind them. After
// the last page the job is done. missing counts the IDs without a message.
func (tx Tx) pageOf(ctx context.Context, j *job, n int) (page []outbox.Stored, missing int64, err error) {
	if len(j.Filter.IDs) > 0 {
		return tx.pageOfIDs(ctx, j, n)
	}
	page, err = sqldb.All(ctx, tx, "list messages to retry", scanStored, pageSQL,
		append(selected(j.Filter, j.CreatedAt.UnixMilli()+1), j.Filter.State, sqldb.Time(j.after.CreatedAt), j.after.ID, n)...)
	if len(page) < n {
		j.State = outbox.JobDone
	} else {
		j.after = page[n-1].Mark()
	}
	return page, 0, err
}

func (tx Tx) pageOfIDs(ctx context.Context, j *job, n int) (page []outbox.Stored, missing int64, err error) {
	at, found := slices.BinarySearch(j.Filter.IDs, j.after.ID)
	if found {
		at++
	}
	ids := j.Filter.IDs[at:min(at+n, len(j.Filter.IDs))]
	if len(ids) < n {
		j.State = outbox.JobDone
	} else {
		j.after.ID = ids[n-1]
	}
	for _, id := range ids {
		m, err := tx.Message(ctx, id)
		if errors.Is(err, outbox.ErrNotFound) {
			missing++
			continue
		}
		if err != nil {
			return nil, 0, err
		}
		page = append(page, m)
	}
	return page, missing, nil
}
