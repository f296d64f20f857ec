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

// faultRun injects faults into a deployment under load.
type faultRun struct {
	*deployment
	load *load
	rng  *rand.Rand
	disk string // the small disk of the database, or ""

	kills   int      // of the server's processes
	failing []window // when no commit could reach the disk
}

type window struct{ from, to time.Time }

// faults are the faults by name. Each returns when everything runs again, and
// ends the test if it could not happen.
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

// kill kills replicas and starts them again.
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

// killBackend kills one process of PostgreSQL, which then restarts all of them.
func (s *faultRun) killBackend() {
	all := s.postgres.Processes(s.t)
	victim := all[1+s.rng.IntN(len(all)-1)]
	s.must(syscall.Kill(victim, syscall.SIGKILL))
	s.awaitServed()
}

// awaitServed waits until a request that is sent from now on is answered.
func (s *faultRun) awaitServed() {
	s.t.Helper()
	began := time.Now()
	s.eventually("requests are answered again", func() bool {
		s.load.mu.Lock()
		defer s.load.mu.Unlock()
		n := len(s.load.requests)
		return n > 0 && s.load.requests[n-1].sentAt.After(began)
	})
}

// ioError makes every fsync and fdatasync fail, of the replicas on SQLite or of
// the processes of PostgreSQL. Then it kills all of them.
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

// diskFull fills the disk until requests are refused, kills what writes to it,
// and frees the space again.
func (s *faultRun) diskFull() {
	full := s.fillDisk
	if s.disk == "" {
		full = s.failWrites
	}
	fill, free := full()
	refused := s.load.refusals()
	s.eventually("requests are refused because the disk is full", func() bool { fill(); return s.load.refusals() > refused })
	if s.postgres != nil {
		s.postgres.Kill()
		free()
		s.postgres.Restart(s.t)
	} else {
		victim := s.rng.IntN(len(s.replicas))
		s.replicas[victim].Load().Kill()
		free()
		s.start(victim)
		s.kills++
	}
	s.awaitServed()
}

// fillDisk returns functions that use up the space of the disk and free it.
func (s *faultRun) fillDisk() (fill, free func()) {
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

// failWrites makes every write to a file fail with ENOSPC.
func (s *faultRun) failWrites() (fill, free func()) {
	tr := attachStrace(s.t, s.writers(), "-e", "trace=pwrite64", "-e", "inject=pwrite64:error=ENOSPC")
	return func() {}, tr.end
}

// writers returns the processes that write the files of the database.
func (s *faultRun) writers() (pids []int) {
	if s.postgres != nil {
		return s.postgres.Processes(s.t)
	}
	for i := range s.replicas {
		pids = append(pids, s.replicas[i].Load().PID())
	}
	return pids
}

// refusals returns the number of answers that report a failure of the database.
func (l *load) refusals() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.answers[503]
}

// smallDisk mounts a file system of so many MiB until the test ends. It returns
// "" where mounting is not allowed, as for most containers' root.
func smallDisk(t *testing.T, mib string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "addcard-disk-") // the user postgres cannot enter t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(dir) })
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755,size="+mib+"m"); err != nil {
		t.Logf("mount -t tmpfs: %v; injecting ENOSPC instead. A real disk requires CAP_SYS_ADMIN (in a container: --cap-add SYS_ADMIN)", err)
		return ""
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return dir
}
