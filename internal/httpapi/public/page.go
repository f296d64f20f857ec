package public

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

type pageInput struct {
	URL string `query:"url" required:"true" maxLength:"2048" doc:"Of the page, as the browser has it; its fragment does not count."`
}

type pageOutput struct {
	Body struct {
		AppID     string `json:"appId"`
		Timestamp int64  `json:"timestamp"`
		NonceStr  string `json:"nonceStr"`
		Signature string `json:"signature"`
	}
}

func (a *api) pageRoutes() {
	web.Route(a.Listener, huma.Operation{
		OperationID: "jssdkConfig", Method: http.MethodGet, Path: "/v1/jssdk-config", Tags: []string{"pages"},
		Summary: "What wx.config takes in a web page of the shop", Errors: []int{422, 429, 503},
		Description: "Pages of the hosts in JSSDK_HOSTS only.",
	}, func(ctx context.Context, in *pageInput) (*pageOutput, error) {
		c, err := a.Pages.Config(ctx, in.URL)
		var out pageOutput
		out.Body.AppID, out.Body.Timestamp, out.Body.NonceStr, out.Body.Signature = c.AppID, c.Timestamp, c.NonceStr, c.Signature
		return &out, web.TicketError(err)
	})
}
