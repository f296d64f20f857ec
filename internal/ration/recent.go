package ration

import (
	"sync"
	"time"
)

// Recent is a map that drops entries that were not used lately. It has two
// generations: when the young one is full or older than lifetime, it replaces
// the old one, and the entries of the old one are dropped. An entry stays for
// at least lifetime, unless limit other entries are added meanwhile, and there
// are never more than 2 × limit entries.
type Recent[K comparable, V any] struct {
	limit    int
	lifetime time.Duration

	mu         sync.RWMutex
	young, old map[K]V
	youngSince time.Time
}

// NewRecent returns an empty map. Both arguments are as the comment of Recent says.
func NewRecent[K comparable, V any](limit int, lifetime time.Duration) *Recent[K, V] {
	return &Recent[K, V]{limit: limit, lifetime: lifetime, young: map[K]V{}, youngSince: time.Now()}
}

// Get returns the value of k. It moves an old entry to the young generation.
func (r *Recent[K, V]) Get(k K) (V, bool) {
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
func (r *Recent[K, V]) Put(k K, v V) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(k, v)
}

// LoadOrStore returns the value of k if there is one. Otherwise it stores v and
// returns it. loaded reports whether there was a value.
func (r *Recent[K, V]) LoadOrStore(k K, v V) (actual V, loaded bool) {
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

// Delete removes the entry of k.
func (r *Recent[K, V]) Delete(k K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.young, k)
	delete(r.old, k)
}

func (r *Recent[K, V]) put(k K, v V) {
	if len(r.young) >= r.limit || time.Since(r.youngSince) > r.lifetime {
		r.young, r.old, r.youngSince = map[K]V{}, r.young, time.Now()
	}
	r.young[k] = v
}
