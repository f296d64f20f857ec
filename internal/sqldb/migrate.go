package sqldb

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"github.com/pressly/goose/v3"
)

// ErrNewerSchema is returned by Migrate when a newer addcard has already
// changed the database: this one would not know what it reads.
var ErrNewerSchema = errors.New("sqldb: the database was migrated by a newer version of addcard")

// One text for both engines, but for the files that end in the name of one.
//
//go:embed migrations/*.sql
var migrations embed.FS

// Migrate brings the tables up to date and returns how many steps it took.
// Several processes may call it at once; it blocks until it is done.
func (db *DB) Migrate(ctx context.Context) (applied int, err error) {
	conn, err := open(db.path, "journal_mode(WAL)", "synchronous(FULL)")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for try := 0; ; try++ {
		applied, err = migrate(ctx, conn)
		if err == nil || errors.Is(err, ErrNewerSchema) || try == 4 {
			return applied, err
		}
		// SQLite has no lock for migrations: of two processes that start
		// together one may find the other's step done. It looks again.
		select {
		case <-time.After(50*time.Millisecond + rand.N(200*time.Millisecond)):
		case <-ctx.Done():
			return applied, errors.Join(err, ctx.Err())
		}
	}
}

func migrate(ctx context.Context, conn *sql.DB) (int, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	others, err := fs.Glob(sub, "*_postgres.sql")
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, conn, sub, goose.WithExcludeNames(others))
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	current, target, err := p.GetVersions(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the schema version: %w", err)
	}
	if current > target {
		return 0, fmt.Errorf("%w: schema %d, this program knows %d", ErrNewerSchema, current, target)
	}
	steps, err := p.Up(ctx)
	if err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	return len(steps), nil
}
