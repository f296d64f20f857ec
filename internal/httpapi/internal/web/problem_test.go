package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/httpapi/internal/web"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/wechat"
)

// Errors of the services come wrapped, and one that the table has not is the
// client's to report and the log's to explain.
func TestProblem_OfEachKindOfError(t *testing.T) {
	t.Parallel()
	noToken := fmt.Errorf("%w: %w", ticket.ErrUnavailable, &wechat.Error{API: "/cgi-bin/stable_token", Code: 45009})
	for name, c := range map[string]struct {
		err           error
		public, admin string
	}{
		"no such member":            {member.ErrMemberUnknown, "401 session_invalid", "404 member_not_found"},
		"a session":                 {auth.ErrSession, "401 session_invalid", "401 session_invalid"},
		"a card":                    {card.ErrNotFound, "404 card_not_found", "404 card_not_found"},
		"the database is busy":      {sqldb.ErrBusy, "503 unavailable", "503 unavailable"},
		"the database is read-only": {fmt.Errorf("%w: 25006", sqldb.ErrUnavailable), "503 unavailable", "503 unavailable"},
		"the database is damaged":   {sqldb.ErrDamaged, "503 unavailable", "503 unavailable"},
		"no token for a call":       {noToken, "503 wechat_unavailable", "503 wechat_unavailable"},
		"no ticket to hand out":     {web.TicketError(noToken), "503 ticket_unavailable", "503 ticket_unavailable"},
		"no ticket to sign with": {fmt.Errorf("%w: %w", cardlist.ErrNoTicket, noToken), "503 ticket_unavailable",
			"503 ticket_unavailable"},
		"WeChat refuses":                 {&wechat.Error{Code: 40151}, "503 wechat_unavailable", "503 wechat_unavailable"},
		"WeChat refuses, quoted":         {web.QuoteWeChat(&wechat.Error{Code: 40151}), "422 wechat_refused", "422 wechat_refused"},
		"WeChat is busy, quoted":         {web.QuoteWeChat(&wechat.Error{Code: -1}), "503 wechat_unavailable", "503 wechat_unavailable"},
		"WeChat does not answer, quoted": {web.QuoteWeChat(&wechat.Error{}), "503 wechat_unavailable", "503 wechat_unavailable"},
		"an unknown code, quoted":        {web.QuoteWeChat(&wechat.Error{Code: 40056}), "404 code_not_found", "404 code_not_found"},
		"the token is refused, quoted":   {web.QuoteWeChat(&wechat.Error{Code: 40001}), "503 wechat_unavailable", "503 wechat_unavailable"},
		"not WeChat's, quoted":           {web.QuoteWeChat(errors.New("no")), "500 internal", "500 internal"},
		"the client left":                {context.Canceled, "499 client_closed", "499 client_closed"},
		"it took too long":               {context.DeadlineExceeded, "503 unavailable", "503 unavailable"},
		"input":                          {web.InputErrors{{Location: "body.x", Message: "is wrong"}}, "422 invalid_input", "422 invalid_input"},
		"a type of problem":              {web.RateLimited.Err(), "429 rate_limited", "429 rate_limited"},
		"anything else":                  {errors.New("no"), "500 internal", "500 internal"},
	} {
		for audience, want := range map[web.Audience]string{web.Public: c.public, web.Admin: c.admin} {
			l := newListener(audience, func(context.Context) error { return fmt.Errorf("do it: %w", c.err) })
			w := l.do(http.MethodGet, "/")
			p := decode(t, w)
			if got := fmt.Sprint(w.Code, " ", p.Code); got != want || p.Status != w.Code || p.Type != "urn:addcard:problem:"+p.Code ||
				p.Title == "" {
				t.Errorf("%s: got %s %s, want %s", name, got, w.Body, want)
			}
			if retry := w.Header().Get("Retry-After") != ""; retry != (w.Code == 429 || w.Code == 503) {
				t.Errorf("%s: Retry-After: %v", name, w.Header())
			}
			if (w.Header().Get("WWW-Authenticate") == "Bearer") != (w.Code == 401) {
				t.Errorf("%s: WWW-Authenticate: %v", name, w.Header())
			}
			if bytes.Contains(w.Body.Bytes(), []byte("do it")) {
				t.Errorf("%s: the error is in the answer: %s", name, w.Body)
			}
			if w.Code >= 500 && !strings.Contains(l.log.String(), "do it") {
				t.Errorf("%s: the error is not in the log: %s", name, &l.log)
			}
		}
	}
}

func TestProblem_PointsAtTheField(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want web.FieldError
	}{
		"an element of a list": {web.AtField(card.ErrNotFound, "cards", 3, "card_id"),
			web.FieldError{Location: "body.cards[3].card_id", Message: "The Official Account has no such card"}},
		"an element that is not valid": {web.AtField(cardlist.ErrCodeInvalid, "cardList", 0, "code"),
			web.FieldError{Location: "body.cardList[0].code", Message: "not valid"}},
		"a field of a card": {&card.InvalidError{Fields: []card.Field{{Path: "a.b", Message: "is wrong"}}},
			web.FieldError{Location: "body.a.b", Message: "is wrong"}},
		"the card of the path": {&card.InvalidError{Fields: []card.Field{{Path: "card_id", Message: "is wrong"}}},
			web.FieldError{Location: "path.card_id", Message: "is wrong"}},
		"the whole body": {&card.InvalidError{Fields: []card.Field{{Message: "is wrong"}}},
			web.FieldError{Location: "body", Message: "is wrong"}},
		"a client's very long own name": {&card.InvalidError{Fields: []card.Field{{Path: strings.Repeat("x", 1000), Message: "no"}}},
			web.FieldError{Location: "body." + strings.Repeat("x", 200) + "…", Message: "no"}},
	} {
		l := newListener(web.Admin, func(context.Context) error { return c.err })
		if p := decode(t, l.do(http.MethodGet, "/")); len(p.Errors) != 1 || p.Errors[0] != c.want {
			t.Errorf("%s: got %+v, want %+v", name, p.Errors, c.want)
		}
	}
}

func TestQuoteWeChat_HasItsWordsWithoutTheHint(t *testing.T) {
	t.Parallel()
	lost := fmt.Errorf("%w: %w", card.ErrUncertain, &wechat.Error{API: "/card/modifystock", Msg: "connection lost"})
	for _, c := range []struct {
		err  error
		want string
	}{
		{&wechat.Error{API: "/card/create", Code: 40151, Msg: "invalid title.", Trace: "hint: [x]"},
			"WeChat answers 40151 to /card/create: invalid title."},
		{lost, "WeChat did not answer: connection lost. It may have changed the card all the same: look at the card before you repeat this."},
	} {
		l := newListener(web.Admin, func(context.Context) error { return web.QuoteWeChat(c.err) })
		if p := decode(t, l.do(http.MethodGet, "/")); p.Detail != c.want {
			t.Errorf("got %q, want %q", p.Detail, c.want)
		}
	}
}

// WeChat's words may be in GBK. The answer is JSON all the same.
func TestQuoteWeChat_OfWordsThatAreNotUTF8(t *testing.T) {
	t.Parallel()
	l := newListener(web.Admin, func(context.Context) error { return web.QuoteWeChat(&wechat.Error{Code: 40151, Msg: "\xba\xba"}) })
	if p := decode(t, l.do(http.MethodGet, "/")); p.Code != "wechat_refused" || !strings.Contains(p.Detail, "40151") {
		t.Errorf("got %+v", p)
	}
}

var documented = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|")

// The description of the API lists each code that docs/errors.md explains.
func TestProblem_CodesAreInTheDescription(t *testing.T) {
	t.Parallel()
	w := newListener(web.Public, nil).do(http.MethodGet, "/openapi.json")
	var api struct {
		Components struct {
			Schemas struct {
				Problem struct {
					Properties struct{ Code struct{ Enum []string } }
				}
			}
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &api); err != nil {
		t.Fatal(err)
	}
	got := api.Components.Schemas.Problem.Properties.Code.Enum
	page, err := os.ReadFile("../../../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, row := range documented.FindAllSubmatch(page, -1) {
		want = append(want, string(row[1]))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
