package main

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/url"
	"strings"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/staff"
)

type loginLinkCmd struct {
	ID  string `arg:"" optional:"" default:"owner" help:"The person's id, as \"staff list\" prints it; the owner by default."`
	URL string `help:"The address of the console in a browser; by default that of ADMIN_LISTEN_ADDR and CONSOLE_PREFIX." placeholder:"URL"`
}

func (c loginLinkCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	cfg, err := g.config()
	if err != nil {
		return err
	}
	base := cmp.Or(strings.TrimSuffix(c.URL, "/"), consoleURL(cfg))
	if u, err := url.Parse(base); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return command.Usagef("--url: must be http:// or https:// and a host")
	}
	on := audit.Target{Subject: c.ID}
	return g.withRecord(ctx, streams, "linkStaff", on, func(ctx context.Context, core *app.Core) error {
		secret, k, err := core.Staff.NewLink(ctx, c.ID)
		if errors.Is(err, staff.ErrNotFound) {
			return errors.New("there is no such person; \"server staff list\" prints them")
		}
		if err != nil {
			return err
		}
		streams.Messagef("open it in a browser before %s; it works once:", k.ExpiresAt.In(cfg.Zone()).Format("15:04 MST"))
		return command.Printf(streams.Out, "%s/login?link=%s\n", base, secret)
	})
}

// consoleURL returns the address of the console as a browser on this machine sees it.
func consoleURL(cfg config.Config) string {
	host, port, err := net.SplitHostPort(cfg.AdminListenAddr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port) + cfg.ConsolePrefix
}
