package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/opencard"
	"github.com/addcard/addcard/internal/wechat"
)

// oneToken is a wechat.Tokens with one token for ever.
type oneToken struct{}

func (oneToken) Token(context.Context) (string, error)    { return "t", nil }
func (oneToken) Invalidate(context.Context, string) error { return nil }

// wechatSays returns the options of a WeChat that answers each path with this
// text; a path without one has errcode -1. bodies gets what was sent, by path.
func wechatSays(t *testing.T, answers map[string]string, bodies map[string]string) wechat.Options {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if bodies != nil {
			bodies[r.URL.Path] = string(body)
		}
		text, ok := answers[r.URL.Path]
		if !ok {
			text = `{"errcode":-1,"errmsg":"system error"}`
		}
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	return wechat.Options{BaseURL: server.URL}
}

func refusal(code int) string { return fmt.Sprintf(`{"errcode":%d,"errmsg":"no"}`, code) }

const getCode = "/card/code/get"

func codeState(cardID, status, openID string) string {
	return fmt.Sprintf(`{"errcode":0,"errmsg":"ok","openid":%q,"card":{"card_id":%q},"user_card_status":%q,"can_consume":true}`,
		openID, cardID, status)
}

// A code proves its holder only if it is usable, of this card, and in a wallet.
func TestHolder_IsTheOneOfThisCardInUse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer  string
		openID  string
		refused bool
	}{
		"in the wallet":          {codeState("p", "NORMAL", "o1"), "o1", false},
		"of another card":        {codeState("q", "NORMAL", "o1"), "", true},
		"of a card in capitals":  {codeState("P", "NORMAL", "o1"), "", true},
		"used up":                {codeState("p", "CONSUMED", "o1"), "", true},
		"expired":                {codeState("p", "EXPIRE", "o1"), "", true},
		"on its way to a friend": {codeState("p", "GIFTING", "o1"), "", true},
		"not taken by a friend":  {codeState("p", "GIFT_TIMEOUT", "o1"), "", true},
		"given away":             {codeState("p", "GIFT_SUCC", "o1"), "", true},
		"deleted":                {codeState("p", "DELETE", "o1"), "", true},
		"ended":                  {codeState("p", "UNAVAILABLE", "o1"), "", true},
		"of no status":           {codeState("p", "", "o1"), "", true},
		"in no wallet":           {codeState("p", "NORMAL", ""), "", true},
		"unknown":                {refusal(40056), "", true},
		"invalid":                {refusal(40116), "", true},
		"unusable":               {refusal(40127), "", true},
	} {
		client := wechat.NewClient(oneToken{}, wechatSays(t, map[string]string{getCode: c.answer}, nil))
		openID, err := codes{client: client}.Holder(t.Context(), "p", "1")
		if errors.Is(err, cardlist.ErrNotYours) != c.refused || openID != c.openID {
			t.Errorf("%s: got %q, %v", name, openID, err)
		}
	}
	client := wechat.NewClient(oneToken{}, wechatSays(t, nil, nil))
	if openID, err := (codes{client: client}).Holder(t.Context(), "p", "1"); err == nil || errors.Is(err, cardlist.ErrNotYours) || openID != "" {
		t.Errorf("WeChat is busy: got %q, %v", openID, err)
	}
}

// The reconciler adopts a code of the same digits of no other card.
func TestWallet_OfAnotherCardIsNone(t *testing.T) {
	t.Parallel()
	for cardID, want := range map[string]string{"p": "o1", "q": "", "P": ""} {
		client := wechat.NewClient(oneToken{}, wechatSays(t, map[string]string{getCode: codeState(cardID, "NORMAL", "o1")}, nil))
		if openID, _, err := (memberCards{client: client}).Holder(t.Context(), "p", "1"); err != nil || openID != want {
			t.Errorf("card %q: got %q, %v, want %q", cardID, openID, err, want)
		}
	}
}

// Each refusal of WeChat's is the error that the caller's package has for it.
func TestPorts_TranslateRefusals(t *testing.T) {
	t.Parallel()
	ask := func(path string, code int, call func(wechat.Options) error) error {
		return call(wechatSays(t, map[string]string{path: refusal(code)}, nil))
	}
	withClient := func(call func(*wechat.Client) error) func(wechat.Options) error {
		return func(o wechat.Options) error { return call(wechat.NewClient(oneToken{}, o)) }
	}
	logIn := func(o wechat.Options) error {
		openID, unionID, err := login(wechat.NewApp("wx1", "s", o).Code2Session).Exchange(t.Context(), "c")
		if openID != "" || unionID != "" {
			t.Errorf("a refused login has %q, %q", openID, unionID)
		}
		return err
	}
	decrypt := withClient(func(c *wechat.Client) error {
		_, err := codes{client: c}.DecryptCode(t.Context(), "e")
		return err
	})
	read := withClient(func(c *wechat.Client) error {
		_, err := account{client: c}.Card(t.Context(), "p")
		return err
	})
	open := withClient(func(c *wechat.Client) error {
		_, err := component{client: c}.OpenCard(t.Context(), "p", "")
		return err
	})
	form := withClient(func(c *wechat.Client) error {
		_, err := component{client: c}.Form(t.Context(), "t")
		return err
	})
	const session, decryption, get = "/sns/jscode2session", "/card/code/decrypt", "/card/get"
	const geturl, temp = "/card/membercard/activate/geturl", "/card/membercard/activatetempinfo/get"
	for _, c := range []struct {
		path string
		code int
		call func(wechat.Options) error
		want error
	}{
		{session, 40029, logIn, auth.ErrCodeRefused}, {session, 40163, logIn, auth.ErrCodeRefused},
		{session, 40226, logIn, auth.ErrUserBlocked}, {session, 45011, logIn, auth.ErrTooFast}, {session, 45009, logIn, nil},
		{decryption, 40075, decrypt, cardlist.ErrCodeInvalid}, {decryption, 45009, decrypt, nil},
		{get, 40073, read, card.ErrNotFound}, {get, 72001, read, card.ErrNotFound}, {get, 45009, read, nil},
		{geturl, 40073, open, card.ErrNotFound}, {geturl, 45009, open, nil},
		{geturl, 40158, open, opencard.ErrCodeMode}, {geturl, 72026, open, opencard.ErrNotOneClick},
		{temp, 72012, form, opencard.ErrTicketExpired}, {temp, 72011, form, opencard.ErrTicket}, {temp, 45009, form, nil},
	} {
		err := ask(c.path, c.code, c.call)
		if answer := (*wechat.Error)(nil); !errors.As(err, &answer) || answer.Code != c.code {
			t.Errorf("%s %d: got %v", c.path, c.code, err)
		}
		if c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s %d: got %v, want %v", c.path, c.code, err, c.want)
		}
		for _, sentinel := range []error{auth.ErrCodeRefused, auth.ErrUserBlocked, auth.ErrTooFast, cardlist.ErrCodeInvalid, card.ErrNotFound,
			opencard.ErrTicketExpired, opencard.ErrCodeMode, opencard.ErrNotOneClick, cardlist.ErrNotYours} {
			if errors.Is(err, sentinel) != (sentinel == c.want) { //nolint:errorlint // which of the two it is
				t.Errorf("%s %d: is %v %t", c.path, c.code, sentinel, errors.Is(err, sentinel))
			}
		}
	}
}

// A code that WeChat says is unusable is ended only if it is unavailable there.
func TestMakeUnavailable_OfACodeThatIsEndedAlready(t *testing.T) {
	t.Parallel()
	for state, done := range map[string]bool{
		codeState("p", "UNAVAILABLE", ""): true, codeState("q", "UNAVAILABLE", ""): false, codeState("p", "DELETE", ""): false,
		codeState("p", "GIFTING", ""): false, refusal(40056): false,
	} {
		client := wechat.NewClient(oneToken{}, wechatSays(t, map[string]string{"/card/code/unavailable": refusal(40127), getCode: state}, nil))
		err := account{client: client}.MakeUnavailable(t.Context(), "p", "1", "")
		if (err == nil) != done {
			t.Errorf("%s: got %v", state, err)
		}
	}
}

// An activation without a grant must not set totals that WeChat has.
func TestActivate_SendsTheGrantAsAWhole(t *testing.T) {
	t.Parallel()
	const path = "/card/membercard/activate"
	for grant, want := range map[member.InitialGrant][2]bool{
		{}: {}, {Bonus: 5}: {true, true}, {Balance: 7}: {true, true},
	} {
		bodies := map[string]string{}
		client := wechat.NewClient(oneToken{}, wechatSays(t, map[string]string{path: `{"errcode":0,"errmsg":"ok"}`}, bodies))
		a := cardsync.Activation{CardID: "p", Code: "1", MembershipNumber: "1", Grant: grant}
		if err := (memberCards{client: client}).Activate(t.Context(), a); err != nil {
			t.Fatal(err)
		}
		for i, name := range []string{`"init_bonus":`, `"init_balance":`} {
			if strings.Contains(bodies[path], name) != want[i] {
				t.Errorf("%+v: sent %s", grant, bodies[path])
			}
		}
	}
}

// A code that cannot be ended any more does not keep its member from being erased. What
// may pass does: the operator has to repeat it.
func TestEndOfErased_OfACodeThatCannotBeEnded(t *testing.T) {
	t.Parallel()
	for code, unusable := range map[int]bool{
		40056: true, 40116: true, 40127: true, 40073: true, 72001: true, 45009: false, 48001: false, -1: false,
	} {
		answers := map[string]string{"/card/code/unavailable": refusal(code), getCode: codeState("p", "DELETE", "")}
		a := account{client: wechat.NewClient(oneToken{}, wechatSays(t, answers, nil))}
		core := Core{Operator: card.NewOperator(card.New(a, nil, nil), a, nil, nil)}
		if err := core.endOfErased(t.Context(), "p", "1"); err == nil || errors.Is(err, member.ErrCodeNotUsable) != unusable {
			t.Errorf("%d: got %v", code, err)
		}
	}
}

// A production server cannot be made to log in DevTools without an AppID.
func TestMockLogin_IsForTheSandboxOnly(t *testing.T) {
	t.Parallel()
	mock := func() (string, error) { return "code", nil }
	_, err := New(t.Context(), config.Config{}, Options{MockLogin: mock})
	if err == nil || !strings.Contains(err.Error(), "for the sandbox only") {
		t.Errorf("got %v", err)
	}
	if _, is := sessions(nil, nil).(*auth.Service); !is {
		t.Error("without the option, logins do not go to package auth directly")
	}
}
