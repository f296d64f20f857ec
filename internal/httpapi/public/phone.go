package public

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/phone"
)

type phoneInput struct {
	Body struct {
		Code string `json:"code" minLength:"1" maxLength:"256" pattern:"^[!-~]+$" doc:"e.detail.code of the button with open-type getPhoneNumber, within five minutes; not a wx.login code."`
	}
}

type phoneOutput struct {
	Body struct {
		Phone string `json:"phone" example:"138****8000" doc:"The number without its middle; one abroad begins with + and the country code."`
	}
}

func (a *api) phoneRoute() {
	web.Route(a.Listener, a.sharing(a.slots.phone, huma.Operation{
		OperationID: "setPhone", Method: http.MethodPost, Path: "/v1/me/phone", Tags: []string{"session"},
		Summary: "Record the phone number that the member shows", Errors: []int{400, 401, 409, 413, 415, 422, 429, 503},
		Description: "WeChat verifies the number. A code can be used once; if the answer was lost, the request may be repeated. " +
			"A number belongs to one member (phone_taken); another one replaces it. " +
			"Without DATA_KEYS the answer is the same, and nothing is stored.",
	}), func(ctx context.Context, in *phoneInput) (*phoneOutput, error) {
		number, err := a.Phones.Exchange(ctx, sessionOf(ctx).MemberID, in.Body.Code)
		if err != nil {
			return nil, err
		}
		var out phoneOutput
		out.Body.Phone = phone.Mask(number)
		return &out, nil
	})
}
