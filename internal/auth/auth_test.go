package auth_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/auth/sqlstore"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

var (
	key1 = bytes.Repeat([]byte("one "), 8)
	key2 = bytes.Repeat([]byte("two "), 8)
)

func keys(t testing.TB, list ...string) *auth.Keys {
	t.Helper()
	k, err := auth.ParseKeys(strings.Join(list, ","))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// wechat implements code2Session: it accepts every code unless answer is set.
type wechat struct {
	calls  atomic.Int32
	answer func(ctx context.Context, code string) (openID, unionID string, err error)
}

func (w *wechat) Exchange(ctx context.Context, code string) (openID, unionID string, err error) {
	w.calls.Add(1)
	if w.answer != nil {
		return w.answer(ctx, code)
	}
	return "openid-" + code, "unionid-" + code, nil
}

// members enrolls each openid as a member with its own UUID.
type members func(ctx context.Context, appID, openID, unionID string) (string, error)

func (m members) Enroll(ctx context.Context, appID, openID, unionID string) (string, error) {
	if m != nil {
		return m(ctx, appID, openID, unionID)
	}
	return memberOf(openID), nil
}

func memberOf(openID string) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, []byte(openID)).String()
}

// setup is what a test may choose about a Service. The zero value is ready to
// use.
type setup struct {
	keys    *auth.Keys
	wechat  *wechat
	pages   *wechat // for the Official Account's codes; nil: wechat
	members members
	store   auth.Store
	opts    auth.Options
}

func open(t testing.TB, c setup) *auth.Service {
	t.Helper()
	if c.keys == nil {
		c.keys = keys(t, entry("k1", key1))
	}
	if c.wechat == nil {
		c.wechat = &wechat{}
	}
	if c.store == nil {
		c.store = sqlstore.New(sqldbtest.New(t))
	}
	if c.opts.Log == nil {
		c.opts.Log = slog.New(slog.DiscardHandler)
	}
	ports := auth.Ports{
		MiniProgram: auth.App{ID: "wxmini", WeChat: c.wechat}, Official: auth.App{ID: "wxofficial", WeChat: cmp.Or(c.pages, c.wechat)},
		Members: c.members, Store: c.store,
	}
	s, err := auth.Open(t.Context(), c.keys, ports, c.opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// running opens a Service and runs it until the test ends.
func running(t *testing.T, c setup) *auth.Service {
	t.Helper()
	s := open(t, c)
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	t.Cleanup(func() { stop(); wg.Wait() })
	return s
}

var lastCode atomic.Int64

func login(t testing.TB, s *auth.Service) (string, auth.Session) {
	t.Helper()
	token, session, err := s.Login(t.Context(), fmt.Sprint("code", lastCode.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	return token, session
}

func logout(t testing.TB, s *auth.Service, session auth.Session) {
	t.Helper()
	if err := s.Logout(t.Context(), session); err != nil {
		t.Fatal(err)
	}
}

func wantValid(t testing.TB, s *auth.Service, token string) {
	t.Helper()
	if _, err := s.Verify(token); err != nil {
		t.Errorf("got %v, want a session", err)
	}
}

func wantInvalid(t testing.TB, s *auth.Service, token string) {
	t.Helper()
	if got, err := s.Verify(token); !errors.Is(err, auth.ErrSession) || got != (auth.Session{}) {
		t.Errorf("got %+v, %v, want ErrSession", got, err)
	}
}

func TestVerify_ReturnsTheSessionOfTheLogin(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 999_999_999, time.UTC)
	s := open(t, setup{opts: auth.Options{Now: func() time.Time { return now }}})
	token, want, err := s.Login(t.Context(), "c1")
	if err != nil {
		t.Fatal(err)
	}
	if want.MemberID != memberOf("openid-c1") || !want.IssuedAt.Equal(now.Truncate(time.Second)) ||
		want.ExpiresAt.Sub(want.IssuedAt) != 7200*time.Second || uuid.Validate(want.JTI) != nil {
		t.Errorf("got %+v", want)
	}
	for range 3 { // the first call parses the token, the others find it
		if got, err := s.Verify(token); got != want || err != nil {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	if _, other := login(t, s); other.JTI == want.JTI {
		t.Error("two sessions have one jti")
	}
}

// clock is a clock that tests set, as the correction by WeChat's clock does.
type clock struct{ now atomic.Pointer[time.Time] }

func (c *clock) Now() time.Time  { return *c.now.Load() }
func (c *clock) Set(t time.Time) { c.now.Store(&t) }

// A token that was verified before must not be valid longer, or shorter, than
// one that is verified for the first time.
func TestVerify_JudgesTimeAlikeAtFirstAndLater(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	store := sqlstore.New(sqldbtest.New(t))
	for after, live := range map[time.Duration]bool{
		-30*time.Second - 1:                   false,
		-30 * time.Second:                     true,
		7200*time.Second + 30*time.Second - 1: true,
		7200*time.Second + 30*time.Second:     false,
		1000 * time.Hour:                      false,
	} {
		var c clock
		c.Set(start)
		service := func() *auth.Service { return open(t, setup{store: store, opts: auth.Options{Now: c.Now}}) }
		later := service()
		token, _ := login(t, later)
		wantValid(t, later, token)
		c.Set(start.Add(after))
		for name, s := range map[string]*auth.Service{"first": service(), "later": later} {
			// The clock of a service never goes back.
			if _, err := s.Verify(token); (err == nil) != (live || name == "later" && after < 0) {
				t.Errorf("%s, %v after: got %v", name, after, err)
			}
		}
		c.Set(start)
		if _, err := later.Verify(token); (err == nil) != (live || after < 0) {
			t.Errorf("%v after and back: got %v", after, err)
		}
	}
}

// aheadStore is a store whose clock is ahead of the machine's.
type aheadStore struct {
	auth.Store
	ahead atomic.Int64
}

func (s *aheadStore) Now(ctx context.Context) (now, notBefore time.Time, err error) {
	now, notBefore, err = s.Store.Now(ctx)
	return now.Add(time.Duration(s.ahead.Load())), notBefore, err
}

// The clocks of two machines differ by hours: they do not matter.
func TestVerify_JudgesByTheClockOfTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &aheadStore{Store: sqlstore.New(sqldbtest.New(t))}
		store.ahead.Store(int64(-3 * time.Hour))
		s := running(t, setup{store: store})
		token, session := login(t, s)
		if got := time.Since(session.IssuedAt); (got - 3*time.Hour).Abs() > time.Second {
			t.Errorf("issued %v ago by the machine's clock, want 3 h", got)
		}
		time.Sleep(2*time.Hour + 20*time.Second)
		wantValid(t, s, token)
		time.Sleep(11 * time.Second)
		wantInvalid(t, s, token)
		token, _ = login(t, s)
		store.ahead.Store(int64(-4 * time.Hour)) // new tokens are valid all the same
		time.Sleep(time.Second)
		again, _ := login(t, s)
		wantValid(t, s, token)
		wantValid(t, s, again)
	})
}

func TestVerify_IsSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	s := running(t, setup{})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 50 {
				token, session := login(t, s)
				wantValid(t, s, token)
				wantValid(t, s, token)
				logout(t, s, session)
				wantInvalid(t, s, token)
			}
		})
	}
	wg.Wait()
}
