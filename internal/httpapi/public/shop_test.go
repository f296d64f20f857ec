package public_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/cardlist"
	"github.com/addcard/addcard/internal/httpapi/public"
	"github.com/addcard/addcard/internal/jssdk"
	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/opencard"
	"github.com/addcard/addcard/internal/weblogin"
)

// shop stands in for all services behind the public API. A token is its member's
// name; each member has the card "p" with the code "c-" and the name. A service
// that fails says so by err.
type shop struct {
	public.Pushes
	members   []string // for whom a service was called
	err       error
	wants     []cardlist.Request
	claimed   []cardlist.Added
	opened    [3]string
	before    int64 // of the last page of entries
	entries   []ledger.Entry
	pages     int
	face      card.Card
	restocked card.Card // what a new look at WeChat finds
	lost      error     // of Cards
}

func (s *shop) call(memberID string) error {
	s.members = append(s.members, memberID)
	return s.err
}

func (s *shop) Login(_ context.Context, code string) (string, auth.Session, error) {
	at := time.Unix(1_800_000_000, 0)
	return code, auth.Session{MemberID: "m-" + code, IssuedAt: at, ExpiresAt: at.Add(2 * time.Hour)}, s.err
}

func (s *shop) Verify(token string) (auth.Session, error) {
	if token != "ming" && token != "hong" {
		return auth.Session{}, auth.ErrSession
	}
	return auth.Session{MemberID: "m-" + token, JTI: "j-" + token}, nil
}

func (s *shop) Logout(_ context.Context, session auth.Session) error {
	return s.call(strings.Replace(session.JTI, "j-", "m-", 1))
}

func (s *shop) Cards(_ context.Context, memberID string) ([]member.Card, error) {
	if s.lost != nil {
		return nil, s.lost
	}
	return []member.Card{s.card(memberID)}, s.call(memberID)
}

func (s *shop) Phone(_ context.Context, memberID string) (string, error) {
	return "13800138000", s.call(memberID)
}

func (s *shop) card(memberID string) member.Card {
	return member.Card{CardID: "p", Code: strings.Replace(memberID, "m-", "c-", 1), Status: member.Active, MemberID: memberID}
}

func (s *shop) CardOf(_ context.Context, memberID, cardID, code string) (member.Card, error) {
	c := s.card(memberID)
	if err := s.call(memberID); err != nil {
		return member.Card{}, err
	}
	if cardID != c.CardID || code != c.Code {
		return member.Card{}, member.ErrNotFound
	}
	return c, nil
}

func (s *shop) Entries(_ context.Context, _, _ string, before int64, n int) ([]ledger.Entry, error) {
	s.pages++
	s.before = before
	page := slices.DeleteFunc(slices.Clone(s.entries), func(e ledger.Entry) bool { return before != 0 && e.Seq >= before })
	return page[:min(n, len(page))], nil
}

func (s *shop) Get(_ context.Context, cardID string) (card.Card, error) {
	s.face.ID = cardID
	return s.face, s.err
}

func (s *shop) Claimable(context.Context, string, bool) (card.Card, error) {
	if s.restocked.SoldOut() {
		return card.Card{}, card.ErrNotClaimable
	}
	return s.restocked, nil
}

func (s *shop) Make(_ context.Context, memberID string, wants []cardlist.Request) ([]cardlist.Item, error) {
	s.wants = wants
	return []cardlist.Item{{CardID: wants[0].CardID, CardExt: "{}"}}, s.call(memberID)
}

func (s *shop) Claim(_ context.Context, memberID string, claimed []cardlist.Added) ([]member.Card, error) {
	s.claimed = claimed
	return []member.Card{s.card(memberID)}, s.call(memberID)
}

func (s *shop) Params(_ context.Context, memberID, cardID, outerStr string) (opencard.Params, error) {
	s.opened = [3]string{cardID, outerStr}
	return opencard.Params{EncryptCardID: "e", OuterStr: outerStr, Biz: "b"}, s.call(memberID)
}

func (s *shop) Activate(_ context.Context, memberID, cardID, code, ticket string) (member.Card, error) {
	s.opened = [3]string{cardID, code, ticket}
	return s.card(memberID), s.call(memberID)
}

func (s *shop) Exchange(_ context.Context, memberID, _ string) (string, error) {
	return "+8613800138000", s.call(memberID)
}

func (*shop) Allows(string) bool { return false }

func (s *shop) Config(_ context.Context, address string) (jssdk.Config, error) {
	return jssdk.Config{AppID: "wx", Timestamp: 7, NonceStr: "n", Signature: "of " + address}, s.err
}

// serve returns the public API in front of the shop.
func (s *shop) serve(o public.Options) http.Handler {
	o.Common = public.Common{
		Log: slog.New(slog.DiscardHandler), Version: "test", InFlight: make(chan struct{}, 8),
		Observe: func(string, string, int, time.Duration) {}, Ready: func(context.Context) error { return nil },
	}
	services := public.Services{Sessions: s, Members: s, Ledger: s, Catalogue: s, CardLists: s, OpenCards: s, Phones: s, Pages: s, Pushes: s,
		WebLogins: &weblogin.Service{}}
	return public.New(services, o).Handler
}

// do sends a request; edit changes it.
func do(h http.Handler, method, target, token, body string, edit ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body == "" {
		r = httptest.NewRequest(method, target, nil)
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for _, f := range edit {
		f(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

type problem struct {
	Code   string
	Errors []struct{ Location string }
}

func problemOf(t *testing.T, w *httptest.ResponseRecorder) (p problem) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return p
}

// refused checks that an answer is a problem of this status and code about this
// part of the request, or about no part.
func refused(t *testing.T, w *httptest.ResponseRecorder, status int, code, location string) {
	t.Helper()
	p := problemOf(t, w)
	at := ""
	if len(p.Errors) > 0 {
		at = p.Errors[0].Location
	}
	if w.Code != status || p.Code != code || at != location {
		t.Errorf("got %d %s, want %d %s %s", w.Code, w.Body, status, code, location)
	}
}

func decode(t *testing.T, w *httptest.ResponseRecorder, into any) {
	t.Helper()
	if err := json.Unmarshal(w.Body.Bytes(), into); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
}
