package sqldb

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"time"

	"github.com/pressly/goose/v3"
)

// ErrNewerSchema is returned by Migrate when a newer version of addcard has migrated the
// database so that this version does not work on it.
var ErrNewerSchema = errors.New("sqldb: the database was migrated by a newer version of addcard")

// latest is greater than every version.
const latest = math.MaxInt64

// One text for both engines, but for the files that end in the name of one.
//
// The migrations are the same for both engines, except those in files with the
// name of an engine at the end.
//
//go:embed migrations/*.sql
var migrations embed.FS

func (s *sqlite) migrate(ctx context.Context, to int64) (applied int, err error) {
	conn, err := open(s.path, 5*time.Second, "journal_mode(WAL)", "synchronous(FULL)", secureDelete)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := markNew(ctx, conn); damaged(err) {
		return 0, asDamage(err)
	} else if err != nil {
		return 0, err
	}
	s.tryEmptyJournal(ctx)
	for try := 0; ; try++ {
		applied, err = migrate(ctx, conn, to, goose.DialectSQLite3, "*_postgres.sql")
		if damaged(err) {
			return applied, asDamage(err)
		}
		if err == nil && to == latest {
			return applied, s.begin(ctx, conn)
		}
		if err == nil || errors.Is(err, ErrNewerSchema) || try == 4 {
			return applied, err
		}
		// SQLite has no lock for migrations: when two processes start together,
		// a migration of one may fail because the other has applied it. Try again.
		select {
		case <-time.After(50*time.Millisecond + rand.N(200*time.Millisecond)):
		case <-ctx.Done():
			return applied, errors.Join(err, ctx.Err())
		}
	}
}

// migrate applies the migrations except those of the other engine, exclude.
func migrate(
	ctx context.Context, conn *sql.DB, to int64, dialect goose.Dialect, exclude string, options ...goose.ProviderOption,
) (int, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	excluded, err := fs.Glob(sub, exclude)
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	p, err := goose.NewProvider(dialect, conn, sub, append(options, goose.WithExcludeNames(excluded))...)
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the schema version: %w", err)
	}
	if current > target {
		return 0, mustRead(ctx, conn, current, target)
	}
	steps, err := p.UpTo(ctx, to)
	if err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	return len(steps), nil
}

// mustRead returns ErrNewerSchema unless a program with this schema version works on the
// tables of a newer one.
func mustRead(ctx context.Context, conn *sql.DB, current, program int64) error {
	var oldest int64
	if err := conn.QueryRowContext(ctx, `select max(oldest) from schema_reader`).Scan(&oldest); err != nil {
		return fmt.Errorf("read which versions work on the tables: %w", err)
	}
	if program < oldest {
		return fmt.Errorf("%w: schema version %d, this program has %d and needs at least %d", ErrNewerSchema, current, program, oldest)
	}
	return nil
}

// programVersion returns the schema version of this program: the highest number of a
// migration.
func programVersion() (version int64, err error) {
	files, err := fs.ReadDir(migrations, "migrations")
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	for _, f := range files {
		n, err := goose.NumericComponent(f.Name())
		if err != nil {
			return 0, fmt.Errorf("read migrations: %w", err)
		}
		version = max(version, n)
	}
	return version, nil
}
