package postgres

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/process"
)

// Pooler starts PgBouncer in front of the server until the test ends, in this pool_mode,
// and returns the DATABASE_URL of a database through it. PgBouncer has its default
// settings otherwise.
func (s *Server) Pooler(t testing.TB, mode, database string) string {
	t.Helper()
	path, err := exec.LookPath("pgbouncer")
	if err != nil {
		path = "/usr/sbin/pgbouncer" // Debian's, outside of the PATH of most users
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatal("postgres: PgBouncer is missing; on Debian: apt-get install pgbouncer")
	}
	for range 5 { // another program may take the port first
		port := freePort(t)
		if err = s.startPooler(t, path, port, mode); err == nil {
			return "postgres://addcard:secret@127.0.0.1:" + port + "/" + database
		}
	}
	t.Fatal(err)
	return ""
}

func (s *Server) startPooler(t testing.TB, path, port, mode string) error {
	t.Helper()
	dir, err := os.MkdirTemp("", "addcard-pgbouncer-")
	if err != nil {
		return err
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	config := filepath.Join(dir, "pgbouncer.ini")
	text := fmt.Sprintf("[databases]\n* = host=127.0.0.1 port=%s user=addcard\n\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = %s\n"+
		"unix_socket_dir =\nauth_type = any\npool_mode = %s\nmax_client_conn = 1000\n", s.port, port, mode)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	if s.credential != nil { // PgBouncer does not run as root either
		for _, name := range []string{dir, config} {
			if err := os.Chown(name, int(s.credential.Uid), int(s.credential.Gid)); err != nil {
				return err
			}
		}
	}
	log := &bytes.Buffer{}
	cmd := exec.Command(path, config)
	cmd.Dir, cmd.Stderr, cmd.Stdout = dir, log, log
	cmd.SysProcAttr = process.DieWithTest(syscall.SIGKILL)
	cmd.SysProcAttr.Credential = s.credential
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	for deadline := time.After(startTimeout); ; {
		select {
		case <-ended:
			return fmt.Errorf("postgres: PgBouncer has ended: %s", strings.TrimSpace(log.String()))
		case <-deadline:
			return fmt.Errorf("postgres: PgBouncer does not listen")
		case <-time.After(5 * time.Millisecond):
		}
		conn, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			return conn.Close()
		}
	}
}
