package member

import (
	"context"

	"golang.org/x/time/rate"
)

// callsPerSecond bounds what one replica asks of WeChat for its outbox. WeChat
// names no limit per second for these calls; a shop that credits all members at
// once must not find out what it is, nor starve its own logins.
const callsPerSecond = 200

// paced is WeChat, called no faster than that.
type paced struct {
	wechat WeChat
	limit  *rate.Limiter
}

func pace(w WeChat) paced { return paced{w, rate.NewLimiter(callsPerSecond, callsPerSecond)} }

func (p paced) Activate(ctx context.Context, a Activation) error {
	if err := p.limit.Wait(ctx); err != nil {
		return err
	}
	return p.wechat.Activate(ctx, a)
}

func (p paced) Face(ctx context.Context, cardID, code string) (Face, error) {
	if err := p.limit.Wait(ctx); err != nil {
		return Face{}, err
	}
	return p.wechat.Face(ctx, cardID, code)
}

func (p paced) Update(ctx context.Context, u Update) error {
	if err := p.limit.Wait(ctx); err != nil {
		return err
	}
	return p.wechat.Update(ctx, u)
}
