package web_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// A database that hangs is asked once for all probes that wait, and each is answered
// after two seconds. A probe that leaves takes the question of the others not along.
func TestReady_IsAskedOnceForAllAndNotForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		var well atomic.Bool
		l := web.New(web.Public, web.Options{
			Log: slog.New(slog.DiscardHandler), InFlight: make(chan struct{}, 1), Observe: func(_, _ string, _ int, _ time.Duration) {},
			Ready: func(ctx context.Context) error {
				if asked.Add(1); well.Load() {
					return nil
				}
				<-ctx.Done()
				return ctx.Err()
			},
		})
		l.ServeJSON("title", "About.", 10)
		get := func(ctx context.Context) int {
			w := httptest.NewRecorder()
			l.ServeHTTP(w, httptest.NewRequest(http.MethodGet, web.ReadyPath, nil).WithContext(ctx))
			return w.Code
		}
		first, leave := context.WithCancel(t.Context())
		go get(first)
		synctest.Wait()
		began := time.Now()
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if got, took := get(t.Context()), time.Since(began); got != http.StatusServiceUnavailable || took != 2*time.Second {
					t.Errorf("got %d after %v, want 503 after 2 s", got, took)
				}
			})
		}
		synctest.Wait()
		leave()
		wg.Wait()
		if n := asked.Load(); n != 1 {
			t.Errorf("the database was asked %d times", n)
		}
		well.Store(true)
		if got := get(t.Context()); got != http.StatusOK {
			t.Errorf("when the database is back: got %d", got)
		}
	})
}
