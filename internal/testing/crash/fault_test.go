//go:build linux

package crash

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// storm is what happens to a shop under load.
type faultRun struct {
	*deployment
	load *load
	rng  *rand.Rand
	disk string // a small disk of its own that holds the database, or ""

	kills   int      // of the server's processes
	failing []window // when no commit could reach the disk
}

type window struct{ from, to time.Time }

// faults are what may happen, by name. Each ends when all runs again, and ends
// the test when it could not happen.
var faults = map[string]func(*faultRun){
	"kill":               func(s *faultRun) { s.kill(s.rng.IntN(len(s.replicas))) },
	"kill all":           func(s *faultRun) { s.kill(s.allReplicas()...) },
	"pause":              (*faultRun).pause,
	"I/O error":          (*faultRun).ioError,
	"disk full":          (*faultRun).diskFull,
	"PostgreSQL killed":  func(s *faultRun) { s.postgres.Kill(); s.postgres.Restart(s.t) },
	"PostgreSQL aborted": func(s *faultRun) { s.postgres.Abort(); s.postgres.Restart(s.t) },
	"a backend killed":   (*faultRun).killBackend,
}

func (s *faultRun) allReplicas() (numbers []int) {
	for i := range s.replicas {
		numbers = append(numbers, i)
	}
	return numbers
}

// kill ends replicas at once and starts them again.
func (s *faultRun) kill(replicas ...int) {
	for _, i := range replicas {
		s.replicas[i].Load().Kill()
	}
	for _, i := range replicas {
		s.start(i)
	}
	s.kills += len(replicas)
}

// pause stops a replica for less than a lease.
func (s *faultRun) pause() {
	r := s.replicas[s.rng.IntN(len(s.replicas))].Load()
	s.must(r.Signal(syscall.SIGSTOP))
	time.Sleep(200*time.Millisecond + randomUpTo(s.rng, time.Second))
	s.must(r.Signal(syscall.SIGCONT))
}

func (s *deployment) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// killBackend kills one process of PostgreSQL, which then ends and starts anew
// all of them by itself.
func (s *faultRun) killBackend() {
	all := s.postgres.Processes(s.t)
	victim := all[1+s.rng.IntN(len(all)-1)]
	s.must(syscall.Kill(victim, syscall.SIGKILL))
	s.awaitServed()
}

// served waits until an order is settled that was begun from now on.
func (s *faultRun) awaitServed() {
	s.t.Helper()
	began := time.Now()
	s.eventually("orders are settled again", func() bool {
		s.load.mu.Lock()
		defer s.load.mu.Unlock()
		n := len(s.load.requests)
		return n > 0 && s.load.requests[n-1].sentAt.After(began)
	})
}

// ioError makes the disk refuse to write down what it was given: every fsync
// and fdatasync fails, of the replicas on SQLite, of PostgreSQL's processes
// else. Then all is killed.
func (s *faultRun) ioError() {
	victims := s.allReplicas()
	tr := attachStrace(s.t, s.writers(), "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:error=EIO")
	from := time.Now()
	s.eventually("an fsync fails", func() bool { return tr.count("(INJECTED)") > 0 })
	time.Sleep(randomUpTo(s.rng, 500*time.Millisecond))
	to := time.Now()
	if s.postgres == nil {
		s.failing = append(s.failing, window{from, to})
		for _, i := range victims {
			s.replicas[i].Load().Kill()
		}
		tr.end()
		for _, i := range victims {
			s.start(i)
		}
		s.kills += len(victims)
		return
	}
	tr.end()
	s.postgres.Kill()
	s.postgres.Restart(s.t)
}

// diskFull leaves the disk without room until orders are refused, kills what
// runs on it, and makes room again.
func (s *faultRun) diskFull() {
	full := s.fillDisk
	if s.disk == "" {
		full = s.failWrites
	}
	fill, room := full()
	refused := s.load.refusals()
	s.eventually("orders are refused for want of room", func() bool { fill(); return s.load.refusals() > refused })
	if s.postgres != nil {
		s.postgres.Kill()
		room()
		s.postgres.Restart(s.t)
	} else {
		victim := s.rng.IntN(len(s.replicas))
		s.replicas[victim].Load().Kill()
		room()
		s.start(victim)
		s.kills++
	}
	s.awaitServed()
}

// ballast takes all the room that there is.
func (s *faultRun) fillDisk() (fill, room func()) {
	path := filepath.Join(s.disk, "ballast")
	block := make([]byte, 4096)
	fill = func() {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		s.must(err)
		for err == nil {
			_, err = f.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			s.t.Fatal(err)
		}
		s.must(f.Close())
	}
	return fill, func() { s.must(os.Remove(path)) }
}

// noSpace makes every write to a file say that there is no room.
func (s *faultRun) failWrites() (fill, room func()) {
	tr := attachStrace(s.t, s.writers(), "-e", "trace=pwrite64", "-e", "inject=pwrite64:error=ENOSPC")
	return func() {}, tr.end
}

// writers are the processes that write the database's files.
func (s *faultRun) writers() (pids []int) {
	if s.postgres != nil {
		return s.postgres.Processes(s.t)
	}
	for i := range s.replicas {
		pids = append(pids, s.replicas[i].Load().PID())
	}
	return pids
}

// refusals counts the answers that say that the database cannot.
func (l *load) refusals() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answers[503]
}

// smallDisk is a file system of so many MiB that is gone with the test, or ""
// where none may be mounted: a container's root may not, mostly.
func smallDisk(t *testing.T, mib string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "addcard-disk-") // PostgreSQL's user cannot enter t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755,size="+mib+"m"); err != nil {
		t.Logf("mount -t tmpfs: %v, so the full disk is injected; a real one takes root with CAP_SYS_ADMIN (in a container: --cap-add SYS_ADMIN)", err)
		return ""
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}
