package wechat

import (
	"context"
	"strconv"
)

const pathPhoneNumber = "/wxa/business/getuserphonenumber"

// PhoneNumber is the phone number that a user showed to a mini-program. WeChat has
// verified it.
type PhoneNumber struct {
	CountryCode string // digits, as in 86
	Number      string // within the country
	AppID       string // of the mini-program, from the watermark
}

// PhoneNumber returns the number behind a code of <button open-type="getPhoneNumber">
// (page "手机号快速验证组件", getuserphonenumber). The access_token must be the
// mini-program's. WeChat checks that the code is that of the user with openID.
//
// The request must not be repeated: the first one uses up the code, whether or not its
// answer arrives. The error is an *Error, or wraps one of Tokens; PhoneCodeRefused
// reports whether the code is wrong.
func (c *Client) PhoneNumber(ctx context.Context, code, openID string) (PhoneNumber, error) {
	body, err := encode(object{"code": code, "openid": openID})
	if err != nil {
		return PhoneNumber{}, &Error{API: pathPhoneNumber, Msg: "request is not UTF-8", failure: "malformed"}
	}
	var a phoneAnswer
	r := request{path: pathPhoneNumber, body: requestBody{jsonType, body}, secrets: []string{code}, once: true}
	if err := c.call(ctx, r, &a); err != nil {
		return PhoneNumber{}, err
	}
	return PhoneNumber{strconv.FormatInt(a.Info.CountryCode, 10), a.Info.Number, a.Info.Watermark.AppID}, nil
}

// phoneAnswer is the answer. WeChat's samples have the country code as a number and as
// a text.
type phoneAnswer struct {
	Info struct {
		Number      string `json:"purePhoneNumber"`
		CountryCode int64  `json:"countryCode"`
		Watermark   struct {
			AppID string `json:"appid"`
		} `json:"watermark"`
	} `json:"phone_info"`
}

func (a *phoneAnswer) invalidField() string {
	switch {
	case a.Info.Number == "":
		return "purePhoneNumber"
	case a.Info.CountryCode < 1:
		return "countryCode"
	}
	return unprintable("watermark", a.Info.Watermark.AppID, maxOpenID)
}

// PhoneCodeRefused reports whether the code is wrong, too old, already used, or that of
// another user.
func (e *Error) PhoneCodeRefused() bool {
	return e.API == pathPhoneNumber && (e.Code == 40029 || e.Code == 40003)
}
