package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

const (
	// A column that SQLite numbers must have the type integer there; it has 64 bits too.
	sqliteColumnsSQL = `select m.name, p.name, replace(lower(p.type), 'integer', 'bigint'), p.pk
		from sqlite_schema m join pragma_table_info(m.name) p
		where m.type = 'table' and m.name not like 'sqlite!_%' escape '!' order by m.name, p.cid`
	sqliteReferencesSQL = `select distinct m.name, k."table" from sqlite_schema m join pragma_foreign_key_list(m.name) k
		where m.type = 'table' order by 1, 2`
	sqliteTriggersSQL = `select name, sql from sqlite_schema where type = 'trigger' and tbl_name = $1`
)

// sqliteEnd is the copyEngine of a SQLite file.
type sqliteEnd struct {
	path string
	conn *sql.Conn
}

func (s *sqliteEnd) name() string          { return "sqlite:" + s.path }
func (s *sqliteEnd) columnsSQL() string    { return sqliteColumnsSQL }
func (s *sqliteEnd) referencesSQL() string { return sqliteReferencesSQL }
func (s *sqliteEnd) refuses(string) string { return "" }

// openSQLiteEnd opens the file with SQLite's exclusive lock, which it gets only while no
// other process has the file open, and which ends with this process.
func openSQLiteEnd(ctx context.Context, path string, create bool) (*copyEnd, error) {
	registerNowMS()
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if create {
		err = createFile(path)
	} else {
		_, err = os.Stat(path)
	}
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db, err := open(path, busyTimeout, "locking_mode(exclusive)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)",
		"cache_size(-64000)", secureDelete)
	if err != nil {
		return nil, err
	}
	conn, err := firstConn(ctx, db)
	if err == nil {
		if _, err = conn.ExecContext(ctx, "begin exclusive; commit"); err != nil {
			err = errors.Join(err, conn.Close())
		}
	}
	switch {
	case isLocked(err):
		return nil, errors.Join(fmt.Errorf("%w (%s)", ErrInUse, path), db.Close())
	case err != nil:
		return nil, errors.Join(fmt.Errorf("open the database %s: %w", path, asDamage(err)), db.Close())
	}
	return &copyEnd{db, conn, &sqliteEnd{path, conn}}, nil
}

// alone and freeze have nothing to do: the lock is exclusive.
func (s *sqliteEnd) alone(context.Context) error               { return nil }
func (s *sqliteEnd) freeze(context.Context, []copyTable) error { return nil }

func (s *sqliteEnd) prepare(context.Context) error { return nil }

// insert drops the triggers and creates them again, in its transaction.
func (s *sqliteEnd) insert(ctx context.Context, t copyTable, rows [][]any) error {
	tx, err := s.conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after a commit
	triggers, err := dropTriggers(ctx, tx, t)
	if err != nil {
		return err
	}
	insert, err := tx.PrepareContext(ctx, fmt.Sprintf("insert into %s (%s) values (%s)",
		quoted(t.name), t.list(t.all()), placeholders(len(t.columns))))
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	for _, row := range rows {
		if _, err := insert.ExecContext(ctx, row...); err != nil {
			return err
		}
	}
	for _, trigger := range triggers {
		if _, err := tx.ExecContext(ctx, trigger); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// dropTriggers drops the triggers of a table and returns the statements that create
// them.
func dropTriggers(ctx context.Context, tx *sql.Tx, t copyTable) (create []string, err error) {
	rows, err := tx.QueryContext(ctx, sqliteTriggersSQL, t.name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	var names []string
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			return nil, err
		}
		names, create = append(names, name), append(create, text)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, err := tx.ExecContext(ctx, "drop trigger "+quoted(name)); err != nil {
			return nil, err
		}
	}
	return create, nil
}
