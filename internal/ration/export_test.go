package ration

// Len returns the number of entries; an entry in both generations counts twice.
func (r *Recent[K, V]) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.young) + len(r.old)
}
