package auth

import "time"

// NewRecent returns a recent of the smallest types that its tests need.
func NewRecent(limit int, life time.Duration) *recent[int, string] {
	return newRecent[int, string](limit, life)
}

// Len returns the number of entries; an entry in both generations counts twice.
func (r *recent[K, V]) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.young) + len(r.old)
}

// Remembered returns the number of logouts in memory.
func (s *Service) Remembered() int {
	s.revoked.mu.RLock()
	defer s.revoked.mu.RUnlock()
	return len(s.revoked.revoked)
}
