package conns

// Reads reports whether a call of Read or Write has not returned.
func (c *Conn) Reads() bool { return c.blocked.Load() > 0 }
