package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"

	"github.com/addcard/addcard/internal/cardext"
	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

type explainInput struct {
	Body struct {
		CardID  string `json:"card_id" minLength:"1" maxLength:"64"`
		CardExt any    `json:"cardExt" doc:"As the mini-program passed it to wx.addCard. It should be a string; anything else is accepted, and named as the cause."`
		Signed  signed `json:"signed,omitempty" doc:"The values that you believe were signed, as far as you know them: with them it can be proved that others were sent."`
	}
}

type signed struct {
	CardID    string `json:"card_id,omitempty" maxLength:"128"`
	Code      string `json:"code,omitempty" maxLength:"128"`
	OpenID    string `json:"openid,omitempty" maxLength:"128"`
	NonceStr  string `json:"nonce_str,omitempty" maxLength:"128"`
	Timestamp string `json:"timestamp,omitempty" maxLength:"32"`
}

type explainOutput struct {
	Body struct {
		Verifies  bool      `json:"verifies" doc:"The signature is right for these values and today's api_ticket."`
		Cause     string    `json:"cause,omitempty" doc:"The first thing that is wrong; stable."`
		Detail    string    `json:"detail,omitempty"`
		Also      []finding `json:"also,omitempty" doc:"What else is wrong."`
		Values    []string  `json:"values,omitempty" doc:"What should have been joined and hashed, in order; the ticket is masked."`
		Timestamp time.Time `json:"timestamp,omitempty,omitzero" doc:"The cardExt's timestamp."`
	}
}

type finding struct {
	Cause  string `json:"cause"`
	Detail string `json:"detail"`
}

func (a *api) explainRoute() {
	web.Route(a.Listener, huma.Operation{
		OperationID: "explain", Method: http.MethodPost, Path: "/v1/explain", Tags: []string{"cards"},
		Summary: "Why a phone says 签名错误 to a cardExt",
		Errors:  []int{400, 401, 413, 415, 503},
	}, a.explain)
}

func (a *api) explain(ctx context.Context, in *explainInput) (*explainOutput, error) {
	cardExt, isString := in.Body.CardExt.(string)
	if !isString {
		raw, err := json.Marshal(in.Body.CardExt)
		if err != nil {
			return nil, err
		}
		cardExt = string(raw)
	}
	r, err := a.Explainer.Explain(ctx, in.Body.CardID, cardExt, cardext.Facts{NotString: !isString, Signed: cardext.Signed(in.Body.Signed)})
	if err != nil {
		return nil, err
	}
	var out explainOutput
	b := &out.Body
	b.Verifies, b.Cause, b.Detail, b.Values, b.Timestamp = r.Verifies, r.Cause, r.Detail, r.Values, r.Timestamp
	for _, f := range r.Also {
		b.Also = append(b.Also, finding(f))
	}
	return &out, nil
}
