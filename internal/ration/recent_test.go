package ration_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/ration"
)

func TestRecent_StaysBounded(t *testing.T) {
	t.Parallel()
	r := ration.NewRecent[int, string](10, time.Hour)
	for i := range 1000 {
		r.Put(i, "v")
		if n := r.Len(); n > 20 {
			t.Fatalf("after %d: %d entries", i, n)
		}
		for back := range min(i+1, 10) { // without making them young
			if v, loaded := r.LoadOrStore(i-back, "w"); v != "v" || !loaded {
				t.Fatalf("after %d: entry %d is forgotten", i, i-back)
			}
		}
	}
}

func TestRecent_KeepsWhatIsUsed(t *testing.T) {
	t.Parallel()
	r := ration.NewRecent[int, string](10, time.Hour)
	r.Put(-1, "used")
	r.Put(-2, "unused")
	for i := range 100 {
		r.Put(i, "")
		if _, ok := r.Get(-1); !ok {
			t.Fatalf("forgotten after %d others", i)
		}
	}
	if _, ok := r.Get(-2); ok {
		t.Error("the unused one is kept")
	}
}

func TestRecent_ForgetsWithTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := ration.NewRecent[int, string](10, time.Minute)
		time.Sleep(59 * time.Second)
		r.Put(1, "")
		time.Sleep(2 * time.Second)
		r.Put(2, "")
		time.Sleep(57 * time.Second)
		if _, loaded := r.LoadOrStore(1, ""); !loaded {
			t.Error("forgotten within its minute")
		}
		time.Sleep(4 * time.Second)
		r.Put(3, "")
		if _, ok := r.Get(1); ok {
			t.Error("kept past two generations")
		}
	})
}

func TestRecent_Delete_RemovesWhatIsOldToo(t *testing.T) {
	t.Parallel()
	r := ration.NewRecent[int, string](2, time.Hour)
	for i := range 3 { // the first two are old then
		r.Put(i, "v")
	}
	for _, k := range []int{0, 2} {
		r.Delete(k)
		if v, ok := r.Get(k); ok {
			t.Errorf("%d is still %q", k, v)
		}
	}
	if _, ok := r.Get(1); !ok {
		t.Error("another is gone, too")
	}
}

func TestRecent_LoadOrStore_LetsOneStore(t *testing.T) {
	t.Parallel()
	r := ration.NewRecent[int, string](10, time.Hour)
	var wg sync.WaitGroup
	stored := make(chan string, 64)
	for i := range 64 {
		wg.Go(func() {
			mine := string(rune('A' + i))
			if _, loaded := r.LoadOrStore(1, mine); !loaded {
				stored <- mine
			}
		})
	}
	wg.Wait()
	close(stored)
	if v, _ := r.Get(1); len(stored) != 1 || v != <-stored {
		t.Errorf("%d stored, the value is %q", len(stored), v)
	}
}
