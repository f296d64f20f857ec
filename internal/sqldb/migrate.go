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

// ErrNewerSchema is returned by Migrate when a newer addcard has already
// changed the database: this one would not know what it reads.
var ErrNewerSchema = errors.New("sqldb: the database was migrated by a newer version of addcard")

// latest is beyond every step.
const latest = math.MaxInt64

// One text for both engines, but for the files that end in the name of one.
//
//go:embed migrations/*.sql
var migrations embed.FS

func (s *sqlite) migrate(ctx context.Context, to int64) (applied int, err error) {
	conn, err := open(s.path, "journal_mode(WAL)", "synchronous(FULL)")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for try := 0; ; try++ {
		applied, err = migrate(ctx, conn, to, goose.DialectSQLite3, "*_postgres.sql")
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

// migrate takes the steps but those of the other engine.
func migrate(ctx context.Context, conn *sql.DB, to int64, dialect goose.Dialect, notThese string, options ...goose.ProviderOption) (int, error) {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	others, err := fs.Glob(sub, notThese)
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}
	p, err := goose.NewProvider(dialect, conn, sub, append(options, goose.WithExcludeNames(others))...)
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
	steps, err := p.UpTo(ctx, to)
	if err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}
	return len(steps), nil
}
