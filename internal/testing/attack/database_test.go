//go:build linux

package attack

import (
	"database/sql"
	"fmt"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/addcard/addcard/internal/testing/server"
)

// playLock is the role of another program that holds the lock of an SQLite
// file. It prints a word when it has the lock.
func playLock() error {
	var path string
	ended, err := orders(&path)
	if err != nil {
		return err
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(30000)")
	if err != nil {
		return err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("begin exclusive"); err != nil {
		return fmt.Errorf("lock %s: %w", path, err)
	}
	if err := printJSON("locked"); err != nil {
		return err
	}
	<-ended
	_, err = db.Exec("rollback")
	return err
}

// The answers that a stalled database allows.
const (
	answerLimit   = 5*time.Second + 500*time.Millisecond
	callbackLimit = 3*time.Second + 500*time.Millisecond // WeChat waits 5 s
)

// A database that stalls makes no request wait for long, and keeps nothing.
func TestDatabase_ThatStallsMakesNobodyWait(t *testing.T) {
	runAttacks(t, []attack{
		{
			name: "PostgreSQL stopped under 300 entries", setup: setup{postgres: true}, begin: stopPostgres,
			spares: []string{"me", "card-ext", "own entries", "login", "entry", "members", "readyz", "admin readyz", "push"},
		},
		{
			name: "SQLite held by another process", begin: holdSQLite, short: true,
			spares: []string{"login", "entry", "push", "readyz", "admin readyz"},
		},
	})
}

func stopPostgres(s *stage) (end func(), judge func(before, during *tally)) {
	stopped := s.postgres.Processes(s.t)
	signal := func(sig syscall.Signal) {
		for _, pid := range stopped {
			_ = syscall.Kill(pid, sig)
		}
	}
	s.t.Cleanup(func() { signal(syscall.SIGCONT) })
	signal(syscall.SIGSTOP)
	entries := s.manyEntries()
	return func() { signal(syscall.SIGCONT) }, func(_, during *tally) { s.judgeStall(during, entries.outcome()) }
}

func holdSQLite(s *stage) (end func(), judge func(before, during *tally)) {
	holder := spawn(s.t, "lock", s.database)
	var locked string
	holder.read(&locked)
	entries := s.manyEntries()
	return func() {
		_ = holder.in.Close()
		_ = holder.cmd.Wait()
	}, func(_, during *tally) { s.judgeStall(during, entries.outcome()) }
}

// manyEntries sends 300 entries within a second.
func (s *stage) manyEntries() *child {
	o := order{Manner: visits, Target: s.process.admin, From: []string{"127.0.0.11"}, Conns: 300, Rate: 300, For: time.Second}
	for _, m := range s.members {
		o.Requests = append(o.Requests, http11("POST", s.entriesPath(m), `{"add_bonus":1}`, "Content-Type: application/json",
			"Idempotency-Key: stalled#########", "Authorization: Bearer "+server.AdminToken))
	}
	return s.clients(o)
}

func (s *stage) judgeStall(during *tally, entries outcome) {
	s.t.Logf("300 entries: %v", entries)
	if !full {
		return
	}
	if entries.Lost > 0 || max(entries.Served.Most, entries.Refused.Most) > answerLimit {
		s.t.Errorf("%d of 300 entries without an answer, the slowest took %v", entries.Lost, max(entries.Served.Most, entries.Refused.Most))
	}
	for _, k := range during.kinds {
		limit := answerLimit
		if k.name == "push" {
			limit = callbackLimit
		}
		if k.slowest > limit {
			s.t.Errorf("%s: an answer took %v", k.name, k.slowest)
		}
	}
}
