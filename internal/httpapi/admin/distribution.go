package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

type qrInput struct {
	web.CardPath
	Accept string `header:"Accept" doc:"image/png draws the picture."`
	Body   struct {
		OuterStr      string `json:"outer_str,omitempty" doc:"The channel; comes back in WeChat's events."`
		ExpireSeconds int64  `json:"expire_seconds,omitempty" doc:"60 to 1800; a year by default."`
		Code          string `json:"code,omitempty" doc:"Required for a real-time custom-code card, whose picture works once."`
		OpenID        string `json:"openid,omitempty" doc:"Required for a bind_openid card: the holder's in the Official Account."`
	}
}

// Resolve checks what a schema cannot describe.
func (in *qrInput) Resolve(huma.Context) []error {
	if message := web.CheckText(in.Body.OuterStr, web.MaxOuterStr); message != "" {
		return []error{web.FieldError{Location: "body.outer_str", Message: message}}
	}
	return nil
}

type qrOutput struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

type qrAnswer struct {
	Ticket        string `json:"ticket"`
	URL           string `json:"url" doc:"What the picture says."`
	ShowQRCodeURL string `json:"show_qrcode_url" doc:"Where WeChat draws it."`
	ExpireSeconds int64  `json:"expire_seconds"`
}

func (a *api) qrcode(ctx context.Context, in *qrInput) (*qrOutput, error) {
	b := in.Body
	t, err := a.Distribution.QR(ctx, card.QRCode{CardID: in.CardID, Code: b.Code, OpenID: b.OpenID, OuterStr: b.OuterStr,
		ExpireSeconds: b.ExpireSeconds})
	if err != nil {
		return nil, err
	}
	if strings.Contains(in.Accept, "image/png") {
		picture, err := t.PNG()
		return &qrOutput{"image/png", picture}, err
	}
	text, err := web.Marshal(qrAnswer{t.Ticket, t.URL, t.ShowURL, t.ExpireSeconds})
	return &qrOutput{"application/json", text}, err
}

type depositInput struct {
	web.CardPath
	Body struct {
		Codes []string `json:"codes" minItems:"1" maxItems:"10000" doc:"Sent to WeChat in hundreds. Sending the list again finishes what was interrupted."`
	}
}

type depositOutput struct {
	Body struct {
		Deposited int             `json:"deposited"`
		Results   []depositedCode `json:"results" doc:"In the order of codes."`
	}
}

type depositedCode struct {
	Code   string `json:"code"`
	Result string `json:"result" enum:"deposited,duplicate,refused,failed"`
	Reason string `json:"reason,omitempty"`
}

func (a *api) deposit(ctx context.Context, in *depositInput) (*depositOutput, error) {
	results, err := a.Distribution.Deposit(ctx, in.CardID, in.Body.Codes, nil)
	if err != nil {
		return nil, err
	}
	var out depositOutput
	out.Body.Results = make([]depositedCode, len(results))
	for i, r := range results {
		out.Body.Results[i] = depositedCode(r)
		if r.Result == card.Deposited {
			out.Body.Deposited++
		}
	}
	return &out, nil
}

type unavailableInput struct {
	web.CodePath
	Body struct {
		Reason string `json:"reason,omitempty" maxLength:"128" doc:"For WeChat's records."`
	}
}

type whitelistInput struct {
	Body struct {
		OpenID   []string `json:"openid" maxItems:"1000" doc:"Of the Official Account."`
		Username []string `json:"username" maxItems:"1000" doc:"WeChat IDs."`
	}
}

type shelfInput struct {
	Body json.RawMessage
}

type shelfOutput struct {
	Body struct {
		URL    string `json:"url"`
		PageID int64  `json:"page_id"`
	}
}

func (a *api) distributionRoutes() {
	qrResponse := jsonResponse[qrAnswer](a, "200", "OK", "QRCode")
	qrResponse["200"].Content["image/png"] = &huma.MediaType{}
	cardRoute(a, huma.Operation{
		OperationID: "qrcode", Method: http.MethodPost, Path: "/v1/cards/{card_id}/qrcode", Summary: "A QR code that leads to a card",
		Errors: []int{400, 404, 413, 415}, Responses: qrResponse,
	}, a.qrcode)
	cardRoute(a, huma.Operation{
		OperationID: "deposit", Method: http.MethodPost, Path: "/v1/cards/{card_id}/codes", Summary: "Hand WeChat the codes of a deposit card",
		Description: "Codes of at most 20 letters and digits. After a batch without an answer, WeChat is asked which codes it has. " +
			"The stock follows the number of codes.",
		Errors: []int{400, 404, 413, 415}, Middlewares: withTimeout(10 * time.Minute),
	}, a.deposit)
	cardRoute(a, huma.Operation{
		OperationID: "unavailable", Method: http.MethodPost, Path: "/v1/cards/{card_id}/codes/{code}/unavailable",
		Summary:       "End a code for good: its holder sees 失效",
		DefaultStatus: http.StatusNoContent, Errors: []int{400, 404, 413, 415},
	}, func(ctx context.Context, in *unavailableInput) (*web.Nothing, error) {
		return nil, a.Distribution.Unavailable(ctx, in.CardID, in.Code, in.Body.Reason)
	})
	cardRoute(a, huma.Operation{
		OperationID: "whitelist", Method: http.MethodPut, Path: "/v1/test-whitelist",
		Summary:       "Replace the testers, who may take a card that is in review",
		DefaultStatus: http.StatusNoContent, Errors: []int{400, 413, 415},
	}, func(ctx context.Context, in *whitelistInput) (*web.Nothing, error) {
		return nil, a.Distribution.Whitelist(ctx, in.Body.OpenID, in.Body.Username)
	})
	cardRoute(a, huma.Operation{
		OperationID: "shelf", Method: http.MethodPost, Path: "/v1/shelves", Summary: "A page that shows cards (卡券货架)",
		DefaultStatus: http.StatusCreated,
		Description:   "WeChat's body of /card/landingpage/create.", Errors: []int{400, 413, 415},
	}, func(ctx context.Context, in *shelfInput) (*shelfOutput, error) {
		var out shelfOutput
		var err error
		out.Body.URL, out.Body.PageID, err = a.Distribution.Shelf(ctx, card.Document{JSON: in.Body})
		return &out, err
	})
}
