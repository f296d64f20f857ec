// Package conns bounds the connections of a listener that wait for their
// clients: for a request, for the rest of one, or for an answer to be read.
//
// When there are too many, one of the peer with the most is closed: the one that
// has waited longest. So a slow client, or one that opens connections and sends
// nothing, loses its own connections and keeps no other client out. Connections
// that rest after a request and those that wait in one, or for their first one,
// have half of the places each, and may use those that the others leave. So
// clients with many addresses that never complete a request do not close the kept
// connections of others. A connection on whose request the server works is not
// counted; the pools of package web bound these.
package conns

import (
	"container/list"
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Options are the bounds of one listener.
type Options struct {
	// Most bounds the waiting connections of all peers, PerPeer those of one
	// address or IPv6 network; 0 is no bound.
	Most, PerPeer int
	// Moment is how long a request takes from its client to a busy server. A connection
	// that has waited for less is closed last; 0 is none.
	Moment time.Duration
	// Exempt reports whether PerPeer does not hold for an address, whose connections
	// are closed last; nil is never.
	Exempt func(netip.Addr) bool
	// Closed is called for each connection that is closed; nil is nothing.
	Closed func()
}

// Limit returns l with bounds. Accept never blocks on them.
func Limit(l net.Listener, o Options) net.Listener {
	return &listener{Listener: l, options: o, peers: map[netip.Prefix]*list.List{}, waiting: list.New(), resting: list.New()}
}

type listener struct {
	net.Listener
	options Options

	mu               sync.Mutex
	waiting, resting *list.List                  // the longest first
	peers            map[netip.Prefix]*list.List // both kinds for each peer that is not exempt
}

// writeBuffer is how much of an answer the system keeps for a client that does not
// read, in bytes. By default it is megabytes, and to copy them takes long.
const writeBuffer = 64 << 10

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	if tcp, ok := accepted.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(writeBuffer) // at worst it is larger
	}
	c := &Conn{Conn: accepted, listener: l}
	if addr, ok := accepted.RemoteAddr().(*net.TCPAddr); ok {
		if ip := Plain(addr.AddrPort().Addr()); l.options.PerPeer > 0 && (l.options.Exempt == nil || !l.options.Exempt(ip)) {
			c.peer = Network(ip)
		}
	}
	c.Wait()
	return c, nil
}

// Plain returns addr without a zone, and as IPv4 if it is that in IPv6 form.
func Plain(addr netip.Addr) netip.Addr { return addr.WithZone("").Unmap() }

// Network returns what counts as one client: an IPv4 address, or the /64 network
// that an IPv6 subscriber gets.
func Network(addr netip.Addr) netip.Prefix {
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	network, _ := addr.Prefix(bits)
	return network
}

// Conn is a connection of a listener that Limit returned. The methods Work, Wait and
// Rest do nothing on a nil Conn.
type Conn struct {
	net.Conn
	listener *listener
	peer     netip.Prefix // not valid: no bound
	blocked  atomic.Int32 // calls of Read and Write that have not returned

	// Guarded by listener.mu; nil while the server works on a request, and the last
	// two for a peer without a bound.
	kind, peers    *list.List // of the listener: one of the two kinds, and those of the peer
	inKind, inPeer *list.Element
	since          time.Time // when it joined its kind
	closed         bool
}

type key struct{}

// NewContext is a ConnContext for http.Server: it makes c available to Of.
func NewContext(ctx context.Context, c net.Conn) context.Context {
	if c, ok := c.(*Conn); ok {
		return context.WithValue(ctx, key{}, c)
	}
	return ctx
}

// Of returns the connection of a request, or nil if it has no bounds.
func Of(ctx context.Context) *Conn {
	c, _ := ctx.Value(key{}).(*Conn)
	return c
}

// Work says that the connection does not wait for its client: a request has come,
// and the server works on it. It is not closed until Wait.
func (c *Conn) Work() {
	if c == nil {
		return
	}
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.leave()
}

// Wait says that the connection waits for its client from now on.
func (c *Conn) Wait() {
	if c != nil {
		c.join(c.listener.waiting)
	}
}

// Rest says that a request was served, and that the connection waits for another
// from now on.
func (c *Conn) Rest() {
	if c != nil {
		c.join(c.listener.resting)
	}
}

// join adds c to those of a kind, and closes one if there are too many.
func (c *Conn) join(kind *list.List) {
	if excess := c.excess(kind); excess != nil {
		_ = excess.Close()
		if closed := c.listener.options.Closed; closed != nil {
			closed()
		}
	}
}

// excess adds c to those of a kind, and returns the one that is to be closed, or
// nil.
func (c *Conn) excess(kind *list.List) *Conn {
	l := c.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.closed || c.inKind != nil {
		return nil
	}
	c.kind, c.inKind, c.since = kind, kind.PushBack(c), time.Now()
	if c.peer.IsValid() {
		if c.peers = l.peers[c.peer]; c.peers == nil {
			c.peers = list.New()
			l.peers[c.peer] = c.peers
		}
		c.inPeer = c.peers.PushBack(c)
		if most := l.options.PerPeer; c.peers.Len() > most {
			if excess := excessOf(c.peers, c, c.peers.Len() > most+most/2); excess != nil {
				return excess
			}
		}
	}
	all, most := l.waiting.Len()+l.resting.Len(), l.options.Most
	if most == 0 || all <= most {
		return nil
	}
	from := l.resting
	if l.waiting.Len() > most/2 {
		from = l.waiting
	}
	return excessOf(from, c, all > most+most/2)
}

// excessOf returns the connection of a list that is to be closed, or nil. It is
// never the youngest, which has just joined.
//
// A connection that is not in Read or Write waits for a processor and not for
// its client: after many were accepted at once, most have not been read from
// yet. One that has waited only for a moment has perhaps been sent to, and waits for
// a processor too. Both are passed over unless there are half as many again as there
// may be.
func excessOf(from *list.List, youngest *Conn, far bool) (excess *Conn) {
	var first *Conn
	now := time.Now()
	for e := from.Front(); e != nil; e = e.Next() {
		c, _ := e.Value.(*Conn)
		switch {
		case c == youngest:
			continue
		case first == nil:
			first = c
		}
		if c.blocked.Load() > 0 && now.Sub(c.since) >= c.listener.options.Moment && (excess == nil || c.ofPeer() > excess.ofPeer()) {
			excess = c
		}
	}
	if excess == nil && far {
		return first
	}
	return excess
}

// ofPeer returns how many connections of the same peer wait, and 0 for a peer
// without a bound. The caller holds the lock.
func (c *Conn) ofPeer() int {
	if c.peers == nil {
		return 0
	}
	return c.peers.Len()
}

// leave removes c from those that wait. The caller holds the lock.
func (c *Conn) leave() {
	if c.inKind == nil {
		return
	}
	c.kind.Remove(c.inKind)
	if c.peers != nil {
		if c.peers.Remove(c.inPeer); c.peers.Len() == 0 {
			delete(c.listener.peers, c.peer)
		}
	}
	c.kind, c.peers, c.inKind, c.inPeer = nil, nil, nil, nil
}

// Read implements net.Conn.
func (c *Conn) Read(b []byte) (int, error) {
	c.blocked.Add(1)
	defer c.blocked.Add(-1)
	return c.Conn.Read(b)
}

// Write implements net.Conn.
func (c *Conn) Write(b []byte) (int, error) {
	c.blocked.Add(1)
	defer c.blocked.Add(-1)
	return c.Conn.Write(b)
}

// CloseWrite ends what is sent, so that http.Server can have its last answer read
// before it closes the connection.
func (c *Conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close implements net.Conn.
func (c *Conn) Close() error {
	c.listener.mu.Lock()
	c.leave()
	c.closed = true
	c.listener.mu.Unlock()
	return c.Conn.Close()
}
