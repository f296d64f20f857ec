package redisstore_test

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/addcard/addcard/internal/ticket"
)

// patient repeats calls that timed out: on a busy machine a handshake alone may
// take longer than the half second of a call. Any other result is returned.
// Only tests of servers that answer use it.
type patient struct{ ticket.Store }

func timedOut(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout() || errors.Is(err, redis.ErrPoolTimeout)
}

func (patient) call(ctx context.Context, f func() error) {
	for start := time.Now(); ; {
		if !timedOut(f()) || ctx.Err() != nil || time.Since(start) > 20*time.Second {
			return
		}
	}
}

func (p patient) Load(ctx context.Context, key string) (rec ticket.Record, err error) {
	p.call(ctx, func() error { rec, err = p.Store.Load(ctx, key); return err })
	return rec, err
}

func (p patient) Acquire(ctx context.Context, key string, c ticket.LeaseRequest) (lease ticket.Lease, err error) {
	p.call(ctx, func() error { lease, err = p.Store.Acquire(ctx, key, c); return err })
	return lease, err
}

func (p patient) Save(ctx context.Context, lease ticket.Lease, v ticket.FetchedValue) (err error) {
	p.call(ctx, func() error { err = p.Store.Save(ctx, lease, v); return err })
	return err
}

func (p patient) Release(ctx context.Context, lease ticket.Lease, after time.Duration) (err error) {
	p.call(ctx, func() error { err = p.Store.Release(ctx, lease, after); return err })
	return err
}

func (p patient) Invalidate(ctx context.Context, key string, fence int64) (err error) {
	p.call(ctx, func() error { err = p.Store.Invalidate(ctx, key, fence); return err })
	return err
}
