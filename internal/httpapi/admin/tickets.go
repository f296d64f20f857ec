package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// ticketsPath begins the paths of the shared tickets.
const ticketsPath = "/v1/tickets/"

type ticketInput struct {
	Kind string `path:"kind" enum:"access_token,wx_card,jsapi"`
}

type ticketOutput struct {
	Body struct {
		Value     string `json:"value"`
		ExpiresIn int64  `json:"expires_in" doc:"Seconds. Ask again instead of keeping it longer: an answer from memory costs nothing."`
	}
}

type rejectInput struct {
	Kind string `path:"kind" enum:"access_token,wx_card,jsapi"`
	Body struct {
		Rejected string `json:"rejected" minLength:"1" maxLength:"1024" doc:"The value that WeChat refused (40001, 40014, 42001, or 签名错误 on a phone)."`
	}
}

func (a *api) ticketRoutes() {
	web.Route(a.Listener, huma.Operation{
		OperationID: "ticket", Method: http.MethodGet, Path: ticketsPath + "{kind}", Tags: []string{"tickets"},
		Summary: "The shared access_token, api_ticket (wx_card) or jsapi_ticket, for the shop's other services", Errors: []int{401, 503},
	}, func(ctx context.Context, in *ticketInput) (*ticketOutput, error) {
		value, left, err := a.Tickets.Shared(ctx, in.Kind)
		if err != nil {
			return nil, web.TicketError(err)
		}
		var out ticketOutput
		out.Body.Value, out.Body.ExpiresIn = value, max(1, int64(left/time.Second))
		return &out, nil
	})
	web.Route(a.Listener, huma.Operation{
		OperationID: "rejectTicket", Method: http.MethodPost, Path: ticketsPath + "{kind}/invalidate", Tags: []string{"tickets"},
		Summary: "Report a value that WeChat refused", DefaultStatus: http.StatusNoContent, Errors: []int{400, 401, 413, 415, 503},
		Description: "If it still is the current value, the fleet fetches another, once a minute at most; otherwise nothing happens. " +
			"Ask for the value again afterwards.",
	}, func(ctx context.Context, in *rejectInput) (*web.Nothing, error) {
		return nil, web.TicketError(a.Tickets.Reject(ctx, in.Kind, in.Body.Rejected))
	})
}
