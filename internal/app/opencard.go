package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/addcard/addcard/internal/opencard"
	"github.com/addcard/addcard/internal/wechat"
)

// component implements opencard.WeChat.
type component struct{ client *wechat.Client }

func (c component) OpenCard(ctx context.Context, cardID, outerStr string) (opencard.Params, error) {
	p, err := c.client.OpenCard(ctx, cardID, outerStr)
	var refused *wechat.Error
	if errors.As(err, &refused) {
		switch {
		case refused.RealTimeCodeRefused():
			err = fmt.Errorf("%w: %w", opencard.ErrCodeMode, err)
		case refused.OneClickNeeded():
			err = fmt.Errorf("%w: %w", opencard.ErrNotOneClick, err)
		default:
			err = unknownCard(err)
		}
	}
	return opencard.Params(p), err
}

func (c component) Form(ctx context.Context, ticket string) ([]opencard.Field, error) {
	common, custom, err := c.client.Form(ctx, ticket)
	var refused *wechat.Error
	if errors.As(err, &refused) {
		switch {
		case refused.ActivateTicketExpired():
			return nil, fmt.Errorf("%w: %w", opencard.ErrTicketExpired, err)
		case refused.ActivateTicketRefused():
			return nil, fmt.Errorf("%w: %w", opencard.ErrTicket, err)
		}
	}
	var fields []opencard.Field
	for _, f := range append(common, custom...) {
		fields = append(fields, opencard.Field(f))
	}
	return fields, err
}

func (c component) Active(ctx context.Context, cardID, code string) (bool, error) {
	info, err := c.client.UserInfo(ctx, cardID, code)
	return info.HasActive, err
}
