package auth

// Remembered returns the number of logouts in memory.
func (s *Service) Remembered() int {
	s.revoked.mu.RLock()
	defer s.revoked.mu.RUnlock()
	return len(s.revoked.revoked)
}
