package redisstore

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// LogTo has go-redis tell log what it otherwise writes to standard error: lost
// connections, new masters. It holds for every client of the process; call it
// before the first is opened. What is told is of use to an operator who looks
// for it, so it has level debug: package ticket warns when the store fails.
func LogTo(log *slog.Logger) { redis.SetLogger(logger{log}) }

type logger struct{ log *slog.Logger }

// Printf is what go-redis calls.
func (t logger) Printf(ctx context.Context, format string, v ...any) {
	if t.log.Enabled(ctx, slog.LevelDebug) {
		t.log.DebugContext(ctx, "redis client", "says", fmt.Sprintf(format, v...))
	}
}
