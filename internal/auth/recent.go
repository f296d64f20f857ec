package auth

import (
	"sync"
	"time"
)

// recent is a map that forgets what was not used lately, in two generations:
// when the young one is full or older than life, it becomes the old one and
// what was old is forgotten. So an entry stays for at least life, unless limit
// others come meanwhile, and there are never more than twice limit. It is safe
// for concurrent use.
type recent[K comparable, V any] struct {
	limit int
	life  time.Duration

	mu         sync.RWMutex
	young, old map[K]V
	born       time.Time // of young
}

func newRecent[K comparable, V any](limit int, life time.Duration) *recent[K, V] {
	return &recent[K, V]{limit: limit, life: life, young: map[K]V{}, born: time.Now()}
}

// Get returns the value of k; an old entry becomes young by it.
func (r *recent[K, V]) Get(k K) (V, bool) {
	r.mu.RLock()
	v, young := r.young[k]
	old := false
	if !young {
		v, old = r.old[k]
	}
	r.mu.RUnlock()
	if old {
		r.Put(k, v)
	}
	return v, young || old
}

// Put sets the value of k.
func (r *recent[K, V]) Put(k K, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(k, v)
}

// LoadOrStore returns the value that k has, else gives it v; loaded tells which.
func (r *recent[K, V]) LoadOrStore(k K, v V) (actual V, loaded bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range []map[K]V{r.young, r.old} {
		if actual, loaded = m[k]; loaded {
			return actual, true
		}
	}
	r.put(k, v)
	return v, false
}

func (r *recent[K, V]) put(k K, v V) {
	if len(r.young) >= r.limit || time.Since(r.born) > r.life {
		r.young, r.old, r.born = map[K]V{}, r.young, time.Now()
	}
	r.young[k] = v
}
