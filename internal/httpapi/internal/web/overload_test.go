package web_test

import (
	"context"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/addcard/addcard/internal/httpapi/conns"
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
		InFlight: make(chan struct{}, 1024), Ready: func(context.Context) error { return nil },
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
	socket, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := l.Server()
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(conns.Limit(socket, conns.Options{})) })
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2000}, Timeout: time.Minute}
	get := func(ctx context.Context, path string) (*httptest.ResponseRecorder, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+socket.Addr().String()+path, nil)
		if err != nil {
			return nil, err
		}
		r.Close = path == "/?last"
		resp, err := client.Do(r)
		if err != nil {
			return nil, err
		}
		defer func() { _ = resp.Body.Close() }()
		w := httptest.NewRecorder()
		maps.Copy(w.Header(), resp.Header)
		w.WriteHeader(resp.StatusCode)
		_, err = w.Body.ReadFrom(resp.Body)
		return w, err
	}
	paths := []string{"/", "/?last"} // the connection ends with the second: it is refused by the handler
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	refusals := map[string]chan *httptest.ResponseRecorder{}
	for _, path := range paths {
		refusals[path] = make(chan *httptest.ResponseRecorder, 1)
	}
	var clients sync.WaitGroup
	for i := range 800 {
		path := paths[i%2]
		clients.Go(func() {
			for ctx.Err() == nil {
				if w, err := get(ctx, path); err == nil && w.Code == http.StatusServiceUnavailable {
					select {
					case refusals[path] <- w:
					default:
					}
				}
			}
		})
	}
	for i := range 20 {
		var w *httptest.ResponseRecorder
		select {
		case w = <-refusals[paths[i%2]]:
		case <-ctx.Done():
			t.Fatal("nothing is refused")
		}
		p := decode(t, w)
		if h := w.Header(); p.Code != "unavailable" || p.Status != 503 || h.Get("Retry-After") == "" || h.Get("Cache-Control") != "no-store" ||
			h.Get("Content-Type") != "application/problem+json" {
			t.Fatalf("got %v %+v", w.Header(), p)
		}
		if w, err := get(t.Context(), web.LivePath); err != nil || w.Code != http.StatusOK {
			t.Errorf("a probe: %v, %v", w, err)
		}
	}
	stop()
	clients.Wait()
	if w, err := get(t.Context(), "/"); err != nil || w.Code != http.StatusNoContent {
		t.Errorf("when all is over: %v, %v", w, err)
	}
	if err := server.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if counted[503] < 20 || counted[204] == 0 {
		t.Errorf("counted %v", counted)
	}
	if n := strings.Count(log.String(), "\n"); n == 0 || n > 61 {
		t.Errorf("%d lines of the log", n)
	}
}
