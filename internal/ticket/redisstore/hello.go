package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
)

// hello is a hook for the first command of a connection. go-redis always sends
// HELLO and needs an answer, if only an error. Some proxies close the connection
// or do not answer instead. When that has happened once, hello answers in their
// place, and go-redis continues as with an old server. Nothing here needs HELLO.
type hello struct{ dropped atomic.Bool }

var errHello = errors.New("redis did not answer HELLO, which some proxies drop; connecting without HELLO from now on")

// noHelloError is an error reply of a server that does not have the command.
type noHelloError struct{}

func (noHelloError) Error() string { return "ERR HELLO is not used" }
func (noHelloError) RedisError()   {}

// ProcessHook implements redis.Hook.
func (h *hello) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() != "hello" {
			return next(ctx, cmd)
		}
		if h.dropped.Load() {
			cmd.SetErr(noHelloError{})
			return cmd.Err()
		}
		err := next(ctx, cmd)
		if _, answered := errors.AsType[redis.Error](err); err == nil || answered || ctx.Err() != nil {
			return err
		}
		h.dropped.Store(true)
		cmd.SetErr(fmt.Errorf("%w: %w", errHello, err)) // two: go-redis removes the text of an error that wraps one
		return cmd.Err()
	}
}

// DialHook implements redis.Hook.
func (h *hello) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessPipelineHook implements redis.Hook.
func (h *hello) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
