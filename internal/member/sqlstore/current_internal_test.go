package sqlstore

import (
	"strconv"
	"testing"

	"github.com/addcard/addcard/internal/member"
)

// A reader that was overtaken by a commit does not put back what it has read.
func TestCodeCache_KeepsNothingFromBeforeACommit(t *testing.T) {
	t.Parallel()
	cache, k := codeCache{codes: map[codeKey]member.CurrentCode{}}, codeKey{"m1", "c1"}
	cache.put(2, k, member.CurrentCode{Code: "new"})
	cache.put(1, k, member.CurrentCode{Code: "old"})
	if c, ok := cache.get(2, k); c.Code != "new" || !ok {
		t.Errorf("got %+v, %t", c, ok)
	}
	cache.put(3, codeKey{"m1", "c2"}, member.CurrentCode{Code: "other"})
	if c, ok := cache.get(3, k); ok {
		t.Errorf("after another commit: %+v", c)
	}
}

// The cache has a bound, however many members ask before the next commit.
func TestCodeCache_IsBounded(t *testing.T) {
	t.Parallel()
	cache := codeCache{codes: map[codeKey]member.CurrentCode{}}
	for i := range 3 * maxCached {
		cache.put(1, codeKey{strconv.Itoa(i), "c1"}, member.CurrentCode{})
	}
	if n := len(cache.codes); n > maxCached {
		t.Errorf("%d codes are cached, want at most %d", n, maxCached)
	}
}
