// Package conns bounds the connections of a listener that wait for their
// clients: for a request, for the rest of one, or for an answer to be read.
//
// When there are too many, the one that has waited longest is closed. So a slow
// client, or one that opens connections and sends nothing, loses its own
// connections and keeps no other client out. A connection on whose request the
// server works is not counted; the pools of package web bound these.
package conns

import (
	"container/list"
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// Options are the bounds of one listener.
type Options struct {
	// Most bounds the waiting connections of all peers, PerPeer those of one
	// address or IPv6 network; 0 is no bound.
	Most, PerPeer int
	// Exempt reports whether PerPeer does not hold for an address; nil is never.
	Exempt func(netip.Addr) bool
	// Closed is called for each connection that is closed; nil is nothing.
	Closed func()
}

// Limit returns l with bounds. Accept never blocks on them.
func Limit(l net.Listener, o Options) net.Listener {
	return &listener{Listener: l, options: o, waiting: list.New(), peers: map[netip.Prefix]*list.List{}}
}

type listener struct {
	net.Listener
	options Options

	mu      sync.Mutex
	waiting *list.List                  // the longest first
	peers   map[netip.Prefix]*list.List // the same for each peer that is not exempt
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	accepted, err := l.Listener.Accept()
	if err != nil {
		return nil, err
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

// Conn is a connection of a listener that Limit returned. The methods Work and
// Wait do nothing on a nil Conn.
type Conn struct {
	net.Conn
	listener *listener
	peer     netip.Prefix // not valid: no bound
	blocked  atomic.Int32 // calls of Read and Write that have not returned

	// Guarded by listener.mu; nil while the server works on a request.
	inAll, inPeer *list.Element
	closed        bool
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
	if c == nil {
		return
	}
	if excess := c.join(); excess != nil {
		_ = excess.Close()
		if closed := c.listener.options.Closed; closed != nil {
			closed()
		}
	}
}

// join adds c to those that wait, and returns the one that is to be closed, or
// nil.
func (c *Conn) join() *Conn {
	l := c.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.closed || c.inAll != nil {
		return nil
	}
	c.inAll = l.waiting.PushBack(c)
	if c.peer.IsValid() {
		peer := l.peers[c.peer]
		if peer == nil {
			peer = list.New()
			l.peers[c.peer] = peer
		}
		c.inPeer = peer.PushBack(c)
		if excess := excessOf(peer, l.options.PerPeer); excess != nil {
			return excess
		}
	}
	return excessOf(l.waiting, l.options.Most)
}

// excessOf returns which of the connections has to be closed so that there are
// not more than most, or nil. The youngest, which has just joined, is never that one.
//
// A connection that is not in Read or Write waits for a processor and not for
// its client: after many were accepted at once, most have not been read from
// yet. Such a one is passed over, up to twice the bound.
func excessOf(waiting *list.List, most int) *Conn {
	if most == 0 || waiting.Len() <= most {
		return nil
	}
	const look = 64 // they are rare, and the search is under the lock
	for e, n := waiting.Front(), 0; e != waiting.Back() && n < look; e, n = e.Next(), n+1 {
		if c, _ := e.Value.(*Conn); c.blocked.Load() > 0 {
			return c
		}
	}
	if waiting.Len() <= 2*most {
		return nil
	}
	c, _ := waiting.Front().Value.(*Conn)
	return c
}

// leave removes c from those that wait. The caller holds the lock.
func (c *Conn) leave() {
	if c.inAll == nil {
		return
	}
	l := c.listener
	l.waiting.Remove(c.inAll)
	if peer := l.peers[c.peer]; peer != nil && c.inPeer != nil {
		if peer.Remove(c.inPeer); peer.Len() == 0 {
			delete(l.peers, c.peer)
		}
	}
	c.inAll, c.inPeer = nil, nil
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
