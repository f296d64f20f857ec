package web_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

// When more requests come than can be served, those that are too many are refused
// in full form and cheaply, probes are not, and all is well when the others stop.
func TestListener_RefusesWhatTheProcessorCannotServe(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var log strings.Builder
	counted := map[int]int{}
	l := web.New(web.Public, web.Options{
		Log:      slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn})),
		InFlight: make(chan struct{}, 64*runtime.GOMAXPROCS(0)), Ready: func(context.Context) error { return nil },
		Observe: func(_, _ string, status int, _ time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			counted[status]++
		},
	})
	l.ServeJSON("title", "About.", 10)
	web.Route(l, huma.Operation{OperationID: "one", Method: http.MethodGet, Path: "/"},
		func(context.Context, *web.Nothing) (*web.Nothing, error) {
			for began := time.Now(); time.Since(began) < time.Millisecond; { //nolint:revive // work
			}
			return nil, nil //nolint:nilnil // no answer
		})
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		l.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	refusals := make(chan *httptest.ResponseRecorder, 1)
	var wg sync.WaitGroup
	for range 300 * runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for ctx.Err() == nil {
				if w := get("/"); w.Code == http.StatusServiceUnavailable {
					select {
					case refusals <- w:
					default:
					}
				}
			}
		})
	}
	for range 20 {
		var w *httptest.ResponseRecorder
		select {
		case w = <-refusals:
		case <-ctx.Done():
			t.Fatal("nothing is refused")
		}
		p := decode(t, w)
		if h := w.Header(); p.Code != "unavailable" || p.Status != 503 || h.Get("Retry-After") == "" || h.Get("Cache-Control") != "no-store" ||
			h.Get("Content-Type") != "application/problem+json" {
			t.Fatalf("got %v %+v", w.Header(), p)
		}
		if w := get(web.LivePath); w.Code != http.StatusOK {
			t.Errorf("a probe: got %d", w.Code)
		}
	}
	stop()
	wg.Wait()
	if w := get("/"); w.Code != http.StatusNoContent {
		t.Errorf("when all is over: got %d", w.Code)
	}
	if counted[503] < 20 || counted[204] == 0 {
		t.Errorf("counted %v", counted)
	}
	if n := strings.Count(log.String(), "\n"); n == 0 || n > 61 {
		t.Errorf("%d lines of the log", n)
	}
}
