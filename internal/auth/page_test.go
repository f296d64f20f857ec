package auth_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/auth"
)

// A code counts in the app that it is of: the other app's exchange never sees it.
func TestLoginOnPage_ExchangesTheCodeOfTheOfficialAccountOnce(t *testing.T) {
	t.Parallel()
	var app string
	mini, pages := &wechat{}, &wechat{}
	s := open(t, setup{wechat: mini, pages: pages, members: func(_ context.Context, appID, openID, _ string) (string, error) {
		app = appID
		return memberOf(openID), nil
	}})
	token, session, err := s.LoginOnPage(t.Context(), "c1")
	if err != nil || session.MemberID != memberOf("openid-c1") || app != "wxofficial" {
		t.Fatalf("got %+v in %q, %v", session, app, err)
	}
	wantValid(t, s, token)
	if _, _, err := s.LoginOnPage(t.Context(), "c1"); !errors.Is(err, auth.ErrCodeRefused) {
		t.Errorf("again: got %v, want ErrCodeRefused", err)
	}
	wantCalls(t, pages, 1)
	wantCalls(t, mini, 0)
	if _, _, err := s.Login(t.Context(), "c1"); err != nil {
		t.Errorf("the same text as a code of the mini-program: %v", err)
	}
}

// A wrong secret of the Official Account must not stop the mini-program.
func TestLoginOnPage_ThatFailsSuspendsNoOtherApp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pages := &wechat{answer: func(context.Context, string) (string, string, error) { return "", "", errors.New("40125") }}
		s := open(t, setup{pages: pages})
		time.Sleep(time.Minute)
		for _, code := range []string{"a", "b", "c", "d", "e"} {
			_, _, _ = s.LoginOnPage(t.Context(), code)
		}
		if _, _, err := s.LoginOnPage(t.Context(), "f"); !errors.Is(err, auth.ErrSuspended) || !s.Suspended() {
			t.Errorf("got %v, want ErrSuspended", err)
		}
		if _, _, err := s.Login(t.Context(), "g"); err != nil {
			t.Errorf("in the mini-program: %v", err)
		}
	})
}
