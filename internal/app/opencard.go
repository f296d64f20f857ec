package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/addcard/addcard/internal/member"
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

func (c component) Form(ctx context.Context, ticket string) ([]member.Answer, error) {
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
	return answers(common, custom), err
}

// answers returns the fields of a form as package member's.
func answers(common, custom []wechat.FormField) (form []member.Answer) {
	for _, f := range slices.Concat(common, custom) {
		form = append(form, member.Answer(f))
	}
	return form
}

func (c component) Active(ctx context.Context, cardID, code string) (bool, error) {
	info, err := c.client.UserInfo(ctx, cardID, code)
	return info.HasActive, err
}
