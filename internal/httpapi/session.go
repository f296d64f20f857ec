package httpapi

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humagin"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/member"
)

type loginInput struct {
	Body struct {
		Code string `json:"code" minLength:"1" maxLength:"256" pattern:"^[!-~]+$" doc:"What wx.login gave; it can be used once."`
	}
}

type loginOutput struct {
	Body struct {
		Token     string  `json:"token" doc:"Send it as Authorization: Bearer."`
		TokenType string  `json:"token_type" enum:"Bearer"`
		ExpiresIn int64   `json:"expires_in" doc:"Seconds. There is no refresh: wx.login is silent, log in again."`
		Member    account `json:"member"`
	}
}

type account struct {
	ID    string       `json:"id" format:"uuid"`
	Cards []memberCard `json:"cards" doc:"Oldest first; issued cards, not yet in the wallet, are among them."`
}

type accountOutput struct{ Body account }

type memberCard struct {
	CardID           string            `json:"card_id"`
	Code             string            `json:"code,omitempty" doc:"For wx.openCard; present once the card was claimed."`
	Status           string            `json:"status" enum:"issued,claimed,active,deleted,gifted,unavailable"`
	MembershipNumber string            `json:"membership_number,omitempty"`
	Bonus            int64             `json:"bonus" doc:"Points."`
	Balance          int64             `json:"balance" doc:"Fen (分)."`
	Fields           map[string]string `json:"fields,omitempty" doc:"custom_field1 to custom_field3, as far as they are set."`
	OuterStr         string            `json:"outer_str,omitempty" doc:"The channel through which the card was taken."`
	ClaimedAt        time.Time         `json:"claimed_at,omitempty,omitzero"`
	ActivatedAt      time.Time         `json:"activated_at,omitempty,omitzero"`
}

type nothing struct{}

func (a *API) sessionRoutes(api huma.API) {
	route(a, api, huma.Operation{
		OperationID: "login", Method: http.MethodPost, Path: "/v1/session", Tags: []string{"session"},
		Summary: "Sign in with a wx.login code", Errors: []int{400, 401, 403, 413, 415, 429, 503},
	}, a.login)
	route(a, api, a.signedIn(huma.Operation{
		OperationID: "logout", Method: http.MethodDelete, Path: "/v1/session", Tags: []string{"session"},
		Summary: "Sign out: the token is dead on every replica within a second", DefaultStatus: http.StatusNoContent,
		Errors: []int{401, 429, 503},
	}), func(ctx context.Context, _ *nothing) (*nothing, error) {
		return nil, a.Sessions.Logout(ctx, sessionOf(ctx))
	})
	route(a, api, a.signedIn(huma.Operation{
		OperationID: "me", Method: http.MethodGet, Path: "/v1/me", Tags: []string{"session"},
		Summary: "The member and their cards", Errors: []int{401, 429, 503},
	}), func(ctx context.Context, _ *nothing) (*accountOutput, error) {
		me, err := a.account(ctx, sessionOf(ctx).MemberID)
		return &accountOutput{me}, err
	})
}

func (a *API) login(ctx context.Context, in *loginInput) (*loginOutput, error) {
	token, s, err := a.Sessions.Login(ctx, in.Body.Code)
	if err != nil {
		return nil, err
	}
	var out loginOutput
	if out.Body.Member, err = a.account(ctx, s.MemberID); err != nil {
		return nil, err
	}
	out.Body.Token, out.Body.TokenType = token, "Bearer"
	out.Body.ExpiresIn = int64(s.ExpiresAt.Sub(s.IssuedAt).Seconds())
	return &out, nil
}

func (a *API) account(ctx context.Context, memberID string) (account, error) {
	cards, err := a.Members.Cards(ctx, memberID)
	out := account{ID: memberID, Cards: make([]memberCard, len(cards))}
	for i, c := range cards {
		out.Cards[i] = cardOf(c)
	}
	return out, err
}

func cardOf(c member.Card) memberCard {
	out := memberCard{
		CardID: c.CardID, Code: c.Code, Status: string(c.Status), MembershipNumber: c.MembershipNumber,
		Bonus: c.Bonus, Balance: c.Balance, OuterStr: c.OuterStr, ClaimedAt: c.ClaimedAt, ActivatedAt: c.ActivatedAt,
	}
	if c.Status == member.Issued {
		out.Code = "" // nothing to open yet
	}
	for i, v := range c.Fields {
		if v == "" {
			continue
		}
		if out.Fields == nil {
			out.Fields = map[string]string{}
		}
		out.Fields["custom_field"+string(rune('1'+i))] = v
	}
	return out
}

type sessionKey struct{}

func sessionOf(ctx context.Context) auth.Session {
	s, _ := ctx.Value(sessionKey{}).(auth.Session)
	return s
}

// signedIn makes an operation need a session; it is checked before the body is
// looked at.
func (a *API) signedIn(op huma.Operation) huma.Operation {
	op.Security = []map[string][]string{{"bearer": {}}}
	op.Middlewares = append(op.Middlewares, func(ctx huma.Context, next func(huma.Context)) {
		c := humagin.Unwrap(ctx)
		s, err := a.Sessions.Verify(bearer(c.Request.Header))
		if err != nil {
			fail(c, problemOf(ctx.Context(), a.Log, err))
			return
		}
		if !a.members.allow(s.MemberID) {
			fail(c, newProblem(ctx.Context(), rateLimited))
			return
		}
		next(huma.WithValue(ctx, sessionKey{}, s))
	})
	return op
}

// bearer returns the token of the one Authorization header, or "" when there
// is none, another scheme, or more than one to choose from.
func bearer(h http.Header) string {
	given := h.Values("Authorization")
	if len(given) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(given[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return token
}
