package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"addcard/internal/app"
)

type readyCmd struct {
	Addr    string        `help:"HOST:PORT of the public listener; by default LISTEN_ADDR on this machine." placeholder:"HOST:PORT"`
	Wait    bool          `help:"Ask again until it is ready or --timeout has passed."`
	Timeout time.Duration `help:"How long to wait for the answer, or with --wait for readiness." default:"30s"`
}

// Help implements kong.HelpProvider.
func (readyCmd) Help() string {
	return `Exits with 0 when the server is ready, else with 1. Examples:
  server ready
  server ready --wait --timeout 30s --addr 127.0.0.1:8080`
}

// Run asks /readyz.
func (c readyCmd) Run(ctx context.Context, g *globals) error {
	addr := c.Addr
	if addr == "" {
		environ, err := g.environ()
		if err != nil {
			return err
		}
		addr = app.ListenAddr(environ)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return &misused{fmt.Errorf("%q is not HOST:PORT", addr)}
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	for {
		err := askReady(ctx, "http://"+net.JoinHostPort(host, port)+"/readyz")
		if err == nil || !c.Wait {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

func askReady(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return &misused{err}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s answers %d", url, resp.StatusCode)
	}
	return nil
}
