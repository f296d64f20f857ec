package wechat_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechat"
)

func wantSent(t *testing.T, err error, sent bool) {
	t.Helper()
	var failed *wechat.Error
	if !errors.As(err, &failed) || failed.NotSent() == sent {
		t.Errorf("got %v, sent: %v", err, !sent)
	}
}

// login sends a code on behalf of a caller that may leave.
func login(ctx context.Context, app *wechat.App) (string, string, error) {
	ctx, end := wechat.UntilSent(ctx)
	defer end()
	return app.Code2Session(ctx, loginCode)
}

// A login code that was sent is used up, so its answer is waited for.
func TestUntilSent_TheCallGoesOnWhenItsCallerLeavesLater(t *testing.T) {
	t.Parallel()
	ctx, leave := context.WithCancel(t.Context())
	u := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		leave()
		select { // time to notice
		case <-r.Context().Done():
		case <-time.After(200 * time.Millisecond):
		}
		whole(200, `{"openid":"o1"}`)(w, r)
	})
	if openID, _, err := login(ctx, u.app()); openID != "o1" || err != nil {
		t.Errorf("got %q, %v", openID, err)
	}
}

func TestUntilSent_TheCallEndsAtTheDeadline(t *testing.T) {
	t.Parallel()
	// On a busy machine a short deadline passes before the request is sent.
	for deadline := 300 * time.Millisecond; deadline < time.Minute; deadline *= 2 {
		u := newUpstream(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		_, _, err := login(ctx, u.app())
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if len(u.seen()) > 0 {
			wantSent(t, err, true)
			return
		}
	}
	t.Error("no request was sent")
}

func TestUntilSent_NothingIsSentForACallerThatHasLeft(t *testing.T) {
	t.Parallel()
	u := says(t, `{"openid":"o1"}`)
	ctx, leave := context.WithCancel(t.Context())
	leave()
	_, _, err := login(ctx, u.app())
	wantSent(t, err, false)
	if !errors.Is(err, context.Canceled) || len(u.seen()) != 0 {
		t.Errorf("got %v, %d requests", err, len(u.seen()))
	}
	u.Close()
	_, _, err = u.app().Code2Session(t.Context(), loginCode)
	wantSent(t, err, false)
	_, _, err = says(t, `{"errcode":40029}`).app().Code2Session(t.Context(), loginCode)
	wantSent(t, err, true)
	_, _, err = says(t, "").app().Code2Session(t.Context(), loginCode)
	wantSent(t, err, true)
}

// Symptom: net/http went on with every handshake whose request had ended, for ever.
func TestApp_ConnectionsThatAreNotMadeAreBoundedAndEnd(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var open, most atomic.Int64
	go func() { // takes connections and never says anything
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			most.Store(max(most.Load(), open.Add(1)))
			go func() {
				defer open.Add(-1)
				defer func() { _ = conn.Close() }()
				for buf := make([]byte, 1024); ; {
					if _, err := conn.Read(buf); err != nil {
						return
					}
				}
			}()
		}
	}()
	app := wechat.NewApp(appID, appSecret, wechat.Options{BaseURL: "https://" + l.Addr().String()})
	var wg sync.WaitGroup
	for range 500 {
		wg.Go(func() {
			ctx, leave := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer leave()
			_, _, err := login(ctx, app)
			wantSent(t, err, false)
		})
	}
	wg.Wait()
	for deadline := time.Now().Add(time.Minute); open.Load() > 0; {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are left", open.Load())
		}
		<-time.After(10 * time.Millisecond)
	}
	if n := most.Load(); n == 0 || n > 160 {
		t.Errorf("%d connections at once", n)
	}
}
