package auth_test

import (
	"bytes"
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

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/ration"
)

// wantRefused checks that Login refuses at once with want, and says when to come again.
func wantRefused(t *testing.T, err, want error) {
	t.Helper()
	var hint interface{ RetryAfter() (time.Duration, bool) }
	if !errors.Is(err, want) || !errors.As(err, &hint) {
		t.Fatalf("got %v, want %v with a time", err, want)
	}
	if wait, ok := hint.RetryAfter(); !ok || wait <= 0 || wait > 5*time.Second {
		t.Errorf("come again after %v", wait)
	}
}

// Symptom: 2,000 logins whose callers left held 2,000 calls open while WeChat hung.
func TestLogin_BoundsTheCallsThatNoCallerWaitsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := sent(time.Hour)
		s := open(t, setup{wechat: w})
		ctx, leave := context.WithCancel(t.Context())
		var returned atomic.Int32
		for i := range 2000 {
			go func() {
				_, _, _ = s.Login(ctx, fmt.Sprint("c", i))
				returned.Add(1)
			}()
		}
		synctest.Wait()
		leave()
		synctest.Wait()
		wantCalls(t, w, 128)
		if n := returned.Load(); n != 2000 {
			t.Errorf("%d of 2000 callers that left have returned", n)
		}
		start := time.Now()
		_, _, err := s.Login(t.Context(), "honest")
		wantRefused(t, err, ration.ErrBusy)
		if took := time.Since(start); took != 0 {
			t.Errorf("refused after %v", took)
		}
		time.Sleep(time.Minute) // the calls have ended, and the refused code is as good as new
		w.answer = nil
		if _, _, err := s.Login(t.Context(), "honest"); err != nil {
			t.Error(err)
		}
	})
}

// Callers that share an attempt wait, too.
func TestLogin_BoundsTheCallersOfOneCode(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := sent(time.Second)
		s := open(t, setup{wechat: w})
		var busy atomic.Int32
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				if _, _, err := s.Login(t.Context(), "c1"); errors.Is(err, ration.ErrBusy) {
					busy.Add(1)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := busy.Load(); n != 1000-256 {
			t.Errorf("%d refused", n)
		}
		wantCalls(t, w, 1)
	})
}

func TestLogin_SendsNoCodeOfACallerThatHasLeft(t *testing.T) {
	t.Parallel()
	w := &wechat{}
	s := open(t, setup{wechat: w})
	ctx, leave := context.WithCancel(t.Context())
	leave()
	if _, _, err := s.Login(ctx, "c1"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	wantCalls(t, w, 0)
	if _, _, err := s.Login(t.Context(), "c1"); err != nil {
		t.Errorf("the code is used up: %v", err)
	}
}

// The connection is not there yet when the last caller leaves.
func TestLogin_StopsBeforeTheCodeIsSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := unsent()
		s := open(t, setup{wechat: w})
		first, leaveFirst := context.WithCancel(t.Context())
		second, leaveSecond := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, ctx := range []context.Context{first, second} {
			wg.Go(func() {
				if _, _, err := s.Login(ctx, "c1"); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			})
		}
		synctest.Wait()
		wantCalls(t, w, 1)
		leaveFirst()
		synctest.Wait()
		time.Sleep(time.Second) // the other caller waits on
		leaveSecond()
		wg.Wait()
		synctest.Wait()
		w.answer = nil
		if _, _, err := s.Login(t.Context(), "c1"); err != nil {
			t.Errorf("the code is used up: %v", err)
		}
		wantCalls(t, w, 2)
	})
}

// A caller that joins at the moment at which the others leave is served all the same.
func TestLogin_OfACodeThatTheOthersLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		release := make(chan struct{})
		w := &wechat{answer: func(ctx context.Context, code string) (string, string, error) {
			if calls.Add(1) == 1 {
				<-ctx.Done()
				<-release
				return "", "", fmt.Errorf("connect: %w: %w", auth.ErrNotSent, ctx.Err())
			}
			return "openid-" + code, "", nil
		}}
		s := open(t, setup{wechat: w})
		ctx, leave := context.WithCancel(t.Context())
		go func() { _, _, _ = s.Login(ctx, "c1") }()
		synctest.Wait()
		leave()
		synctest.Wait()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, _, err := s.Login(t.Context(), "c1"); err != nil {
				t.Errorf("got %v", err)
			}
		})
		synctest.Wait()
		close(release)
		wg.Wait()
	})
}

func TestLogin_ThatWasNotSentMayBeRepeated(t *testing.T) {
	t.Parallel()
	refused := errors.New("connection refused")
	w := &wechat{answer: func(context.Context, string) (string, string, error) {
		return "", "", fmt.Errorf("%w: %w", auth.ErrNotSent, refused)
	}}
	s := open(t, setup{wechat: w})
	for range 2 {
		if _, _, err := s.Login(t.Context(), "c1"); !errors.Is(err, refused) {
			t.Errorf("got %v, want %v", err, refused)
		}
	}
}

// down is a WeChat that hangs until it is back.
type down struct {
	*wechat
	back atomic.Bool
}

func newDown() *down {
	d := &down{wechat: sent(time.Hour)}
	hangs := d.answer
	d.answer = func(ctx context.Context, code string) (string, string, error) {
		if d.back.Load() {
			return "openid-" + code, "", nil
		}
		return hangs(ctx, code)
	}
	return d
}

// While WeChat's login is down, logins are refused at once, few codes are lost, and
// logins work again within seconds of WeChat.
func TestLogin_IsSuspendedWhileWeChatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log buffer
		d := newDown()
		s := open(t, setup{wechat: d.wechat, opts: auth.Options{Log: slog.New(slog.NewTextHandler(&log, nil))}})
		for i := range 5 {
			go func() { _, _, _ = s.Login(t.Context(), fmt.Sprint("first", i)) }()
		}
		time.Sleep(8*time.Second + time.Millisecond)
		if !s.Suspended() {
			t.Fatal("not suspended")
		}
		attempt := func(i int) error { _, _, err := s.Login(t.Context(), fmt.Sprint("c", i)); return err }
		for i := range 60 * 10 { // a minute with ten logins a second
			go func() {
				if err := attempt(i); errors.Is(err, auth.ErrSuspended) {
					wantRefused(t, err, auth.ErrSuspended)
				}
			}()
			time.Sleep(100 * time.Millisecond)
		}
		if n := d.calls.Load(); n < 5+15 || n > 5+21 {
			t.Errorf("%d codes were sent", n)
		}
		d.back.Store(true)
		start := time.Now()
		for i := 10000; attempt(i) != nil; i++ {
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(start); took > 5*time.Second || s.Suspended() {
			t.Errorf("logins work again after %v, suspended: %v", took, s.Suspended())
		}
		for i := 20000; i < 20100; i++ {
			if err := attempt(i); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "suspended") || !strings.Contains(text, "resumed") {
			t.Errorf("logged:\n%s", text)
		}
	})
}

func TestLogin_IsSuspendedByTheFifthFailureInARow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, setup{wechat: newDown().wechat})
		for i := range 5 {
			if s.Suspended() {
				t.Fatalf("suspended after %d failures", i)
			}
			_, _, _ = s.Login(t.Context(), fmt.Sprint("c", i))
		}
		if !s.Suspended() {
			t.Error("not suspended after five")
		}
	})
}

// The calls that hung when WeChat came back time out later.
func TestLogin_IsNotSuspendedByCallsFromBeforeTheRecovery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDown()
		s := open(t, setup{wechat: d.wechat})
		for i := range 100 {
			go func() { _, _, _ = s.Login(t.Context(), fmt.Sprint("hangs", i)) }()
		}
		time.Sleep(time.Second)
		d.back.Store(true)
		if _, _, err := s.Login(t.Context(), "c1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if s.Suspended() {
			t.Error("suspended")
		}
	})
}

// What WeChat says about a code or its user is no outage: a client with such codes
// must not suspend the logins of others. Neither do callers that leave.
func TestLogin_IsNotSuspendedByAnswersAboutCodes(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{auth.ErrCodeRefused, auth.ErrUserBlocked, auth.ErrTooFast,
		fmt.Errorf("%w: %w", auth.ErrNotSent, context.Canceled)} {
		w := &wechat{answer: func(context.Context, string) (string, string, error) { return "", "", cause }}
		s := open(t, setup{wechat: w})
		ctx := t.Context()
		if errors.Is(cause, context.Canceled) {
			var leave context.CancelFunc
			ctx, leave = context.WithTimeout(ctx, 50*time.Millisecond)
			defer leave()
		}
		for i := range 100 {
			_, _, _ = s.Login(ctx, fmt.Sprint("c", i))
		}
		if s.Suspended() {
			t.Errorf("%v: suspended", cause)
		}
	}
}

// A WeChat that answers one login a second is not down.
func TestLogin_IsNotSuspendedWhileSomeSucceed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wechat{}
		w.answer = func(_ context.Context, code string) (string, string, error) {
			if w.calls.Load()%100 != 1 {
				return "", "", errors.New("busy")
			}
			return "openid-" + code, "", nil
		}
		s := open(t, setup{wechat: w})
		for i := range 1000 {
			_, _, _ = s.Login(t.Context(), fmt.Sprint("c", i))
			time.Sleep(10 * time.Millisecond)
		}
		wantCalls(t, w, 1000)
	})
}

func anonymous(t *testing.T, address string) context.Context {
	return ration.WithClient(t.Context(), ration.Client{Kind: ration.Anonymous, Key: address})
}

// Symptom: 20 addresses caused 1,200 code2Session a second. The addresses that log in
// a few times a minute are served meanwhile.
func TestLogin_IsLimitedPerSecondAndFairToAddresses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wechat{}
		s := open(t, setup{wechat: w, opts: auth.Options{LimitLogins: true}})
		honest := 0
		for i := range 5 * 1200 {
			_, _, err := s.Login(anonymous(t, fmt.Sprint("junk", i%20)), fmt.Sprint("j", i))
			if err != nil {
				wantRefused(t, err, auth.ErrTooMany)
			}
			if i%100 == 0 { // 12 a second, from as many addresses
				if _, _, err := s.Login(anonymous(t, fmt.Sprint("honest", i)), fmt.Sprint("h", i)); err != nil {
					t.Fatalf("honest login %d: %v", honest, err)
				}
				honest++
			}
			time.Sleep(time.Second / 1200)
		}
		if n := w.calls.Load(); n > 5*200+400 {
			t.Errorf("%d calls in 5 s", n)
		}
	})
}

// Many addresses that log in once each have no more logins than one has.
func TestLogin_IsLimitedPerSecondForAllAddresses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wechat{}
		s := open(t, setup{wechat: w, opts: auth.Options{LimitLogins: true}})
		for i := range 2000 {
			if _, _, err := s.Login(anonymous(t, fmt.Sprint("address", i)), fmt.Sprint("c", i)); err != nil {
				wantRefused(t, err, auth.ErrTooMany)
			}
		}
		wantCalls(t, w, 400)
		time.Sleep(time.Second)
		for i := range 1000 {
			_, _, _ = s.Login(anonymous(t, fmt.Sprint("later", i)), fmt.Sprint("d", i))
		}
		wantCalls(t, w, 600)
	})
}

// While some addresses hold many logins open, the others have attempts left.
func TestLogin_LeavesAttemptsToOtherAddresses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := sent(time.Second)
		s := open(t, setup{wechat: w})
		for i := range 1000 {
			go func() { _, _, _ = s.Login(anonymous(t, "junk"), fmt.Sprint("j", i)) }()
		}
		synctest.Wait()
		for i := range 30 {
			go func() {
				if _, _, err := s.Login(anonymous(t, fmt.Sprint("honest", i)), fmt.Sprint("h", i)); err != nil {
					t.Errorf("honest login %d: %v", i, err)
				}
			}()
		}
		time.Sleep(2 * time.Second)
	})
}

// buffer is a bytes.Buffer that is safe for concurrent use.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
