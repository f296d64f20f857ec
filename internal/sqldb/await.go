package sqldb

import (
	"context"
	"errors"
	"time"
)

// tryTime bounds one try of Await.
const tryTime = time.Second

// Await returns nil once the database answers. While it cannot be reached, starts, or has
// no primary, Await calls waiting after each try, about once a second, and goes on until
// ctx ends. It returns at once what waiting does not change: that there is no such
// database, or that it refuses this program.
func (db *DB) Await(ctx context.Context, waiting func(reason error)) error {
	for {
		err := db.Ping(Each(ctx, tryTime))
		if err == nil || ctx.Err() != nil || isRefusal(err) || !errors.Is(err, ErrUnavailable) {
			return errors.Join(ctx.Err(), err)
		}
		waiting(err)
	}
}
