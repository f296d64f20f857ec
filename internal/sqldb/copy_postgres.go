package sqldb

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	postgresColumnsSQL = `select c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
			coalesce(array_position(i.indkey::int2[], a.attnum) + 1, 0)
		from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
		left join pg_index i on i.indrelid = c.oid and i.indisprimary
		where c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace = current_schema()::regnamespace
		order by c.relname collate "C", a.attnum`
	postgresReferencesSQL = `select distinct c.relname collate "C", r.relname collate "C" from pg_constraint k
		join pg_class c on c.oid = k.conrelid join pg_class r on r.oid = k.confrelid
		where k.contype = 'f' and c.relnamespace = current_schema()::regnamespace order by 1, 2`
	numberedSQL = `select c.table_name, c.column_name from information_schema.columns c
		where c.table_schema = current_schema() and c.is_identity = 'YES' order by 1, 2`
	othersSQL = `select count(*) from pg_stat_activity
		where datname = current_database() and application_name = $1 and pid <> pg_backend_pid()`
)

// goneTime is how long a connection of a program that has just ended may still be seen.
var goneTime = 5 * time.Second

// postgresEnd is the copyEngine of a PostgreSQL database.
type postgresEnd struct {
	target *target
	conn   *sql.Conn
}

func (p *postgresEnd) name() string          { return p.target.name() }
func (p *postgresEnd) columnsSQL() string    { return postgresColumnsSQL }
func (p *postgresEnd) referencesSQL() string { return postgresReferencesSQL }

// openPostgresEnd refuses a connection pooler: the connections that it keeps would look
// like servers.
func openPostgresEnd(ctx context.Context, url string) (*copyEnd, error) {
	t, err := newTarget(url)
	if err != nil {
		return nil, err
	}
	if pooled, err := t.pooled(ctx); err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	} else if pooled {
		return nil, fmt.Errorf("%w: %s", ErrPooler, t.name())
	}
	// A table is read at once to compare it.
	db := t.open(settings{"synchronous_commit": "on", "idle_in_transaction_session_timeout": "0", "lock_timeout": "10s"})
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect: %w", err), db.Close())
	}
	end := &postgresEnd{t, conn}
	if err := end.alone(ctx); err != nil {
		return nil, errors.Join(err, conn.Close(), db.Close())
	}
	return &copyEnd{db, conn, end}, nil
}

// alone waits a moment, because the server may still have the session of a program that
// has ended.
func (p *postgresEnd) alone(ctx context.Context) error {
	for deadline := time.Now().Add(goneTime); ; {
		var others int
		_, err := p.conn.ExecContext(ctx, "select pg_stat_clear_snapshot()") // a transaction keeps what it has seen
		if err == nil {
			err = p.conn.QueryRowContext(ctx, othersSQL, applicationName).Scan(&others)
		}
		if err != nil {
			return fmt.Errorf("look for other programs: %w", err)
		}
		switch {
		case others == 0:
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("%w (%s has %d other connections of addcard)", ErrInUse, p.name(), others)
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// freeze begins a transaction that ends with the connection. Its locks let others read.
func (p *postgresEnd) freeze(ctx context.Context, tables []copyTable) error {
	var names []string
	for _, t := range tables {
		names = append(names, quoted(t.name))
	}
	for _, statement := range []string{"begin isolation level repeatable read", "lock table " + strings.Join(names, ", ") + " in share mode"} {
		if _, err := p.conn.ExecContext(ctx, statement); codeOf(err) == lockNotAvailable {
			return fmt.Errorf("%w (a transaction has locked a table)", ErrInUse)
		} else if err != nil {
			return fmt.Errorf("lock the tables: %w", err)
		}
	}
	return nil
}

// refuses says what PostgreSQL would not say where.
func (p *postgresEnd) refuses(text string) string {
	switch {
	case !utf8.ValidString(text):
		return "is no valid UTF-8, which PostgreSQL needs"
	case strings.ContainsRune(text, 0):
		return "has a NUL character, which PostgreSQL refuses"
	}
	return ""
}

// insert disables the triggers and enables them again, in its transaction. That needs
// the owner of the table and no superuser.
func (p *postgresEnd) insert(ctx context.Context, t copyTable, rows [][]any) error {
	var columns []string
	for _, c := range t.columns {
		columns = append(columns, c.name)
	}
	return p.conn.Raw(func(conn any) error {
		return pgx.BeginFunc(ctx, conn.(*stdlib.Conn).Conn(), func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "alter table "+quoted(t.name)+" disable trigger user"); err != nil {
				return err
			}
			if _, err := tx.CopyFrom(ctx, pgx.Identifier{t.name}, columns, pgx.CopyFromRows(rows)); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, "alter table "+quoted(t.name)+" enable trigger user")
			return err
		})
	})
}

// prepare has new rows numbered after those that were copied, and the server count the
// rows: without that it chooses slow plans at first.
func (p *postgresEnd) prepare(ctx context.Context) error {
	numbered, err := (&copyEnd{conn: p.conn}).strings(ctx, numberedSQL)
	if err != nil {
		return fmt.Errorf("list the numbered columns: %w", err)
	}
	for _, c := range numbered {
		last := fmt.Sprintf("select setval(pg_get_serial_sequence($1, $2), max(%s)) from %s", quoted(c[1]), quoted(c[0]))
		if _, err := p.conn.ExecContext(ctx, last, quoted(c[0]), c[1]); err != nil {
			return fmt.Errorf("number the rows of %s: %w", c[0], err)
		}
	}
	if _, err := p.conn.ExecContext(ctx, "analyze"); err != nil {
		return fmt.Errorf("analyze the tables: %w", err)
	}
	return nil
}
