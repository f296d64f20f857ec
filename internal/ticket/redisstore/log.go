package redisstore

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/redis/go-redis/v9"
)

// LogTo makes go-redis log to log what it otherwise writes to standard error:
// lost connections, new masters. It applies to every client of the process;
// call it before the first is opened. The messages have level debug, because
// package ticket warns when the Store fails.
func LogTo(log *slog.Logger) { redis.SetLogger(logger{log}) }

type logger struct{ log *slog.Logger }

// Printf implements the logger of go-redis.
func (l logger) Printf(ctx context.Context, format string, v ...any) {
	if l.log.Enabled(ctx, slog.LevelDebug) {
		l.log.DebugContext(ctx, "redis client", "message", fmt.Sprintf(format, v...))
	}
}
