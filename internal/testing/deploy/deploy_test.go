//go:build linux

// Package deploy starts what deploy/ and the scripts make, as an operator does: the
// released program, its image, the unit of systemd, and nginx before two replicas. It
// has no exported API.
package deploy

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/process"
	"github.com/addcard/addcard/internal/testing/server"
	"github.com/addcard/addcard/internal/wechatsim"
)

const (
	root = "../../.."
	// timeout bounds what usually takes a moment.
	timeout = time.Minute
)

func TestMain(m *testing.M) { server.Main(m) }

// run runs a program that must succeed, in the folder root, and returns its output.
func run(t *testing.T, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", cmd, err, out, stderr.String())
	}
	return string(out)
}

func release(t *testing.T) string {
	t.Helper()
	path, err := server.Release()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// wechat starts a simulated WeChat and returns the variables that name it.
func wechat(t *testing.T) []string {
	t.Helper()
	sim := wechatsim.New(wechatsim.Options{})
	t.Cleanup(sim.Close)
	s := httptest.NewServer(sim.Handler())
	t.Cleanup(s.Close)
	a := sim.Accounts()
	return []string{
		"WECHAT_API_URL=" + s.URL, "MINIPROGRAM_APP_ID=" + a.MiniProgram.AppID, "MINIPROGRAM_APP_SECRET=" + a.MiniProgram.Secret,
		"OFFICIAL_APP_ID=" + a.Official.AppID, "OFFICIAL_APP_SECRET=" + a.Official.Secret,
	}
}

// envFile has `server init` write a .env in dir, fills it in, and returns its lines.
func envFile(t *testing.T, dir string) []string {
	t.Helper()
	path := filepath.Join(dir, ".env")
	run(t, nil, release(t), "init", "--env-file", path)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(raw)
	for _, v := range wechat(t) {
		name, _, _ := strings.Cut(v, "=")
		line := regexp.MustCompile(`(?m)^` + name + `=$`)
		if !line.MatchString(text) {
			text += v + "\n"
		}
		text = line.ReplaceAllString(text, v)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return variables(text)
}

// variables returns the lines of the form NAME=value.
func variables(text string) (list []string) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.Contains(line, "=") && line[0] != '#' {
			list = append(list, line)
		}
	}
	return list
}

// start starts a command that serves. It and its children get SIGTERM when the test ends,
// if it has not ended before.
func start(t *testing.T, env []string, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, name, args...)
	var log strings.Builder
	var mu sync.Mutex
	cmd.Stdout = writer(func(p []byte) { mu.Lock(); defer mu.Unlock(); log.Write(p) })
	cmd.Stderr = cmd.Stdout
	cmd.Dir, cmd.Env, cmd.WaitDelay = dir, env, timeout
	cmd.SysProcAttr = process.DieWithTest(syscall.SIGTERM)
	cmd.SysProcAttr.Setpgid = true
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if cmd.ProcessState == nil {
			_ = cmd.Wait()
		}
		if t.Failed() {
			mu.Lock()
			defer mu.Unlock()
			t.Logf("%s:\n%s", cmd, log.String())
		}
	})
	return cmd
}

type writer func([]byte)

func (w writer) Write(p []byte) (int, error) {
	w(p)
	return len(p), nil
}

// listeners returns variables for two free ports, and the address of the public one.
func listeners(t *testing.T) (env []string, public string) {
	t.Helper()
	public = process.FreeAddr(t)
	return []string{"LISTEN_ADDR=" + public, "ADMIN_LISTEN_ADDR=" + process.FreeAddr(t)}, public
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(timeout); !ok(); <-time.After(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", timeout, what)
		}
	}
}

// status returns the status of a GET, or 0 without an answer.
func status(client *http.Client, url string) int {
	resp, err := client.Get(url)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}
