//go:build linux

package attack

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// drainLimit is SHUTDOWN_GRACE and what a slow machine adds.
const drainLimit = 15 * time.Second

// A log that is not read stops no request, and the server drains at SIGTERM.
func TestLog_ThatIsNotReadStopsNothing(t *testing.T) {
	unread := func(closed bool) func(t *testing.T) {
		return func(t *testing.T) {
			reader, writer, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Close()
			defer writer.Close()
			attack{
				name: "standard error is a pipe", setup: setup{stderr: writer},
				begin: func(s *stage) (func(), func(before, during *tally)) {
					_ = writer.Close()
					if closed {
						_ = reader.Close()
					}
					o := order{Manner: repeats, Target: s.process.public, From: addresses(100), Conns: 100, Rate: 1000, For: time.Second}
					o.Requests = [][]byte{http11("GET", "/healthz", "")}
					s.t.Logf("requests: %v", s.clients(o).outcome())
					return nil, func(_, _ *tally) { s.judgeDraining() }
				},
			}.run(t)
		}
	}
	t.Run("standard error is a pipe that is not read", unread(false))
	t.Run("standard error is a pipe that was closed", unread(true))
}

// judgeDraining ends the server in an orderly way.
func (s *stage) judgeDraining() {
	began := time.Now()
	if err := s.process.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-s.process.ended:
		s.t.Logf("ended %v after SIGTERM: %v", time.Since(began).Round(time.Millisecond), s.process.err)
		if s.process.err != nil {
			s.t.Errorf("the server ended with %v", s.process.err)
		}
	case <-time.After(drainLimit):
		s.t.Errorf("the server has not ended %v after SIGTERM", drainLimit)
	}
}
