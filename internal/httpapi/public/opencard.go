package public

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/opencard"
)

type openCardInput struct {
	web.CardPath
	OuterStr string `query:"outer_str" doc:"The channel, at most 128 bytes; comes back in WeChat's events."`
}

// Resolve checks what a schema cannot describe.
func (in *openCardInput) Resolve(huma.Context) []error {
	if message := web.CheckText(in.OuterStr, web.MaxOuterStr); message != "" {
		return []error{web.FieldError{Location: "query.outer_str", Message: message}}
	}
	return nil
}

type openCardOutput struct {
	Body struct {
		AppID     string    `json:"appId" example:"wxeb490c6f9b154ef9"`
		ExtraData extraData `json:"extraData"`
	}
}

type extraData struct {
	EncryptCardID string `json:"encrypt_card_id"`
	OuterStr      string `json:"outer_str"`
	Biz           string `json:"biz"`
}

type activateInput struct {
	Body struct {
		CardID string `json:"card_id" minLength:"1" maxLength:"64" pattern:"^[0-9A-Za-z_-]+$"`
		Code   string `json:"code" minLength:"1" maxLength:"64" pattern:"^[0-9A-Za-z_-]+$" doc:"In the clear, as App.onShow has it."`
		Ticket string `json:"activate_ticket" minLength:"1" maxLength:"1024" pattern:"^[!-~]+$"`
	}
}

type activateOutput struct {
	Body struct {
		Card web.MemberCard `json:"card"`
	}
}

func (a *api) openCardRoutes() {
	web.Route(a.Listener, a.sharing(a.slots.account, huma.Operation{
		OperationID: "openCard", Method: http.MethodGet, Path: "/v1/cards/{card_id}/open-card", Tags: []string{"cards"},
		Summary: "What wx.navigateToMiniProgram takes to open the open-card component", Errors: []int{401, 404, 409, 422, 429, 503},
		Description: "For one-click cards whose codes are WeChat's or were deposited. Fetch it before the tap.",
	}), func(ctx context.Context, in *openCardInput) (*openCardOutput, error) {
		p, err := a.OpenCards.Params(ctx, sessionOf(ctx).MemberID, in.CardID, in.OuterStr)
		var out openCardOutput
		out.Body.AppID, out.Body.ExtraData = opencard.AppID, extraData(p)
		return &out, err
	})
	web.Route(a.Listener, a.sharing(a.slots.account, huma.Operation{
		OperationID: "activate", Method: http.MethodPost, Path: "/v1/activations", Tags: []string{"cards"},
		Summary:     "Report what the open-card component brought back to App.onShow",
		Errors:      []int{400, 401, 403, 404, 409, 413, 415, 422, 429, 503},
		Description: "The card is active in the answer, or still claimed when WeChat needs longer: then it becomes active by itself.",
	}), func(ctx context.Context, in *activateInput) (*activateOutput, error) {
		b := in.Body
		c, err := a.OpenCards.Activate(ctx, sessionOf(ctx).MemberID, b.CardID, b.Code, b.Ticket)
		var out activateOutput
		out.Body.Card = web.MemberCardOf(c)
		return &out, err
	})
}
