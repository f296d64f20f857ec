//go:build linux

package deploy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// image is an image in a store of its own.
type image struct {
	t   *testing.T
	env []string
}

// buildImage runs scripts/image.sh for this machine.
func buildImage(t *testing.T) image {
	t.Helper()
	if _, err := exec.LookPath("buildah"); err != nil {
		t.Fatal("buildah is not installed; on Debian: apt-get install buildah")
	}
	dir := t.TempDir()
	conf := filepath.Join(dir, "storage.conf")
	text := fmt.Sprintf("[storage]\ndriver = \"vfs\"\ngraphroot = %q\nrunroot = %q\n", dir+"/graph", dir+"/run")
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := image{t, []string{"CONTAINERS_STORAGE_CONF=" + conf, "BUILDAH_ISOLATION=chroot", "DIST=" + dir}}
	run(t, s.env, "scripts/image.sh", runtime.GOARCH)
	return s
}

func (s image) buildah(args ...string) string {
	s.t.Helper()
	return strings.TrimSpace(run(s.t, s.env, "buildah", args...))
}

// Two builds give the same image. It serves as its user, with its data in /data, until
// SIGTERM.
func TestImage(t *testing.T) {
	t.Parallel()
	s := buildImage(t)
	inspect := []string{"manifest", "inspect", "addcard:latest"}
	if one, two := s.buildah(inspect...), buildImage(t).buildah(inspect...); one != two {
		t.Errorf("two images: %s and %s", one, two)
	}
	container := s.buildah("from", "--pull-never", "addcard:latest")
	const config = "{{.OCIv1.Config.User}} {{.OCIv1.Config.Entrypoint}} {{.OCIv1.Config.Cmd}} {{.OCIv1.Config.WorkingDir}}"
	if got := s.buildah("inspect", "--format", config, container); got != "65532:65532 [/server] [serve --wait-for-database] /data" {
		t.Errorf("the image's configuration is %s", got)
	}
	addresses, public := listeners(t)
	env := append(envFile(t, t.TempDir()), "DATABASE_URL=sqlite:addcard.db")
	args := []string{"run"}
	for _, v := range append(env, addresses...) {
		args = append(args, "--env", v)
	}
	args = append(args, container, "--", "/server", "serve", "--wait-for-database")
	cmd := start(t, append(os.Environ(), s.env...), ".", "buildah", args...)
	eventually(t, "`server ready` in the container succeeds", func() bool {
		check := exec.CommandContext(t.Context(), "buildah", "run", "--env", "LISTEN_ADDR="+public, container, "--",
			"/server", "ready", "--timeout", "4s")
		check.Env = append(os.Environ(), s.env...)
		return check.Run() == nil
	})
	pid, uid := processOf(t, "LISTEN_ADDR="+public)
	if uid != "65532" {
		t.Errorf("the server runs as %s", uid)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the container ended: %v", err)
	}
}

// processOf returns the ID and the user of the process /server with the variable.
func processOf(t *testing.T, variable string) (pid int, uid string) {
	t.Helper()
	list, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range list {
		env, _ := os.ReadFile(path)
		line, _ := os.ReadFile(filepath.Dir(path) + "/cmdline")
		if !strings.Contains(string(env), variable+"\x00") || !strings.HasPrefix(string(line), "/server\x00serve") {
			continue
		}
		if _, err := fmt.Sscanf(filepath.Base(filepath.Dir(path)), "%d", &pid); err != nil {
			t.Fatal(err)
		}
		status, _ := os.ReadFile(filepath.Dir(path) + "/status")
		_, after, _ := strings.Cut(string(status), "\nUid:")
		return pid, strings.Fields(after)[0]
	}
	t.Fatal("there is no process of the container")
	return 0, ""
}
