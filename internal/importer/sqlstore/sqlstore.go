// Package sqlstore is importer.Store on SQL: one text for SQLite and PostgreSQL.
package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/addcard/addcard/internal/importer"
	membersql "github.com/addcard/addcard/internal/member/sqlstore"
	outboxsql "github.com/addcard/addcard/internal/outbox/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
)

// Store keeps imports in the database. It is safe for concurrent use.
type Store struct{ db *sqldb.DB }

// New returns a Store on db. The tables of db must be up to date.
func New(db *sqldb.DB) *Store { return &Store{db} }

// Write implements importer.Store.
func (s *Store) Write(ctx context.Context, fn func(ctx context.Context, tx importer.Tx) error) error {
	return s.db.Write(ctx, func(ctx context.Context, q sqldb.Querier) error { return fn(ctx, tx{membersql.NewTx(s.db, q)}) })
}

// row is an import with its options as they are stored.
type row struct {
	importer.Import
	options string
}

func fields(r *row) sqldb.Fields {
	return sqldb.Fields{
		sqldb.Col("import_id", &r.ID), sqldb.Col("name", &r.Name), sqldb.Col("card_id", &r.CardID), sqldb.Col("actor", &r.Actor),
		sqldb.Col("dry_run", (*sqldb.Bool)(&r.DryRun)), sqldb.Col("options", &r.options), sqldb.Col("state", &r.State),
		sqldb.Col("problem", &r.Problem), sqldb.Col("total", &r.Total), sqldb.Col("lines", &r.Lines),
		sqldb.Col("waiting", &r.Waiting), sqldb.Col("joined", &r.Joined), sqldb.Col("unchanged", &r.Unchanged),
		sqldb.Col("refused", &r.Refused), sqldb.Col("created_at", (*sqldb.Time)(&r.CreatedAt)),
		sqldb.Col("ended_at", (*sqldb.Time)(&r.EndedAt)),
	}
}

func scanImport(scan sqldb.Scan) (importer.Import, error) {
	var r row
	if err := scan(fields(&r).Pointers()...); err != nil {
		return r.Import, err
	}
	if err := json.Unmarshal([]byte(r.options), &r.Options); err != nil {
		return r.Import, fmt.Errorf("decode the options of an import: %w", err)
	}
	return r.Import, nil
}

var (
	columns = fields(&row{}).Columns().List("")

	// A file is only replaced after its end.
	beginSQL = `insert into import (import_id, name, card_id, actor, dry_run, options, state, created_at, lease_owner, lease_until)
	values ($1, $2, $3, $4, $5, $6, 'running', now_ms(), $7, case when $7 = '' then 0 else now_ms() + $8 end)
	on conflict (name, card_id, dry_run) do update set actor = excluded.actor, options = excluded.options, state = 'running',
		problem = '', total = 0, lines = 0, waiting = 0, joined = 0, unchanged = 0, refused = 0, created_at = now_ms(), ended_at = 0,
		lease_owner = excluded.lease_owner, lease_until = excluded.lease_until
	where not exists (select 1 from import_file f where f.import_id = import.import_id)
	returning ` + columns
	runningSQL = `select ` + columns + ` from import where name = $1 and card_id = $2 and dry_run = $3`
)

const (
	forgetLinesSQL = `delete from import_line where import_id = $1 and digest = ''`
	addFileSQL     = `insert into import_file (import_id, content) values ($1, $2)`
)

// Begin implements importer.Store.
func (s *Store) Begin(ctx context.Context, o importer.Options, owner, content string) (i importer.Import, begun bool, err error) {
	const what = "begin an import"
	options, err := json.Marshal(o)
	if err != nil {
		return i, false, fmt.Errorf("encode the options of an import: %w", err)
	}
	err = s.db.Write(ctx, func(ctx context.Context, q sqldb.Querier) error {
		tx := sqldb.Queries{Querier: q, DB: s.db}
		i, err = scanImport(q.QueryRow(ctx, beginSQL, outboxsql.NewID(), o.Name, o.CardID, o.Actor, sqldb.Bool(o.DryRun),
			string(options), owner, importer.LeaseTime.Milliseconds()).Scan)
		err = sqldb.One(what, err, importer.ErrRunning)
		if begun = err == nil; errors.Is(err, importer.ErrRunning) {
			i, err = scanImport(q.QueryRow(ctx, runningSQL, o.Name, o.CardID, sqldb.Bool(o.DryRun)).Scan)
			return err
		}
		if err == nil {
			err = tx.Run(ctx, what, forgetLinesSQL, i.ID)
		}
		if err == nil && content != "" {
			err = tx.Run(ctx, what, addFileSQL, i.ID, content)
		}
		return err
	})
	if err != nil {
		return importer.Import{}, false, fmt.Errorf("%s: %w", what, err)
	}
	return i, begun, nil
}

// anySQL keeps an idle replica from using the writing connection.
const anySQL = `select count(*) from (select 1 from import where state = 'running' and (lease_until < now_ms() or lease_owner = $1)
	limit 1) as running`

var (
	// The last condition is for two replicas that find the same import.
	takeSQL = `update import set lease_owner = $1, lease_until = now_ms() + $2 where import_id in (
		select i.import_id from import i join import_file f on f.import_id = i.import_id
		where i.state = 'running' and (i.lease_until < now_ms() or i.lease_owner = $1) order by i.lease_until limit 1)
	and state = 'running' and (lease_until < now_ms() or lease_owner = $1) returning ` + columns
)

const contentSQL = `select content from import_file where import_id = $1`

// Take implements importer.Store.
func (s *Store) Take(ctx context.Context, owner string) (i importer.Import, content string, err error) {
	some, err := sqldb.Queries{Querier: s.db.Read()}.Any(ctx, "look for imports", anySQL, owner)
	if err == nil && !some {
		err = importer.ErrNotFound
	}
	if err != nil {
		return i, "", err
	}
	err = s.db.Write(ctx, func(ctx context.Context, q sqldb.Querier) error {
		i, err = scanImport(q.QueryRow(ctx, takeSQL, owner, importer.LeaseTime.Milliseconds()).Scan)
		if err == nil {
			err = q.QueryRow(ctx, contentSQL, i.ID).Scan(&content)
		}
		return sqldb.One("take an import", err, importer.ErrNotFound)
	})
	return i, content, err
}

const foundSQL = `update import set total = $3, lease_until = now_ms() + $4 where import_id = $1 and lease_owner = $2`

// Found implements importer.Store.
func (s *Store) Found(ctx context.Context, l importer.Lease, total int) error {
	return taken(s.db.Change(ctx, "record the lines of a file", foundSQL, l.ImportID, l.Owner, total, importer.LeaseTime.Milliseconds()))
}

// taken returns ErrTaken if an import that was to be changed has another owner.
func taken(changed bool, err error) error {
	if err == nil && !changed {
		return importer.ErrTaken
	}
	return err
}

const (
	endSQL = `update import set state = $3, problem = $4, ended_at = now_ms(), lease_until = 0
	where import_id = $1 and lease_owner = $2`
	deleteFileSQL = `delete from import_file where import_id = $1`
)

// End implements importer.Store.
func (s *Store) End(ctx context.Context, l importer.Lease, state importer.State, problem string) error {
	const what = "end an import"
	return s.db.Write(ctx, func(ctx context.Context, q sqldb.Querier) error {
		tx := sqldb.Queries{Querier: q, DB: s.db}
		if err := taken(tx.Change(ctx, what, endSQL, l.ImportID, l.Owner, state, problem)); err != nil {
			return err
		}
		return tx.Run(ctx, what, deleteFileSQL, l.ImportID)
	})
}

const (
	oldSQL = `select count(*) from (select 1 from import i where i.dry_run = 1 and i.ended_at > 0 and i.ended_at < now_ms() - 604800000
		or i.state = 'running' and i.lease_until < now_ms()
			and not exists (select 1 from import_file f where f.import_id = i.import_id) limit 1) as old`
	deleteOldLinesSQL = `delete from import_line where import_id in (
		select import_id from import where dry_run = 1 and ended_at > 0 and ended_at < now_ms() - 604800000)`
	deleteOldSQL = `delete from import where dry_run = 1 and ended_at > 0 and ended_at < now_ms() - 604800000`
	endLostSQL   = `update import set state = 'failed', problem = $1, ended_at = now_ms()
	where state = 'running' and lease_until < now_ms()
		and not exists (select 1 from import_file f where f.import_id = import.import_id)`
)

// Expire implements importer.Store.
func (s *Store) Expire(ctx context.Context, problem string) error {
	const what = "end old imports"
	some, err := sqldb.Queries{Querier: s.db.Read()}.Any(ctx, what, oldSQL)
	if err != nil || !some {
		return err
	}
	return s.db.Write(ctx, func(ctx context.Context, q sqldb.Querier) error {
		tx := sqldb.Queries{Querier: q, DB: s.db}
		return errors.Join(tx.Run(ctx, what, deleteOldLinesSQL), tx.Run(ctx, what, deleteOldSQL), tx.Run(ctx, what, endLostSQL, problem))
	})
}
