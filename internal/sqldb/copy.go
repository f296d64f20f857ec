package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// ErrInUse is returned by Copy when another program uses one of the databases.
var ErrInUse = errors.New("sqldb: another program is using the database: stop the servers and commands that do")

// ErrPooler is returned by Copy for a database behind a connection pooler.
var ErrPooler = errors.New("sqldb: this is a connection pooler: copy with the address of PostgreSQL itself")

// ErrNotEmpty is returned by Copy when the target has rows that no unfinished copy of
// the same source has put there.
var ErrNotEmpty = errors.New("sqldb: the database to copy to is not empty")

// ErrUncopyable is returned by Copy for a source that is no database of this version
// of addcard, or that has what the target cannot store.
var ErrUncopyable = errors.New("sqldb: cannot be copied")

// ErrDiffers is returned by Copy when the target does not have the rows of the source:
// the source has changed since a copy was interrupted.
var ErrDiffers = errors.New("sqldb: the source has changed since the copy began: begin again with an empty database")

// ErrUnfinished is returned by Migrate while a copy into the database is not finished.
var ErrUnfinished = errors.New("sqldb: a copy into this database is not finished: run it again before anything else uses the database")

// CopyStep is how far a copy is. A table is copied, and compared after all are copied.
type CopyStep struct {
	Table     string
	Done      int64 // rows of the table in the target
	Total     int64 // rows of the table in the source
	Comparing bool
}

// CopiedTable is a table that is equal in both databases, with its sums.
type CopiedTable struct {
	Name string
	CopySums
}

const (
	schemaVersionSQL = `select coalesce(max(version_id), 0) from goose_db_version`
	unfinishedSQL    = `select source from unfinished_copy`
	beginCopySQL     = `insert into unfinished_copy (source, began_at) values ($1, now_ms())`
	endCopySQL       = `delete from unfinished_copy`
)

// Copy copies every row of every table of addcard from one database to another, each
// named as in Open, compares both, and returns the tables. It creates the tables of
// the target. It blocks until it is done, which takes minutes for a million members,
// and calls progress, which must not be nil, after every few thousand rows.
//
// An interrupted copy goes on when it is repeated; until it is done Migrate returns
// ErrUnfinished for the target. Copy does not change the source, and locks out what
// would. Its errors wrap ErrInUse, ErrNotEmpty, ErrUncopyable, ErrDiffers or, for a
// URL, ErrUnsupported.
func Copy(ctx context.Context, from, to string, progress func(CopyStep)) (copied []CopiedTable, err error) {
	if err := errors.Join(CheckURL(from), CheckURL(to)); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil && ctx.Err() != nil { // the drivers say it in many ways
			err = fmt.Errorf("copy the database: %w", ctx.Err())
		}
	}()
	source, err := openSource(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("open the source: %w", err)
	}
	defer source.close()
	target, err := openTarget(ctx, to, source.name())
	if err != nil {
		return nil, fmt.Errorf("open the target: %w", err)
	}
	defer target.close()
	tables, err := sameTables(ctx, source, target)
	if err != nil {
		return nil, err
	}
	c := copying{source, target, progress}
	for _, t := range tables {
		if err := c.table(ctx, t); err != nil {
			return nil, fmt.Errorf("copy the table %s: %w", t.name, err)
		}
	}
	return c.finish(ctx, tables)
}

// openSource opens a database that this program could serve, and keeps others from
// changing it.
func openSource(ctx context.Context, url string) (end *copyEnd, err error) {
	if end, err = openEnd(ctx, url, false); err != nil {
		return nil, err
	}
	tables, err := end.tables(ctx)
	if err == nil {
		err = end.isCurrent(ctx, tables)
	}
	if err == nil {
		err = end.freeze(ctx, tables)
	}
	if err != nil {
		end.close()
		return nil, err
	}
	return end, nil
}

// isCurrent returns an error unless the schema of the source is this program's.
func (e *copyEnd) isCurrent(ctx context.Context, tables []copyTable) error {
	if !hasTable(tables, "member") {
		return fmt.Errorf("%w: it is no database of addcard", ErrUncopyable)
	}
	version, err := e.number(ctx, schemaVersionSQL)
	if err != nil {
		return fmt.Errorf("read the schema version: %w", err)
	}
	switch program, err := programVersion(); {
	case err != nil:
		return err
	case version > program:
		return fmt.Errorf("%w: schema version %d, this program has %d", ErrNewerSchema, version, program)
	case version < program:
		return fmt.Errorf("%w: it has schema version %d and this program %d: run server migrate on it first", ErrUncopyable, version, program)
	}
	mark, err := e.unfinished(ctx)
	if err == nil && mark != "" {
		err = ErrUnfinished
	}
	return err
}

// openTarget returns a database with the tables of this program, which are empty or
// have rows of an unfinished copy of the source, and marks it as unfinished.
func openTarget(ctx context.Context, url, source string) (end *copyEnd, err error) {
	if end, err = openEnd(ctx, url, true); err != nil {
		return nil, err
	}
	_, err = end.isOurs(ctx, source)
	end.close()
	if err != nil {
		return nil, err
	}
	if err := migrateTarget(ctx, url); err != nil {
		return nil, err
	}
	if end, err = openEnd(ctx, url, true); err != nil {
		return nil, err
	}
	begun, err := end.isOurs(ctx, source)
	if err == nil && !begun {
		err = end.mark(ctx, source)
	}
	if err == nil {
		err = end.alone(ctx) // a server that began before the mark has a connection now
	}
	if err != nil {
		end.close()
		return nil, err
	}
	return end, nil
}

func migrateTarget(ctx context.Context, url string) error {
	db, err := Open(ctx, url)
	if err != nil {
		return err
	}
	_, err = db.migrate(ctx, latest)
	return errors.Join(err, db.Close())
}

// isOurs reports whether the target has an unfinished copy of the source. It returns an
// error if it has anything else.
func (e *copyEnd) isOurs(ctx context.Context, source string) (bool, error) {
	tables, err := e.tables(ctx)
	if err != nil {
		return false, err
	}
	if hasTable(tables, "unfinished_copy") {
		switch mark, err := e.unfinished(ctx); {
		case err != nil:
			return false, err
		case mark == source:
			return true, nil
		case mark != "":
			return false, fmt.Errorf("%w: it has an unfinished copy of %s", ErrNotEmpty, mark)
		}
	}
	for _, t := range tables {
		if notCopied[t.name] != "" || filledByMigrations[t.name] {
			continue
		}
		if n, err := e.count(ctx, t); err != nil {
			return false, err
		} else if n > 0 {
			return false, fmt.Errorf("%w: the table %s has %d rows", ErrNotEmpty, t.name, n)
		}
	}
	return false, nil
}

// mark marks the target, and deletes what the migrations have put into it.
func (e *copyEnd) mark(ctx context.Context, source string) error {
	tx, err := e.conn.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin the copy: %w", err)
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	_, err = tx.ExecContext(ctx, beginCopySQL, source)
	for table := range filledByMigrations {
		if err == nil {
			_, err = tx.ExecContext(ctx, "delete from "+table)
		}
	}
	if err == nil {
		err = tx.Commit()
	}
	if err != nil {
		return fmt.Errorf("begin the copy: %w", err)
	}
	return nil
}

// unfinished returns where an unfinished copy into this database comes from, or "".
func (e *copyEnd) unfinished(ctx context.Context) (source string, err error) {
	err = e.conn.QueryRowContext(ctx, unfinishedSQL).Scan(&source)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return "", fmt.Errorf("look for an unfinished copy: %w", err)
	}
	return source, nil
}

// sameTables returns the tables to copy, which both databases have.
func sameTables(ctx context.Context, source, target *copyEnd) ([]copyTable, error) {
	var lists [2][]copyTable
	for i, end := range []*copyEnd{source, target} {
		list, err := end.tables(ctx)
		if err != nil {
			return nil, err
		}
		lists[i] = slices.DeleteFunc(list, func(t copyTable) bool { return notCopied[t.name] != "" })
	}
	if d := difference(lists[0], lists[1]); d != "" {
		return nil, fmt.Errorf("%w: the table %s is not the same in both databases", ErrUncopyable, d)
	}
	return lists[0], nil
}

// copying is one run of Copy.
type copying struct {
	source, target *copyEnd
	progress       func(CopyStep)
}

// table copies the rows that the target does not have. Rows are inserted in the order
// of the source's keys, and a page of them at once, so their number says where to go on.
func (c *copying) table(ctx context.Context, t copyTable) error {
	total, err := c.source.count(ctx, t)
	if err != nil {
		return err
	}
	done, err := c.target.count(ctx, t)
	if err != nil {
		return err
	}
	if done > total {
		return ErrDiffers
	}
	after, err := c.source.keyAt(ctx, t, done)
	for err == nil && done < total {
		var rows [][]any
		if rows, err = c.source.page(ctx, t, after); err != nil {
			return err
		}
		if len(rows) == 0 {
			return ErrDiffers // rows without a key that are equal
		}
		if err = c.target.add(ctx, t, rows); err != nil {
			return err
		}
		after, done = t.keyOf(rows[len(rows)-1]), done+int64(len(rows))
		c.progress(CopyStep{Table: t.name, Done: done, Total: total})
	}
	return err
}

// finish compares the databases and removes the mark.
func (c *copying) finish(ctx context.Context, tables []copyTable) (copied []CopiedTable, err error) {
	for _, t := range tables {
		var source, target CopySums
		both, ctx := errgroup.WithContext(ctx)
		both.Go(func() (err error) { source, err = c.source.sums(ctx, t); return err })
		both.Go(func() (err error) { target, err = c.target.sums(ctx, t); return err })
		if err := both.Wait(); err != nil {
			return nil, fmt.Errorf("compare the table %s: %w", t.name, err)
		}
		if source != target {
			return nil, fmt.Errorf("%w: the table %s has %d rows here and %d there, or others", ErrDiffers, t.name, source.Rows, target.Rows)
		}
		c.progress(CopyStep{Table: t.name, Done: target.Rows, Total: source.Rows, Comparing: true})
		copied = append(copied, CopiedTable{t.name, target})
	}
	if err := errors.Join(c.source.alone(ctx), c.target.alone(ctx)); err != nil {
		return nil, err
	}
	if err := c.target.prepare(ctx); err != nil {
		return nil, err
	}
	if _, err := c.target.conn.ExecContext(ctx, endCopySQL); err != nil {
		return nil, fmt.Errorf("end the copy: %w", err)
	}
	return copied, nil
}

// checkFinished returns ErrUnfinished while a copy into the database is not finished.
func (db *DB) checkFinished(ctx context.Context) error {
	var source string
	err := db.Read().QueryRow(ctx, unfinishedSQL).Scan(&source)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("look for an unfinished copy: %w", err)
	}
	return fmt.Errorf("%w (from %s)", ErrUnfinished, strings.ToValidUTF8(source, "?"))
}
