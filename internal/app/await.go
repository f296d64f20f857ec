package app

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
)

// waitLogged is how often the log says that the database is waited for.
const waitLogged = 10 * time.Second

// awaitDatabase blocks until the database answers, for at most limit, which must be more
// than 0.
func awaitDatabase(ctx context.Context, db *sqldb.DB, log *slog.Logger, limit time.Duration) error {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began, logged := time.Now(), time.Time{}
	var last error
	err := db.Await(limited, func(reason error) {
		last = reason
		if time.Since(logged) >= waitLogged {
			logged = time.Now()
			waited := time.Since(began).Round(time.Second)
			log.WarnContext(ctx, "the database does not answer; waiting for it", "for", waited.String(), "error", reason)
		}
	})
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("wait for the database: %w", ctx.Err())
	case limited.Err() != nil && last != nil:
		return fmt.Errorf("wait for the database: not within %v: %w", limit, last)
	case err != nil:
		return err
	}
	if last != nil {
		log.InfoContext(ctx, "the database answers", "after", time.Since(began).Round(time.Millisecond).String())
	}
	return nil
}
