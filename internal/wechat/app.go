package wechat

import (
	"cmp"
	"context"
	"net/url"
	"time"
)

// maxOpenID is four times the length of WeChat's openids and unionids.
const maxOpenID = 128

// App makes the calls that an AppID and its secret authenticate. Each call has a
// connection of its own. It is safe for concurrent use.
type App struct {
	transport *transport
	appID     string
	secret    func() string // a function, so that %+v does not print it
}

// NewApp returns the App of appID: a mini-program or an Official Account.
func NewApp(appID, secret string, o Options) *App {
	return &App{newTransport(o, false), appID, func() string { return secret }}
}

// Code2Session returns the user of a code of wx.login in the mini-program (page
// "小程序登录 code2Session"). unionID is empty unless the mini-program belongs to an
// Open Platform account. The session_key of the answer is not read.
//
// The request is sent at most once and must not be repeated: the first one uses up
// the code, whether or not its answer arrives; see UntilSent. NotSent of the error
// reports whether the code is certainly not used up. It blocks for Options.Timeout at
// most. Errors are *Error.
func (a *App) Code2Session(ctx context.Context, code string) (openID, unionID string, err error) {
	var user identity
	err = a.transport.exchange(ctx, request{
		path: pathCode2Session,
		query: url.Values{
			"appid": {a.appID}, "secret": {a.secret()}, "js_code": {code}, "grant_type": {"authorization_code"},
		},
		secrets: []string{a.secret(), code},
	}, &user)
	if err != nil {
		return "", "", err
	}
	return string(user.OpenID), string(user.UnionID), nil
}

// PageUser returns the user whom WeChat's browser brought to a web page of the Official
// Account with code (page "网页授权"). unionID may be empty: the pages disagree whether
// scope snsapi_base returns it. The user's tokens in the answer are not read.
//
// For the request and the errors the same is true as for Code2Session. The virtual user
// of a snapshot page (快照页) is refused like a bad code.
func (a *App) PageUser(ctx context.Context, code string) (openID, unionID string, err error) {
	var user struct {
		identity
		Snapshot int64 `json:"is_snapshotuser"`
	}
	err = a.transport.exchange(ctx, request{
		path: pathPageUser,
		query: url.Values{
			"appid": {a.appID}, "secret": {a.secret()}, "code": {code}, "grant_type": {"authorization_code"},
		},
		secrets: []string{a.secret(), code},
	}, &user)
	if err != nil {
		return "", "", err
	}
	if user.Snapshot != 0 {
		return "", "", &Error{API: pathPageUser, Msg: "the user of a snapshot page is no person", failure: failedSnapshot}
	}
	return string(user.OpenID), string(user.UnionID), nil
}

// identity is a user in one app. It has no session_key, so that none is read.
type identity struct {
	OpenID  id `json:"openid"`
	UnionID id `json:"unionid"`
}

func (i *identity) invalidField() string {
	return cmp.Or(unprintable("openid", string(i.OpenID), maxOpenID), unprintableIfSet("unionid", string(i.UnionID), maxOpenID))
}

// StableToken fetches the account's access_token (page "获取稳定版接口调用凭据").
// It uses the normal mode, in which all callers get the same token until its last
// five minutes. It never forces a refresh, which would end the token that other
// systems use. expiresIn is the rest of its lifetime, counted from the start of the
// call. It blocks for Options.Timeout at most. Errors are *Error.
func (a *App) StableToken(ctx context.Context) (token string, expiresIn time.Duration, err error) {
	body, err := encode(struct {
		GrantType string `json:"grant_type"`
		AppID     string `json:"appid"`
		Secret    string `json:"secret"`
	}{"client_credential", a.appID, a.secret()})
	if err != nil {
		return "", 0, &Error{API: pathStableToken, Msg: "AppID or secret is not UTF-8", failure: "malformed"}
	}
	var t tokenAnswer
	r := request{path: pathStableToken, body: requestBody{jsonType, body}, secrets: []string{a.secret()}}
	if err := a.transport.exchange(ctx, r, &t); err != nil {
		return "", 0, err
	}
	return t.Value, seconds(t.Life), nil
}
