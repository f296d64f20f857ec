package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/config"
)

type readyCmd struct {
	Addr    string        `help:"The server's public listener; LISTEN_ADDR on this machine by default." placeholder:"HOST:PORT"`
	Wait    bool          `help:"Repeat the request until it succeeds or --timeout has passed."`
	Timeout time.Duration `help:"The time to wait for the answer, or with --wait for readiness." default:"30s"`
}

// Validate implements kong's hook.
func (c readyCmd) Validate() error {
	if c.Timeout <= 0 {
		return errors.New("--timeout must be more than 0s")
	}
	return nil
}

func (c readyCmd) Run(ctx context.Context, g *globals) error {
	addr := c.Addr
	if addr == "" {
		environ, err := g.environ()
		if err != nil {
			return err
		}
		addr = config.ListenAddr(environ)
	}
	addr, err := command.Reachable(addr)
	if err != nil {
		return command.Usagef("the server's address: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	return c.awaitReady(ctx, addr)
}

// awaitReady returns nil when the server at addr is ready, else the result of the
// last complete request.
func (c readyCmd) awaitReady(ctx context.Context, addr string) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy between: it could answer itself
	var last error
	for {
		err := checkReady(ctx, client, addr)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = fmt.Errorf("%s is not ready: %w", addr, err)
		}
		if !c.Wait {
			return last
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return last
		}
	}
}

func checkReady(ctx context.Context, client *http.Client, addr string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		var request *url.Error
		if errors.As(err, &request) {
			return request.Err
		}
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz answers %s", resp.Status)
	}
	return nil
}
