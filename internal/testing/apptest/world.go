// Package apptest runs whole servers against a simulated WeChat, for tests: each
// server has real listeners and a real database, and is used over HTTP.
//
// It has no expectations of its own but that its helpers succeed: they end the
// test if not.
package apptest

import (
	"bytes"
	"context"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/wechatsim"
)

const (
	// AdminToken is the ADMIN_TOKEN of every server.
	AdminToken = "an-admin-token-of-forty-characters-00001"
	// CallbackToken is the CALLBACK_TOKEN of every server.
	CallbackToken = "callbacktoken"
	// AESKey is good as a CALLBACK_AES_KEY.
	AESKey = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
)

// World is a simulated WeChat and the servers that run against it.
type World struct {
	T      testing.TB
	Sim    *wechatsim.Sim
	WeChat *httptest.Server // serves Sim
	DB     string           // the file of the servers' database
	// Env overrides variables of the servers' configuration.
	Env map[string]string
	// Quiet servers keep no log.
	Quiet bool

	log buffer
}

// New returns a World without servers. It ends with the test.
func New(t testing.TB, o wechatsim.Options) *World {
	t.Helper()
	sim := wechatsim.New(o)
	t.Cleanup(sim.Close)
	wechat := httptest.NewServer(sim.Handler())
	t.Cleanup(wechat.Close)
	w := &World{T: t, Sim: sim, WeChat: wechat, DB: sqldbtest.File(t), Env: map[string]string{}}
	t.Cleanup(w.logErrors)
	return w
}

// logErrors shows the errors and warnings of the servers if the test failed.
func (w *World) logErrors() {
	if !w.T.Failed() {
		return
	}
	for line := range strings.Lines(w.Log()) {
		if strings.Contains(line, `"level":"ERROR"`) || strings.Contains(line, `"level":"WARN"`) {
			w.T.Log(strings.TrimSpace(line))
		}
	}
}

// Environ returns the configuration of a server that is started now.
func (w *World) Environ() []string {
	a := w.Sim.Accounts()
	vars := map[string]string{
		"LISTEN_ADDR": "127.0.0.1:0", "ADMIN_LISTEN_ADDR": "127.0.0.1:0",
		"MINIPROGRAM_APP_ID": a.MiniProgram.AppID, "MINIPROGRAM_APP_SECRET": a.MiniProgram.Secret,
		"OFFICIAL_APP_ID": a.Official.AppID, "OFFICIAL_APP_SECRET": a.Official.Secret,
		"WECHAT_API_URL": w.WeChat.URL, "CALLBACK_TOKEN": CallbackToken,
		"SESSION_KEYS": "k1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("key!"), 8)),
		"ADMIN_TOKEN":  AdminToken, "DATABASE_URL": "sqlite:" + w.DB,
		"RATE_LIMIT_PER_MEMBER": "0", "RATE_LIMIT_PER_IP": "0", "SHUTDOWN_GRACE": "100ms",
	}
	for name, value := range w.Env {
		vars[name] = value
	}
	var list []string
	for name, value := range vars {
		list = append(list, name+"="+value)
	}
	return list
}

// Server is one running replica.
type Server struct {
	T             testing.TB
	Public, Admin string // the URLs of the two listeners
	Stop          func() // blocks until the server has ended
}

// Serve starts a replica. It ends with the test, or at Stop.
func (w *World) Serve() *Server {
	w.T.Helper()
	cfg, err := config.Load(w.Environ())
	if err != nil {
		w.T.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if w.Quiet {
		log = slog.New(slog.DiscardHandler)
	}
	a, err := app.New(w.T.Context(), cfg, app.Options{Log: log, Version: "test"})
	if err != nil {
		w.T.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.T.Errorf("server ended: %v", err)
		}
	})
	w.T.Cleanup(stop)
	return &Server{T: w.T, Public: "http://" + a.Addr(), Admin: "http://" + a.AdminAddr(), Stop: stop}
}

// Log returns what the servers have logged.
func (w *World) Log() string { return w.log.String() }

// Login signs user in and returns the token and the member's ID.
func (w *World) Login(s *Server, user string) (token, memberID string) {
	w.T.Helper()
	code, err := w.Sim.Login(user)
	if err != nil {
		w.T.Fatal(err)
	}
	got := s.Post("/v1/session", "", map[string]string{"code": code})
	if got.Status != http.StatusOK {
		w.T.Fatalf("login: %d %s", got.Status, got.Body)
	}
	var in struct {
		Token  string
		Member struct{ ID string }
	}
	got.JSON(w.T, &in)
	return in.Token, in.Member.ID
}

// Eventually waits until ok, which must become true within a minute.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// buffer is a bytes.Buffer that is safe for concurrent use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
