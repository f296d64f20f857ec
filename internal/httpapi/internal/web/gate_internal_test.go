package web

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// A place is given back when the request ends, and when it takes long: then it waits
// for something else.
func TestGate_FewRequestsBeginAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, most := newGate(1), maxBegun*runtime.GOMAXPROCS(0)
		var ends []func()
		for range most {
			ends = append(ends, g.begin())
		}
		begun := make(chan func(), 2*most)
		for range most + 1 {
			go func() { begun <- g.begin() }()
		}
		synctest.Wait()
		if n := len(begun); n != 0 {
			t.Errorf("%d more begin", n)
		}
		ends[0]()
		ends[0]()
		synctest.Wait()
		if n := len(begun); n != 1 {
			t.Errorf("one has ended: %d more begin, want 1", n)
		}
		time.Sleep(beginTime)
		synctest.Wait()
		if n := len(begun); n != most+1 {
			t.Errorf("after a while %d more have begun, want %d", n, most+1)
		}
		ends[1]() // its place was given back
		time.Sleep(beginTime)
		synctest.Wait()
		if n := len(g.begun); n != 0 {
			t.Errorf("when all take long, %d places are taken", n)
		}
	})
}

func TestGate_IsFullWhenTooManyWait(t *testing.T) {
	t.Parallel()
	const queue = 10
	g, most := newGate(queue), queue*runtime.GOMAXPROCS(0)
	g.waiting.Store(int32(most - 1)) //nolint:gosec // few
	if g.full() {
		t.Error("full before")
	}
	g.waiting.Add(1)
	if !g.full() {
		t.Error("never full")
	}
}

// A request takes its turn when its body is there: slow clients hold nothing up.
func TestListener_ReadsABodyBeforeTheTurn(t *testing.T) {
	t.Parallel()
	l := New(Public, Options{
		Log: slog.New(slog.DiscardHandler), InFlight: make(chan struct{}, 1), Observe: func(_, _ string, _ int, _ time.Duration) {},
	})
	l.ServeJSON("title", "About.", 10)
	Route(l, huma.Operation{OperationID: "one", Method: http.MethodPost, Path: "/"},
		func(context.Context, *struct{ Body struct{} }) (*Nothing, error) { return nil, nil }) //nolint:nilnil // no answer
	for range cap(l.gate.begun) {
		l.gate.begun <- struct{}{}
	}
	body, client := io.Pipe()
	answered := make(chan int)
	go func() {
		r := httptest.NewRequest(http.MethodPost, "/", body)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		l.ServeHTTP(w, r)
		answered <- w.Code
	}()
	read := make(chan error)
	go func() {
		_, err := client.Write([]byte("{}"))
		read <- err
		_ = client.Close()
	}()
	deadline := time.After(time.Minute)
	select {
	case err := <-read:
		if err != nil {
			t.Fatal(err)
		}
	case <-deadline:
		t.Fatal("the body is not read")
	}
	<-l.gate.begun
	select {
	case code := <-answered:
		if code != http.StatusNoContent {
			t.Errorf("got %d", code)
		}
	case <-deadline:
		t.Fatal("no answer")
	}
}
