package conns

import "net"

// Reads reports whether a call of Read or Write has not returned.
func (c *Conn) Reads() bool { return c.blocked.Load() > 0 }

// Peers returns of how many peers a listener with bounds knows.
func Peers(l net.Listener) int {
	bounded, _ := l.(*listener)
	bounded.mu.Lock()
	defer bounded.mu.Unlock()
	return len(bounded.peers)
}
