package redisstore_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	redistest "github.com/addcard/addcard/internal/testing/redis"
)

// proxy is a toxiproxy in front of a server.
type proxy struct {
	*toxiproxy.Proxy
	t *testing.T
}

func through(t *testing.T, s *redistest.Server) *proxy {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	p := &proxy{toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", s.Addr), t}
	p.up()
	t.Cleanup(p.Stop)
	return p
}

// up accepts connections again at the same address after a Stop.
func (p *proxy) up() {
	p.t.Helper()
	if err := p.Start(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *proxy) URL() string { return "redis://" + p.Listen }

// poison adds a toxic; cure removes all of them.
func (p *proxy) poison(toxic string) {
	p.t.Helper()
	if _, err := p.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *proxy) cure() { p.Toxics.ResetToxics(context.Background()) }

// deaf makes clients with connections that can be closed instead of delivering
// the next reply. Unlike a proxy it also works for nodes that the client
// discovers.
type deaf struct{ armed atomic.Bool }

func (d *deaf) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	return &deafConn{conn, d}, err
}

func (d *deaf) cluster(t *testing.T, addrs ...string) redis.UniversalClient {
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs, Dialer: d.dial})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

type deafConn struct {
	net.Conn
	d *deaf
}

func (c *deafConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if err == nil && c.d.armed.CompareAndSwap(true, false) {
		_ = c.Close()
		return 0, net.ErrClosed
	}
	return n, err
}
