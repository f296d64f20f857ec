package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"addcard/internal/app"
	"addcard/internal/wechatsim"
)

type runCmd struct {
	Once         bool   `help:"Exit after the flow: 0 when every step worked, else 1."`
	Listen       string `help:"The public API." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	AdminListen  string `help:"The operator's API; loopback only." default:"127.0.0.1:8081" placeholder:"HOST:PORT"`
	WechatListen string `help:"The simulated WeChat; loopback only." default:"127.0.0.1:8082" placeholder:"HOST:PORT"`
	Data         string `help:"Keep the database in this folder; by default it goes to a temporary one." type:"path" placeholder:"DIR"`
}

// Help implements kong.HelpProvider.
func (runCmd) Help() string {
	return `Examples:
  go run ./cmd/sandbox
  go run ./cmd/sandbox --once --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --wechat-listen 127.0.0.1:0`
}

// Run starts WeChat and the server, plays the flow and serves.
func (c *runCmd) Run(ctx context.Context, out io.Writer) (err error) {
	for flag, addr := range map[string]string{"--admin-listen": c.AdminListen, "--wechat-listen": c.WechatListen} {
		if !loopback(addr) {
			return &misused{fmt.Errorf("%s must be a loopback address such as 127.0.0.1:8081", flag)}
		}
	}
	dir, remove, err := c.folder()
	if err != nil {
		return err
	}
	defer remove()
	sb, err := start(ctx, c, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sb.stop()) }()
	if err := sb.play(ctx, out); err != nil {
		return fmt.Errorf("the flow stopped: %w", err)
	}
	sb.confess(out)
	if c.Once {
		return nil
	}
	sb.invite(out)
	select {
	case <-ctx.Done():
		return nil
	case err := <-sb.ended:
		return err
	}
}

func (c *runCmd) folder() (dir string, remove func(), err error) {
	if c.Data != "" {
		return c.Data, func() {}, os.MkdirAll(c.Data, 0o700)
	}
	dir, err = os.MkdirTemp("", "addcard-sandbox-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}

// loopback tells whether addr names this machine only.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip, ipErr := netip.ParseAddr(host)
	return err == nil && (host == "localhost" || ipErr == nil && ip.IsLoopback())
}

// sandbox is the two running sides.
type sandbox struct {
	sim        *wechatsim.Sim
	wechat     *http.Server
	wechatURL  string
	app        *app.App
	cancel     context.CancelFunc
	ended      chan error
	adminToken string
}

func start(ctx context.Context, c *runCmd, dir string) (*sandbox, error) {
	sim := wechatsim.New(wechatsim.Options{})
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.WechatListen)
	if err != nil {
		sim.Close()
		return nil, fmt.Errorf("listen for WeChat's side: %w", err)
	}
	sb := &sandbox{
		sim: sim, wechatURL: "http://" + listener.Addr().String(), ended: make(chan error, 1), adminToken: rand.Text() + rand.Text(),
		wechat: &http.Server{Handler: sim.Handler(), ReadHeaderTimeout: 5 * time.Second},
	}
	go func() { _ = sb.wechat.Serve(listener) }()
	cfg, err := app.LoadSandboxConfig(sb.environ(c, dir))
	if err != nil {
		return nil, errors.Join(err, sb.stop())
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if sb.app, err = app.New(ctx, cfg, app.Options{Log: log, Version: "sandbox"}); err != nil {
		return nil, errors.Join(err, sb.stop())
	}
	appCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	sb.cancel = cancel
	go func() { sb.ended <- sb.app.Run(appCtx) }()
	return sb, nil
}

func (sb *sandbox) environ(c *runCmd, dir string) []string {
	accounts := sb.sim.Accounts()
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return []string{
		"LISTEN_ADDR=" + c.Listen,
		"ADMIN_LISTEN_ADDR=" + c.AdminListen,
		"MINIPROGRAM_APP_ID=" + accounts.MiniProgram.AppID,
		"MINIPROGRAM_APP_SECRET=" + accounts.MiniProgram.Secret,
		"OFFICIAL_APP_ID=" + accounts.Official.AppID,
		"OFFICIAL_APP_SECRET=" + accounts.Official.Secret,
		"OFFICIAL_ORIGINAL_ID=" + accounts.Official.OriginalID,
		"WECHAT_API_URL=" + sb.wechatURL,
		"CALLBACK_TOKEN=" + rand.Text(),
		"SESSION_KEYS=sandbox:" + base64.StdEncoding.EncodeToString(key),
		"ADMIN_TOKEN=" + sb.adminToken,
		"DATABASE_URL=sqlite:" + filepath.Join(dir, "addcard.db"),
		"SHUTDOWN_GRACE=2s",
	}
}

// stop ends both sides and waits for them.
func (sb *sandbox) stop() error {
	var err error
	if sb.cancel != nil {
		sb.cancel()
		err = <-sb.ended
	}
	sb.sim.Close()
	return errors.Join(err, sb.wechat.Close())
}
