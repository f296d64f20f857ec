package auth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/auth"
)

// slow returns a wechat that answers after d or when ctx ends.
func slow(d time.Duration) *wechat {
	return &wechat{answer: func(ctx context.Context, code string) (string, string, error) {
		select {
		case <-time.After(d):
			return "openid-" + code, "", nil
		case <-ctx.Done():
			return "", "", ctx.Err()
		}
	}}
}

// sent returns a wechat that has sent each code at once and answers after d, as long as
// the deadline allows.
func sent(d time.Duration) *wechat {
	return &wechat{answer: func(ctx context.Context, code string) (string, string, error) {
		deadline, _ := ctx.Deadline()
		if time.Until(deadline) < d {
			time.Sleep(time.Until(deadline))
			return "", "", context.DeadlineExceeded
		}
		time.Sleep(d)
		return "openid-" + code, "", nil
	}}
}

// unsent returns a wechat to which no connection can be made.
func unsent() *wechat {
	return &wechat{answer: func(ctx context.Context, _ string) (string, string, error) {
		<-ctx.Done()
		return "", "", fmt.Errorf("connect: %w: %w", auth.ErrNotSent, ctx.Err())
	}}
}

func wantCalls(t *testing.T, w *wechat, want int32) {
	t.Helper()
	if got := w.calls.Load(); got != want {
		t.Errorf("WeChat was asked %d times, want %d", got, want)
	}
}

func TestLogin_OfOneCodeAHundredTimesAtOnceIsOneSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := slow(time.Second)
		s := open(t, setup{wechat: w})
		var tokens [100]string
		var wg sync.WaitGroup
		for i := range tokens {
			wg.Go(func() {
				token, session, err := s.Login(t.Context(), "c1")
				if got, verr := s.Verify(token); err != nil || verr != nil || got != session {
					t.Errorf("got %v, %v", err, verr)
				}
				tokens[i] = token
			})
		}
		wg.Wait()
		for i, token := range tokens {
			if token != tokens[0] {
				t.Errorf("caller %d has another token", i)
			}
		}
		wantCalls(t, w, 1)
	})
}

// In real time: some callers come during the exchange, some after it. There is
// at most one session, and the other callers get only refusals.
func TestLogin_OfOneCodeInARace(t *testing.T) {
	t.Parallel()
	w := &wechat{}
	s := open(t, setup{wechat: w})
	for round := range 50 {
		tokens := make(chan string, 32)
		var wg sync.WaitGroup
		for range cap(tokens) {
			wg.Go(func() {
				token, _, err := s.Login(t.Context(), fmt.Sprint("race", round))
				if err == nil {
					tokens <- token
				} else if !errors.Is(err, auth.ErrCodeRefused) {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		close(tokens)
		first, ok := <-tokens
		if !ok {
			t.Error("no caller has a session")
		}
		for token := range tokens {
			if token != first {
				t.Error("two tokens of one code")
			}
		}
	}
	wantCalls(t, w, 50)
}

func TestLogin_RefusesACodeThatWasUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wechat{}
		s := open(t, setup{wechat: w})
		token, _, err := s.Login(t.Context(), "c1")
		if err != nil {
			t.Fatal(err)
		}
		for range 5 { // until the last moment of its ten minutes
			if _, _, err := s.Login(t.Context(), "c1"); !errors.Is(err, auth.ErrCodeRefused) {
				t.Errorf("got %v, want ErrCodeRefused", err)
			}
			login(t, s) // adds another entry to the codes
			time.Sleep(2*time.Minute - time.Millisecond)
		}
		wantCalls(t, w, 6)
		wantValid(t, s, token) // the refusal does not end the session
	})
}

// However many others log in meanwhile, twice as long as WeChat accepts it.
func TestLogin_RemembersACodeForTenMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wechat{}
		s := open(t, setup{wechat: w})
		if _, _, err := s.Login(t.Context(), "c1"); err != nil {
			t.Fatal(err)
		}
		for range 9 {
			time.Sleep(66 * time.Second)
			login(t, s)
		}
		if _, _, err := s.Login(t.Context(), "c1"); !errors.Is(err, auth.ErrCodeRefused) {
			t.Errorf("got %v, want ErrCodeRefused", err)
		}
		wantCalls(t, w, 10)
	})
}

func TestLogin_GoesOnWhenItsFirstCallerLeaves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := slow(time.Second)
		s := open(t, setup{wechat: w})
		ctx, leave := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer leave()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, _, err := s.Login(ctx, "c1"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the caller that left: got %v, want the end of its context", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			token, _, err := s.Login(t.Context(), "c1")
			if err != nil {
				t.Errorf("the caller that stayed: got %v", err)
			}
			wantValid(t, s, token)
		})
		wg.Wait()
		wantCalls(t, w, 1)
	})
}

// After a timeout it is not known whether the code was used up.
func TestLogin_ThatTimedOutIsNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := slow(time.Hour)
		s := open(t, setup{wechat: w})
		start := time.Now()
		if _, _, err := s.Login(t.Context(), "c1"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, auth.ErrCodeRefused) {
			t.Errorf("got %v, want the timeout", err)
		}
		if took := time.Since(start); took != 8*time.Second {
			t.Errorf("took %v, want 8s", took)
		}
		for range 3 {
			if _, _, err := s.Login(t.Context(), "c1"); !errors.Is(err, auth.ErrCodeRefused) {
				t.Errorf("again: got %v, want ErrCodeRefused", err)
			}
		}
		wantCalls(t, w, 1)
	})
}

func TestLogin_PassesErrorsOnOnce(t *testing.T) {
	t.Parallel()
	other := errors.New("wechat: busy")
	for _, want := range []error{auth.ErrCodeRefused, auth.ErrUserBlocked, auth.ErrTooFast, other} {
		w := &wechat{answer: func(context.Context, string) (string, string, error) { return "o", "", fmt.Errorf("call: %w", want) }}
		s := open(t, setup{wechat: w, members: func(context.Context, string, string, string) (string, error) {
			t.Errorf("%v: enrolled all the same", want)
			return "", nil
		}})
		token, session, err := s.Login(t.Context(), "c0de1234567890")
		if !errors.Is(err, want) || token != "" || session != (auth.Session{}) || strings.Contains(err.Error(), "c0de") {
			t.Errorf("got %q, %+v, %v, want %v", token, session, err, want)
		}
		if _, _, err := s.Login(t.Context(), "c0de1234567890"); !errors.Is(err, auth.ErrCodeRefused) {
			t.Errorf("%v, again: got %v, want ErrCodeRefused", want, err)
		}
		wantCalls(t, w, 1)
	}
}

func TestLogin_EnrolsWhoWeChatNames(t *testing.T) {
	t.Parallel()
	s := open(t, setup{members: func(_ context.Context, appID, openID, unionID string) (string, error) {
		if appID != "wxmini" || openID != "openid-c1" || unionID != "unionid-c1" {
			t.Errorf("got %s, %s, %s", appID, openID, unionID)
		}
		return sub, nil
	}})
	if _, session, err := s.Login(t.Context(), "c1"); session.MemberID != sub || err != nil {
		t.Errorf("got %+v, %v", session, err)
	}
	down := errors.New("database is down")
	s = open(t, setup{members: func(context.Context, string, string, string) (string, error) { return "", down }})
	if token, _, err := s.Login(t.Context(), "c1"); !errors.Is(err, down) || token != "" {
		t.Errorf("got %q, %v, want %v", token, err, down)
	}
}

// All users without an openid would be one member.
func TestLogin_WithoutAnOpenIDEnrolsNoMember(t *testing.T) {
	t.Parallel()
	s := open(t, setup{
		wechat: &wechat{answer: func(context.Context, string) (string, string, error) { return "", "u", nil }},
		members: func(context.Context, string, string, string) (string, error) {
			t.Error("enrolled")
			return sub, nil
		},
	})
	if token, _, err := s.Login(t.Context(), "c1"); err == nil || token != "" {
		t.Errorf("got %q, %v", token, err)
	}
}

func TestLogin_ChecksTheFormOfACodeBeforeAsking(t *testing.T) {
	t.Parallel()
	w := &wechat{}
	s := open(t, setup{wechat: w})
	for _, code := range []string{"", " ", "a b", "a\n", "\x00", "a\x7f", "代码", "a\u00a0b", "\xff", strings.Repeat("a", 257)} {
		if _, _, err := s.Login(t.Context(), code); !errors.Is(err, auth.ErrCodeFormat) {
			t.Errorf("%q: got %v, want ErrCodeFormat", code, err)
		}
	}
	wantCalls(t, w, 0)
	for _, code := range []string{"a", "!", "~", `'";--`, "%2e", strings.Repeat("a", 256)} {
		if _, _, err := s.Login(t.Context(), code); err != nil {
			t.Errorf("%q: got %v", code, err)
		}
	}
}

// DevTools without an AppID gives a sentence for a code.
func TestLogin_RefusesTheMockCodeWithoutAsking(t *testing.T) {
	t.Parallel()
	w := &wechat{}
	s := open(t, setup{wechat: w})
	for _, code := range []string{"the code is a mock one", "The code is a mock one.", " the code is a mock one\n"} {
		if token, _, err := s.Login(t.Context(), code); !errors.Is(err, auth.ErrCodeMock) || !errors.Is(err, auth.ErrCodeRefused) || token != "" {
			t.Errorf("%q: got %q, %v, want ErrCodeMock", code, token, err)
		}
	}
	wantCalls(t, w, 0)
}

func TestLogin_SurvivesAPanic(t *testing.T) {
	t.Parallel()
	w := &wechat{answer: func(_ context.Context, code string) (string, string, error) {
		if code == "c1" {
			panic("boom")
		}
		return code, "", nil
	}}
	s := open(t, setup{wechat: w})
	if token, _, err := s.Login(t.Context(), "c1"); err == nil || token != "" || !strings.Contains(err.Error(), "login_test.go") {
		t.Errorf("got %q, %v, want an error with the stack", token, err)
	}
	login(t, s)
}

func TestClose_WaitsForLoginsWithoutCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var enrolled atomic.Bool
		s := open(t, setup{wechat: sent(time.Second), members: func(ctx context.Context, _, _, _ string) (string, error) {
			enrolled.Store(ctx.Err() == nil)
			return sub, ctx.Err()
		}})
		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, leave)
		if _, _, err := s.Login(ctx, "c1"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		s.Close()
		if !enrolled.Load() {
			t.Error("the login was not over")
		}
	})
}
