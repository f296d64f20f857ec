// Package sqlstore implements audit.Store on SQL, with the same text for SQLite and
// PostgreSQL.
package sqlstore

import (
	"context"
	"strconv"
	"strings"

	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/sqldb"
)

// Store keeps records in the database. It is safe for concurrent use.
type Store struct{ db *sqldb.DB }

// New returns a Store in db, which must have been migrated.
func New(db *sqldb.DB) *Store { return &Store{db} }

// fields are the columns of a record but for its time.
func fields(r *audit.Record) sqldb.Fields {
	return sqldb.Fields{
		sqldb.Col("audit_id", &r.ID), sqldb.Col("actor", &r.Actor), sqldb.Col("role", &r.Role), sqldb.Col("source", &r.Source),
		sqldb.Col("address", &r.Address), sqldb.Col("action", &r.Action), sqldb.Col("card_id", &r.CardID), sqldb.Col("code", &r.Code),
		sqldb.Col("subject", &r.Subject), sqldb.Col("request_id", &r.RequestID),
	}
}

var (
	columns  = fields(&audit.Record{}).Columns()
	beginSQL = `insert into audit (` + columns.List("") + `, at) values (` + columns.Values(1) + `, now_ms())`
)

// Begin implements audit.Store.
func (s *Store) Begin(ctx context.Context, r audit.Record) error {
	args := []any{
		r.ID, r.Actor, r.Role, string(r.Source), r.Address, r.Action, r.CardID, r.Code, r.Subject, r.RequestID,
	}
	_, err := s.db.Change(ctx, "record an action", beginSQL, args...)
	return err
}

const endSQL = `insert into audit_outcome (audit_id, ended_at, result, problem, changes) values ($1, now_ms(), $2, $3, $4)
	on conflict do nothing`

// End implements audit.Store.
func (s *Store) End(ctx context.Context, id string, o audit.Outcome) error {
	_, err := s.db.Change(ctx, "record an outcome", endSQL, id, string(o.Result), o.Problem, string(o.Changes))
	return err
}

var listSQL = `select a.at, ` + columns.List("a.") + `, coalesce(o.result, 'unknown'), coalesce(o.problem, ''), coalesce(o.changes, '')
	from audit a left join audit_outcome o on o.audit_id = a.audit_id where `

// List implements audit.Store. Each combination of conditions has a text of its own,
// so that an index serves it.
func (s *Store) List(ctx context.Context, f audit.Filter, after audit.Mark, n int) ([]audit.Record, error) {
	var q conditions
	q.add("a.at >= ?", f.From.UnixMilli())
	if !f.To.IsZero() {
		q.add("a.at < ?", f.To.UnixMilli())
	}
	if f.Actor != "" {
		q.add("a.actor = ?", f.Actor)
	}
	if f.Action != "" {
		q.add("a.action = ?", f.Action)
	}
	if f.CardID != "" {
		q.add("a.card_id = ? and a.card_id <> ''", f.CardID) // the index is partial
	}
	if f.CardID != "" && f.Code != "" {
		q.add("a.code = ?", f.Code)
	}
	if f.Subject != "" {
		q.add("a.subject = ? and a.subject <> ''", f.Subject)
	}
	if after != (audit.Mark{}) {
		q.add("(a.at, a.audit_id) < (?, ?)", after.At.UnixMilli(), after.ID)
	}
	query := listSQL + strings.Join(q.list, " and ") + ` order by a.at desc, a.audit_id desc limit $` + strconv.Itoa(len(q.args)+1)
	return sqldb.All(ctx, s.db.Read(), "list actions", scan, query, append(q.args, n)...)
}

// conditions are the parts of a where clause, with their arguments.
type conditions struct {
	list []string
	args []any
}

// add adds a condition with a ? for each argument.
func (c *conditions) add(condition string, args ...any) {
	for _, arg := range args {
		c.args = append(c.args, arg)
		condition = strings.Replace(condition, "?", "$"+strconv.Itoa(len(c.args)), 1)
	}
	c.list = append(c.list, condition)
}

func scan(scan sqldb.Scan) (r audit.Record, err error) {
	var changes string
	pointers := append([]any{(*sqldb.Time)(&r.At)}, fields(&r).Pointers()...)
	err = scan(append(pointers, &r.Result, &r.Problem, &changes)...)
	if changes != "" {
		r.Changes = []byte(changes)
	}
	return r, err
}
