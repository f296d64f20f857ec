package conns_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/httpapi/conns"
)

// server accepts connections with bounds, and reads from each.
type server struct {
	t        *testing.T
	listener net.Listener
	accepted chan *conns.Conn
	closed   chan struct{}
}

func serve(t *testing.T, o conns.Options) *server {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{t: t, accepted: make(chan *conns.Conn, 1), closed: make(chan struct{}, 100)}
	o.Closed = func() { s.closed <- struct{}{} }
	s.listener = conns.Limit(l, o)
	t.Cleanup(func() { _ = s.listener.Close() })
	go func() {
		for {
			c, err := s.listener.Accept()
			if err != nil {
				return
			}
			s.accepted <- c.(*conns.Conn)
		}
	}()
	return s
}

// dial returns both ends of a connection from an address. The server waits for
// the client to send.
func (s *server) dial(from string) (client net.Conn, accepted *conns.Conn) {
	s.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	client, err := d.DialContext(s.t.Context(), "tcp", s.listener.Addr().String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = client.Close() })
	_ = client.SetDeadline(time.Now().Add(20 * time.Second))
	accepted = <-s.accepted
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = accepted.Read(make([]byte, 1))
	}()
	s.t.Cleanup(func() { _ = accepted.Close(); <-read })
	for !accepted.Reads() {
		runtime.Gosched()
	}
	return client, accepted
}

// waitClosed waits until the server has closed one more connection.
func (s *server) waitClosed() {
	s.t.Helper()
	select {
	case <-s.closed:
	case <-time.After(20 * time.Second):
		s.t.Fatal("no connection is closed")
	}
}

// wantClosed fails unless the server has closed the connection.
func wantClosed(t *testing.T, name string, client net.Conn) {
	t.Helper()
	var timeout net.Error
	if _, err := client.Read(make([]byte, 1)); err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		t.Errorf("%s is open (%v)", name, err)
	}
}

// wantOpen fails unless the server can send something.
func wantOpen(t *testing.T, name string, client net.Conn, accepted *conns.Conn) {
	t.Helper()
	if _, err := accepted.Write([]byte("x")); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// The oldest that waits is closed, whether many come from one address or from
// many.
func TestLimit_ClosesWhatHasWaitedLongest(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]conns.Options{
		"one address":    {PerPeer: 2},
		"many addresses": {Most: 2},
		"both bounds":    {Most: 3, PerPeer: 2},
	} {
		from := []string{"127.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1"}
		if o.PerPeer == 0 {
			from = []string{"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"}
		}
		s := serve(t, o)
		var clients []net.Conn
		var accepted []*conns.Conn
		for _, address := range from {
			client, c := s.dial(address)
			clients, accepted = append(clients, client), append(accepted, c)
		}
		s.waitClosed()
		s.waitClosed()
		wantClosed(t, name+": the first", clients[0])
		wantClosed(t, name+": the second", clients[1])
		wantOpen(t, name+": the third", clients[2], accepted[2])
		wantOpen(t, name+": the fourth", clients[3], accepted[3])
	}
}

// A bound for each peer leaves other peers alone, and trusted proxies too.
func TestLimit_CountsEachPeerAlone(t *testing.T) {
	t.Parallel()
	proxy := netip.MustParseAddr("127.0.0.9")
	s := serve(t, conns.Options{PerPeer: 1, Exempt: func(a netip.Addr) bool { return a == proxy }})
	other, otherAccepted := s.dial("127.0.0.2")
	first, _ := s.dial("127.0.0.1")
	second, secondAccepted := s.dial("127.0.0.1")
	s.waitClosed()
	wantClosed(t, "the first of one address", first)
	wantOpen(t, "the second", second, secondAccepted)
	wantOpen(t, "the other address", other, otherAccepted)
	var ends [3]net.Conn
	var accepted [3]*conns.Conn
	for i := range ends {
		ends[i], accepted[i] = s.dial("127.0.0.9")
	}
	for i := range ends {
		wantOpen(t, "the proxy's", ends[i], accepted[i])
	}
}

// Attackers with many addresses do not close the kept connections of others, nor
// one with many connections those of one with few.
func TestLimit_ClosesNoConnectionOfAPeerWithFew(t *testing.T) {
	t.Parallel()
	s := serve(t, conns.Options{Most: 6, PerPeer: 6})
	rests, restsAccepted := s.dial("127.0.0.1")
	restsAccepted.Work()
	restsAccepted.Rest()
	silent, silentAccepted := s.dial("127.0.0.2")
	var first net.Conn
	for i := range 12 {
		client, _ := s.dial("127.0.0.3")
		if i == 0 {
			first = client
		}
	}
	s.waitClosed()
	wantClosed(t, "the first of the peer with many", first)
	wantOpen(t, "the silent one of another peer", silent, silentAccepted)
	for i := range 12 {
		s.dial(fmt.Sprint("127.0.1.", i+1))
	}
	wantOpen(t, "the one that rests", rests, restsAccepted)
}

// Those that rest do not keep new ones out either, and a proxy's are closed last.
func TestLimit_ClosesThoseThatRestForNewOnes(t *testing.T) {
	t.Parallel()
	proxy := netip.MustParseAddr("127.0.0.9")
	s := serve(t, conns.Options{Most: 4, PerPeer: 4, Exempt: func(a netip.Addr) bool { return a == proxy }})
	var clients []net.Conn
	var accepted []*conns.Conn
	for _, from := range []string{"127.0.0.9", "127.0.0.9", "127.0.0.1", "127.0.0.2"} {
		client, c := s.dial(from)
		c.Work()
		c.Rest()
		clients, accepted = append(clients, client), append(accepted, c)
	}
	client, c := s.dial("127.0.0.3")
	s.waitClosed()
	wantClosed(t, "the oldest that rests", clients[2])
	for _, i := range []int{0, 1, 3} {
		wantOpen(t, fmt.Sprint("number ", i), clients[i], accepted[i])
	}
	wantOpen(t, "the new one", client, c)
}

// What the server works on is neither counted nor closed.
func TestConn_IsNotClosedWhileTheServerWorks(t *testing.T) {
	t.Parallel()
	s := serve(t, conns.Options{Most: 1, PerPeer: 1})
	busy, busyAccepted := s.dial("127.0.0.1")
	busyAccepted.Work()
	waiting, waitingAccepted := s.dial("127.0.0.1")
	wantOpen(t, "the busy one", busy, busyAccepted)
	wantOpen(t, "the waiting one", waiting, waitingAccepted)
	busyAccepted.Wait() // younger than the other now
	s.waitClosed()
	wantClosed(t, "the waiting one", waiting)
	wantOpen(t, "the one that was busy", busy, busyAccepted)
}

// A connection that has ended takes no place.
func TestConn_ThatEndsMakesRoom(t *testing.T) {
	t.Parallel()
	s := serve(t, conns.Options{Most: 2, PerPeer: 2})
	kept, keptAccepted := s.dial("127.0.0.1")
	for range 10 {
		_, c := s.dial("127.0.0.1")
		_ = c.Close()
	}
	for range 10 {
		_, c := s.dial("127.0.0.1")
		_ = c.Close()
		c.Wait() // as http.Server does for the request that it closed on
		c.Work()
		_ = c.Close()
	}
	wantOpen(t, "the one that stays", kept, keptAccepted)
	if n := len(s.closed); n != 0 {
		t.Errorf("%d were closed for the bound", n)
	}
}

// A connection that says twice that it waits is one.
func TestConn_ThatWaitsTwiceCountsOnce(t *testing.T) {
	t.Parallel()
	s := serve(t, conns.Options{Most: 2, PerPeer: 2})
	first, firstAccepted := s.dial("127.0.0.1")
	second, secondAccepted := s.dial("127.0.0.1")
	for range 3 {
		firstAccepted.Wait()
		secondAccepted.Rest()
	}
	wantOpen(t, "the first", first, firstAccepted)
	wantOpen(t, "the second", second, secondAccepted)
	for _, c := range []*conns.Conn{firstAccepted, secondAccepted} {
		_ = c.Close()
	}
	if n := conns.Peers(s.listener); n != 0 {
		t.Errorf("%d peers are remembered", n)
	}
}

// Many that come at once are not closed before the server has had time to read
// from them; but there is an end to that.
func TestLimit_WaitsForTheServerToReadFirst(t *testing.T) {
	t.Parallel()
	s := serve(t, conns.Options{Most: 2})
	var accepted []*conns.Conn
	for range 3 {
		client, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", s.listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		accepted = append(accepted, <-s.accepted)
	}
	for i, c := range accepted {
		if _, err := c.Write([]byte("x")); err != nil {
			t.Errorf("connection %d: %v", i, err)
		}
	}
	s.dial("127.0.0.1")
	s.waitClosed()
	if _, err := accepted[0].Write([]byte("x")); err == nil {
		t.Error("four connections are open, the bound and half of it is three")
	}
}

// One that has come a moment ago is not closed for those that come after it, but there
// is an end to that.
func TestLimit_PassesOverWhatHasJustCome(t *testing.T) {
	t.Parallel()
	s := serve(t, conns.Options{Most: 2, Moment: time.Hour})
	first, firstAccepted := s.dial("127.0.0.1")
	s.dial("127.0.0.2")
	s.dial("127.0.0.3")
	wantOpen(t, "the first of three", first, firstAccepted)
	s.dial("127.0.0.4")
	s.waitClosed()
	wantClosed(t, "the first of four", first)

	s = serve(t, conns.Options{Most: 2, Moment: time.Nanosecond})
	first, _ = s.dial("127.0.0.1")
	s.dial("127.0.0.2")
	s.dial("127.0.0.3")
	s.waitClosed()
	wantClosed(t, "the first of three, after its moment", first)
}

// An answer that a client does not read is not copied away, which would take memory
// and time.
func TestAccept_KeepsLittleForAClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	s := serve(t, conns.Options{})
	client, accepted := s.dial("127.0.0.1")
	if err := client.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if err := accepted.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	n, err := accepted.Write(make([]byte, 4<<20))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a client that does not read: %v", err)
	}
	if n > 512<<10 {
		t.Errorf("%d KiB were taken for a client that does not read", n>>10)
	}
}

func TestNetwork_IsAnAddressOrASubscribersNetwork(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.1": "192.0.2.1/32",
		"2001:db8:0:1::5": "2001:db8:0:1::/64", "2001:db8:0:1:ffff::%eth0": "2001:db8:0:1::/64",
	} {
		if got := conns.Network(conns.Plain(netip.MustParseAddr(given))).String(); got != want {
			t.Errorf("%s: got %s, want %s", given, got, want)
		}
	}
}

func TestConn_OfNoRequestDoesNothing(t *testing.T) {
	t.Parallel()
	c := conns.Of(t.Context())
	c.Work()
	c.Wait()
	if c != nil {
		t.Errorf("got %v", c)
	}
}

// Addresses that have left take no memory.
func TestLimit_ForgetsPeersThatHaveLeft(t *testing.T) {
	t.Parallel()
	s := serve(t, conns.Options{PerPeer: 2})
	for i := range 10 {
		_, c := s.dial(fmt.Sprint("127.0.2.", i+1))
		_ = c.Close()
	}
	if n := conns.Peers(s.listener); n != 0 {
		t.Errorf("%d peers are remembered", n)
	}
}
