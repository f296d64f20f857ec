package web

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// A place is given back when the request ends, and when it takes long: then it waits
// for something else.
func TestGate_FewRequestsBeginAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, most := newGate(), maxBegun*runtime.GOMAXPROCS(0)
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

// A thousand callers may wait, and not any number.
func TestGate_IsFullWhenTooManyWait(t *testing.T) {
	t.Parallel()
	g := newGate()
	most := int32(maxQueue * runtime.GOMAXPROCS(0)) //nolint:gosec // few processors
	g.waiting.Store(most - 1)
	if g.full() {
		t.Error("full before")
	}
	g.waiting.Store(most)
	if !g.full() {
		t.Error("never full")
	}
}
