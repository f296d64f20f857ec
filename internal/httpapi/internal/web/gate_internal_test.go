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

// Many may come at once, but not any number.
func TestGate_ABurstIsNoOverload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, processors := newGate(), runtime.GOMAXPROCS(0)
		var ends []func()
		for range maxBegun * processors {
			ends = append(ends, g.begin())
		}
		// The time stands still: nothing that has begun takes long.
		more := func(n int) {
			for range n {
				go func() { g.begin()() }()
			}
			synctest.Wait()
		}
		if more(maxQueue*processors - 1); g.full() {
			t.Error("full with the usual number")
		}
		if more(1 + maxBurst - 1); g.full() {
			t.Error("full in a burst")
		}
		if more(1); !g.full() {
			t.Error("not full with more than a burst")
		}
		for _, end := range ends {
			end()
		}
		synctest.Wait()
		if g.full() || len(g.begun) > 0 || g.waiting.Load() > 0 {
			t.Errorf("when all have ended: full %v, %d have begun, %d wait", g.full(), len(g.begun), g.waiting.Load())
		}
	})
}

// For as long as more than the usual number wait, it is an overload, however short of
// a burst.
func TestGate_ALastingQueueIsAnOverload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		g.begin()()
		g.waiting.Store(int32(maxQueue * runtime.GOMAXPROCS(0)))
		if g.full() {
			t.Error("full at once")
		}
		time.Sleep(burstTime + time.Millisecond)
		if !g.full() {
			t.Error("not full after a while")
		}
	})
}
