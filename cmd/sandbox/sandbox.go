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
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/logpipe"
	"github.com/addcard/addcard/internal/wechatsim"
	"github.com/addcard/addcard/internal/wechatsim/push"
)

// databaseFile is the name of the database in the folder of --data.
const databaseFile = "addcard.db"

// tourist is the user of WeChat's DevTools in a project without an AppID.
const tourist = "tourist"

// sandbox is the running server and the running WeChat, with secrets of their own.
type sandbox struct {
	sim       *wechatsim.Sim
	wechat    *http.Server
	wechatURL string
	receivers []*receiver // of webhooks, on WeChat's listener too

	app        *app.App
	publicURL  string
	adminToken string
	pushToken  string
	aesKey     string
	zone       *time.Location // of the shop
	serving    chan struct{}  // closed when app and publicURL are set

	running sync.WaitGroup
	cancel  context.CancelFunc // asks the server to end
	ended   chan struct{}      // closed when the server has ended
	err     error              // of the server; read it after ended is closed
}

func start(ctx context.Context, c *runCmd, dir string, logs *logpipe.Writer) (*sandbox, error) {
	sb := &sandbox{
		ended: make(chan struct{}), serving: make(chan struct{}), receivers: []*receiver{newCRM(), newTill()},
		adminToken: rand.Text() + rand.Text(), pushToken: rand.Text(), aesKey: command.EncodingAESKey(),
	}
	if err := sb.startWeChat(ctx, c); err != nil {
		return nil, err
	}
	if err := sb.startServer(ctx, c, dir, logs); err != nil {
		return nil, errors.Join(err, sb.stop())
	}
	return sb, nil
}

func (sb *sandbox) startWeChat(ctx context.Context, c *runCmd) error {
	guessed, err := guesses(c.Guess)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.WechatListen)
	if err != nil {
		return fmt.Errorf("WeChat's side: %w", err)
	}
	sb.sim = wechatsim.New(wechatsim.Options{Assumptions: guessed})
	sb.wechatURL = "http://" + listener.Addr().String()
	sb.wechat = &http.Server{Handler: sb.wechatHandler(pageFiles(c.Miniprogram)), ReadHeaderTimeout: 5 * time.Second}
	sb.running.Go(func() { _ = sb.wechat.Serve(listener) })
	return nil
}

func (sb *sandbox) startServer(ctx context.Context, c *runCmd, dir string, logs *logpipe.Writer) error {
	environ := sb.environ(c, dir)
	cfg, err := config.LoadSandbox(environ)
	if err != nil {
		return err
	}
	sb.zone = cfg.Zone()
	if c.WriteEnv != "" {
		if err := os.WriteFile(c.WriteEnv, []byte(strings.Join(environ, "\n")+"\n"), 0o600); err != nil {
			return fmt.Errorf("write the configuration: %w", err)
		}
	}
	log := newLogger(logs)
	slog.SetLogLoggerLevel(slog.LevelWarn)
	slog.SetDefault(log) // package log too, to which net/http writes
	server, err := app.New(ctx, cfg, app.Options{
		Log: log, LogDropped: logs.Dropped, Version: "sandbox",
		MockLogin: func() (string, error) { return sb.sim.Login(tourist) },
	})
	if err != nil {
		return err
	}
	// The flow must end before the server does, so stop ends the server and not ctx.
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	sb.app, sb.cancel = server, cancel
	sb.running.Go(func() {
		defer close(sb.ended)
		sb.err = server.Run(serving)
	})
	addr, err := command.Reachable(server.Addr())
	if err != nil {
		return err
	}
	sb.publicURL = "http://" + addr
	close(sb.serving)
	return sb.sim.SetCallback(push.Callback{URL: sb.publicURL + "/wechat/callback", Token: sb.pushToken, EncodingAESKey: sb.aesKey})
}

func newLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

func (sb *sandbox) environ(c *runCmd, dir string) []string {
	accounts := sb.sim.Accounts()
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	environ := []string{
		"LISTEN_ADDR=" + c.Listen,
		"ADMIN_LISTEN_ADDR=" + c.AdminListen,
		"MINIPROGRAM_APP_ID=" + accounts.MiniProgram.AppID,
		"MINIPROGRAM_APP_SECRET=" + accounts.MiniProgram.Secret,
		"OFFICIAL_APP_ID=" + accounts.Official.AppID,
		"OFFICIAL_APP_SECRET=" + accounts.Official.Secret,
		"OFFICIAL_ORIGINAL_ID=" + accounts.Official.OriginalID,
		"WECHAT_API_URL=" + sb.wechatURL,
		"WECHAT_OPEN_URL=" + sb.wechatURL,
		"JSSDK_HOSTS=" + sb.h5Host(),
		"CALLBACK_TOKEN=" + sb.pushToken,
		"CALLBACK_AES_KEY=" + sb.aesKey,
		"SESSION_KEYS=sandbox:" + base64.StdEncoding.EncodeToString(key),
		"ADMIN_TOKEN=" + sb.adminToken,
		"DATABASE_URL=sqlite:" + filepath.Join(dir, databaseFile),
		"SHUTDOWN_GRACE=2s",
	}
	_, _ = rand.Read(key)
	environ = append(environ, "DATA_KEYS=sandbox:"+base64.StdEncoding.EncodeToString(key), "WEBHOOK_ALLOW_PRIVATE=127.0.0.0/8,::1/128")
	if c.Demo {
		environ = append(environ, "RATE_LIMIT_PER_IP=0") // its customers come all at once
	}
	for name, value := range c.Set {
		environ = append(environ, name+"="+value) // the last value of a variable counts
	}
	return environ
}

// stop ends both sides, the server first, and returns the server's error.
func (sb *sandbox) stop() error {
	if sb.app != nil {
		sb.cancel()
		<-sb.ended
	}
	sb.sim.Close()
	err := errors.Join(sb.err, sb.wechat.Close())
	sb.running.Wait()
	return err
}
