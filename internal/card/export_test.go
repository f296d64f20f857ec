package card

// Failures returns the number of failed reads that are remembered.
func (c *Catalogue) Failures() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.failedReads)
}
