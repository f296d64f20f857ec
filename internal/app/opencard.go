package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/addcard/addcard/internal/cardext"
	"github.com/addcard/addcard/internal/datakey"
	"github.com/addcard/addcard/internal/jssdk"
	"github.com/addcard/addcard/internal/opencard"
	"github.com/addcard/addcard/internal/wechat"
)

// component is what WeChat knows of the open-card component as package opencard
// wants it.
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

// badTicket is an activate_ticket that WeChat refuses.
type badTicket struct {
	error
	expired bool
}

func (b badTicket) Unwrap() []error { return []error{opencard.ErrTicket, b.error} }
func (b badTicket) Expired() bool   { return b.expired }

func (c component) Form(ctx context.Context, ticket string) ([]opencard.Field, error) {
	common, custom, err := c.client.Form(ctx, ticket)
	var refused *wechat.Error
	if errors.As(err, &refused) && (refused.ActivateTicketRefused() || refused.ActivateTicketExpired()) {
		return nil, badTicket{err, refused.ActivateTicketExpired()}
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

// opening connects the way through the open-card component, web pages, and what
// is kept of forms.
func (c *Core) opening(cfg Config) error {
	keys, err := datakey.Parse(string(cfg.DataKeys))
	if err != nil {
		return err
	}
	c.OpenCards = &opencard.Service{
		WeChat: component{c.tickets.client}, Catalogue: c.Catalogue, Members: c.Members, Codes: codes{c.tickets.client},
	}
	if keys != nil {
		c.OpenCards.Sealer = keys
		c.Members.FindPhones(keys.Indexes)
	}
	c.Forms = forms{c, keys}
	c.Pages = &jssdk.Service{AppID: cfg.OfficialAppID, Hosts: cfg.JSSDKHosts, Ticket: c.tickets.jsapi.Ticket, Nonce: cardext.NewNonce, Now: c.clock.Now}
	return nil
}

// forms opens what people filled in.
type forms struct {
	core *Core
	keys *datakey.Keys
}

// Of returns what was filled in for a card, the latest form alone; nothing
// without a key that opens it.
func (f forms) Of(ctx context.Context, cardID, code string) (map[string]string, error) {
	sealed, err := f.core.Members.Forms(ctx, cardID, code)
	if err != nil || len(sealed) == 0 {
		return nil, err
	}
	plain, err := f.keys.Open(sealed[len(sealed)-1], opencard.About(cardID, code))
	if errors.Is(err, datakey.ErrSealed) {
		return nil, nil
	}
	var fields []opencard.Field
	if err := json.Unmarshal(plain, &fields); err != nil {
		return nil, fmt.Errorf("read a form: %w", err)
	}
	out := map[string]string{}
	for _, field := range fields {
		out[field.Name] = field.Text()
	}
	return out, nil
}
