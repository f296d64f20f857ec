package public

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gin-gonic/gin"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/phone"
)

const loginPath = "/v1/session"

type loginInput struct {
	Body struct {
		Code string `json:"code" minLength:"1" maxLength:"256" pattern:"^[ -~]+$" doc:"What wx.login gave; it can be used once."`
	}
}

type loginOutput struct {
	Body struct {
		Token     string   `json:"token" doc:"Send it as Authorization: Bearer."`
		TokenType string   `json:"token_type" enum:"Bearer"`
		ExpiresIn int64    `json:"expires_in" doc:"Seconds. There is no refresh: wx.login is silent, log in again."`
		Member    signedIn `json:"member"`
	}
}

type account struct {
	ID    string           `json:"id" format:"uuid"`
	Cards []web.MemberCard `json:"cards" doc:"Oldest first; issued cards, not yet in the wallet, are among them."`
}

// signedIn is the account of a new session, whose phone may not know the number yet.
type signedIn struct {
	ID    string           `json:"id" format:"uuid"`
	Cards []web.MemberCard `json:"cards" doc:"As in Account."`
	Phone string           `json:"phone,omitempty" example:"138****8000" doc:"The phone number without its middle, if the server has it."`
}

type accountOutput struct{ Body account }

func (a *api) sessionRoutes() {
	a.Admit(http.MethodPost, loginPath, web.Admission{Prove: a.limitLogins, Slots: a.slots.login})
	web.Route(a.Listener, huma.Operation{
		OperationID: "login", Method: http.MethodPost, Path: loginPath, Tags: []string{"session"},
		Summary: "Sign in with a wx.login code", Errors: []int{400, 401, 403, 413, 415, 429, 503},
	}, a.login)
	web.Route(a.Listener, huma.Operation{
		OperationID: "logout", Method: http.MethodDelete, Path: "/v1/session", Tags: []string{"session"},
		Summary: "Sign out: the token is dead on every replica within a second", DefaultStatus: http.StatusNoContent,
		Errors: []int{401, 429, 503},
	}, func(ctx context.Context, _ *web.Nothing) (*web.Nothing, error) {
		return nil, a.Sessions.Logout(ctx, sessionOf(ctx))
	})
	web.Route(a.Listener, huma.Operation{
		OperationID: "me", Method: http.MethodGet, Path: "/v1/me", Tags: []string{"session"},
		Summary: "The member and their cards", Errors: []int{401, 429, 503},
	}, func(ctx context.Context, _ *web.Nothing) (*accountOutput, error) {
		me, err := a.account(ctx, sessionOf(ctx).MemberID)
		return &accountOutput{me}, err
	})
}

func (a *api) login(ctx context.Context, in *loginInput) (*loginOutput, error) {
	token, s, err := a.Sessions.Login(ctx, in.Body.Code)
	if err != nil {
		return nil, err
	}
	me, err := a.account(ctx, s.MemberID)
	if err != nil {
		return nil, err
	}
	number, err := a.Members.Phone(ctx, s.MemberID)
	if err != nil {
		return nil, err
	}
	var out loginOutput
	out.Body.Member = signedIn{ID: me.ID, Cards: me.Cards}
	if number != "" {
		out.Body.Member.Phone = phone.Mask(number)
	}
	out.Body.Token, out.Body.TokenType = token, "Bearer"
	out.Body.ExpiresIn = int64(s.ExpiresAt.Sub(s.IssuedAt).Seconds())
	return &out, nil
}

func (a *api) account(ctx context.Context, memberID string) (account, error) {
	cards, err := a.Members.Cards(ctx, memberID)
	return account{ID: memberID, Cards: web.List(cards, web.MemberCardOf)}, err
}

type sessionKey struct{}

// sessionOf returns the session of a request that proveSession let through.
func sessionOf(ctx context.Context) auth.Session {
	s, _ := ctx.Value(sessionKey{}).(auth.Session)
	return s
}

// sharing has an operation share slots with others that wait for the same.
func (a *api) sharing(slots chan struct{}, op huma.Operation) huma.Operation {
	a.Admit(op.Method, op.Path, web.Admission{Slots: slots})
	return op
}

// proveSession checks the session and the member's limit before the body is read.
func (a *api) proveSession(c *gin.Context) (web.Role, error) {
	s, err := a.Sessions.Verify(web.BearerToken(c.Request.Header))
	if err == nil && !a.members.allow(s.MemberID) {
		err = web.RateLimited.Err()
	}
	if err != nil {
		return "", err
	}
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), sessionKey{}, s))
	return web.Member, nil
}
