package wechat

import (
	"context"
	"net/url"
	"time"
)

// maxOpenID is four times the length of WeChat's openids and unionids.
const maxOpenID = 128

// App makes the calls that an AppID authenticates together with its secret.
// Each has a connection of its own. It is safe for concurrent use.
type App struct {
	wire   *wire
	appID  string
	secret func() string // a function, for no %+v can print what one returns
}

// NewApp returns the App of appID: a mini-program or an Official Account.
func NewApp(appID, secret string, o Options) *App {
	return &App{newWire(o, false), appID, func() string { return secret }}
}

// Code2Session asks who is behind a code of wx.login in the mini-program (page
// "小程序登录 code2Session"). unionID is empty unless the mini-program belongs
// to an Open Platform account. The session_key of the answer is not read.
//
// The request goes out once at most and must not be repeated: the first one
// spends the code, whether or not its answer arrives. It blocks for
// Options.Timeout at most. Errors are *Error.
func (a *App) Code2Session(ctx context.Context, code string) (openID, unionID string, err error) {
	var who identity
	err = a.wire.exchange(ctx, request{
		path: pathCode2Session,
		query: url.Values{
			"appid": {a.appID}, "secret": {a.secret()}, "js_code": {code}, "grant_type": {"authorization_code"},
		},
		secrets: []string{a.secret(), code},
	}, &who)
	if err != nil {
		return "", "", err
	}
	return who.OpenID, who.UnionID, nil
}

// identity is a user as one app knows him. It has no session_key on purpose.
type identity struct {
	OpenID  string `json:"openid"`
	UnionID string `json:"unionid"`
}

func (i *identity) lack() string {
	switch {
	case !printable(i.OpenID, maxOpenID):
		return "openid"
	case i.UnionID != "" && !printable(i.UnionID, maxOpenID):
		return "unionid"
	}
	return ""
}

// StableToken fetches the account's access_token (page "获取稳定版接口调用凭据").
// It asks in the normal mode only, in which everybody who asks gets the same
// token until its last five minutes; a forced refresh, which would kill the
// token of others, is never asked for. expiresIn is what is left of its life,
// counted from the start of the call. It blocks for Options.Timeout at most.
// Errors are *Error.
func (a *App) StableToken(ctx context.Context) (token string, expiresIn time.Duration, err error) {
	body, err := encode(struct {
		GrantType string `json:"grant_type"`
		AppID     string `json:"appid"`
		Secret    string `json:"secret"`
	}{"client_credential", a.appID, a.secret()})
	if err != nil {
		return "", 0, &Error{API: pathStableToken, Msg: "AppID or secret is not UTF-8", kind: "malformed"}
	}
	var t tokenAnswer
	if err := a.wire.exchange(ctx, request{path: pathStableToken, body: content{jsonType, body}, secrets: []string{a.secret()}}, &t); err != nil {
		return "", 0, err
	}
	return t.Value, seconds(t.Life), nil
}
