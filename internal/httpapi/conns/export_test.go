package conns

// Reads reports whether a call of Read or Write has not returned.
func (c *Conn) Reads() bool { return c.blocked.Load() > 0 }

// Begin waits until a request of a connection may begin, and returns how it ends.
func (g *Gate) Begin() (end func()) {
	c := &Conn{gate: g}
	c.begin()
	return c.end
}

// Between reports whether nothing of the next request has been read.
func (c *Conn) Between() bool { return c.between.Load() }

// Full reports whether a request would be one too many.
func (g *Gate) Full() bool { return g.full() }

// Begun returns how many places are taken.
func (g *Gate) Begun() int { return len(g.begun) }

// Fill has more requests wait than may.
func (g *Gate) Fill() (empty func()) {
	const many = 1 << 20
	g.waiting.Add(many)
	return func() { g.waiting.Add(-many) }
}

// PlainRequest is plainRequest.
var PlainRequest = plainRequest

// The bounds of a Gate for each processor, and its times.
const (
	MaxBegun, MaxQueue   = maxBegun, maxQueue
	BeginTime, BurstTime = beginTime, burstTime
)
