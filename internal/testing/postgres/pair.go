package postgres

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Pair is a primary and a standby that has each commit before it is acknowledged. Its
// methods end the test on an error.
type Pair struct{ Primary, Standby *Server }

// NewPair starts a pair of servers for the test, with these arguments.
func NewPair(t testing.TB, args ...string) *Pair {
	t.Helper()
	// Otherwise a promotion waits for up to five seconds, sometimes.
	args = append([]string{"-c", "wal_retrieve_retry_interval=100ms"}, args...)
	primary := New(t, args...)
	dir, err := os.MkdirTemp("", "addcard-pg-")
	if err != nil {
		t.Fatal(err)
	}
	standby := &Server{dir: dir, args: args, binDir: primary.binDir, credential: primary.credential}
	p := &Pair{primary, standby}
	for range 5 { // another program may take the port first
		standby.port = freePort(t)
		if err = p.follow(t); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(errors.Join(err, os.RemoveAll(dir)))
	}
	t.Cleanup(standby.stop)
	p.synchronize(t)
	return p
}

// URL returns a DATABASE_URL with both servers.
func (p *Pair) URL(database string) string {
	return fmt.Sprintf("postgres://addcard:secret@127.0.0.1:%s,127.0.0.1:%s/%s?target_session_attrs=read-write",
		p.Primary.port, p.Standby.port, database)
}

// Promote makes the standby the primary. The primary must have been killed or paused; it
// is the Standby of the pair then.
func (p *Pair) Promote(t testing.TB) {
	t.Helper()
	if out, err := p.Standby.command("pg_ctl", "promote", "-D", p.Standby.dir, "-w", "-t", "60").CombinedOutput(); err != nil {
		t.Fatalf("pg_ctl promote: %v: %s", err, out)
	}
	p.Primary, p.Standby = p.Standby, p.Primary
}

// Rejoin makes the server that was killed before Promote a standby of the new primary.
func (p *Pair) Rejoin(t testing.TB) {
	t.Helper()
	if err := p.follow(t); err != nil {
		t.Fatal(err)
	}
	p.synchronize(t)
}

// follow starts the standby with a copy of the primary's data.
func (p *Pair) follow(t testing.TB) error {
	t.Helper()
	s := p.Standby
	if err := os.RemoveAll(s.dir); err != nil {
		return err
	}
	if err := s.makeDir(); err != nil {
		return err
	}
	out, err := s.command("pg_basebackup", "-R", "-D", s.dir, "-c", "fast", "-X", "stream", "--no-sync",
		"-d", "postgres://addcard@127.0.0.1:"+p.Primary.port+"/").CombinedOutput()
	if err != nil {
		return fmt.Errorf("pg_basebackup: %w: %s", err, out)
	}
	// Once it is promoted it has no standby to wait for. The last line counts.
	conf, err := os.OpenFile(filepath.Join(s.dir, "postgresql.auto.conf"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = conf.WriteString("synchronous_standby_names = ''\n")
	if err := errors.Join(err, conf.Close()); err != nil {
		return err
	}
	return s.start()
}

// synchronize has the primary wait for the standby before it acknowledges a commit.
func (p *Pair) synchronize(t testing.TB) {
	t.Helper()
	p.sql(t, "alter system set synchronous_standby_names = '*'")
	p.sql(t, "select pg_reload_conf()")
	const synchronous = "select count(*) from pg_stat_replication where sync_state = 'sync' and state = 'streaming'"
	for deadline := time.Now().Add(startTimeout); p.sql(t, synchronous) == "0"; <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the standby is not synchronous")
		}
	}
}

// sql runs a statement on the primary and returns its result.
func (p *Pair) sql(t testing.TB, statement string) string {
	t.Helper()
	out, err := p.Primary.command("psql", "-XAtq", "-d", p.Primary.URL("postgres"), "-c", statement).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", statement, err, out)
	}
	return strings.TrimSpace(string(out))
}
