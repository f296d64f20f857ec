package logpipe_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/logpipe"
)

func report(out io.Writer, dropped uint64) { _, _ = fmt.Fprintf(out, "dropped %d\n", dropped) }

// reader is the other end of a log: it takes what it is given, blocks while it is
// stopped, and fails with err while that is set.
type reader struct {
	mu      sync.Mutex
	text    strings.Builder
	err     error
	room    int // bytes until err; less than 0: no limit
	stopped chan struct{}
}

func (r *reader) Write(b []byte) (int, error) {
	if r.stopped != nil {
		<-r.stopped
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		return r.text.Write(b)
	}
	n := min(r.room, len(b))
	r.room -= n
	r.text.Write(b[:n])
	return n, r.err
}

func (r *reader) fail(err error, room int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err, r.room = err, room
}

func (r *reader) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func lines(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

func TestWriter_KeepsEveryLineAndTheirOrder(t *testing.T) {
	t.Parallel()
	r := &reader{}
	w := logpipe.New(r, report)
	for i := range 20_000 {
		fmt.Fprintf(w, "line %d\n", i)
		if i%1000 == 0 { // on one processor the goroutine must get its turn
			for w.Dropped() == 0 && !strings.HasSuffix(r.String(), fmt.Sprintf("line %d\n", i)) {
				runtime.Gosched()
			}
		}
	}
	w.Close()
	if got := r.String(); got != lines(0, 20_000) || w.Dropped() != 0 {
		t.Errorf("got %d bytes, %d lines dropped", len(got), w.Dropped())
	}
}

func TestWriter_StoppedReaderBlocksNoWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &reader{stopped: make(chan struct{})}
		w := logpipe.New(r, report)
		_, _ = w.Write([]byte("first\n"))
		synctest.Wait() // the goroutine is in r.Write
		line := []byte(strings.Repeat("x", 1023) + "\n")
		const fit, extra = logpipe.Capacity / 1024, 50
		for range fit + extra {
			if n, err := w.Write(line); n != len(line) || err != nil {
				t.Fatalf("got %d, %v", n, err)
			}
		}
		if w.Dropped() != extra {
			t.Errorf("%d lines were dropped, want %d", w.Dropped(), extra)
		}
		close(r.stopped)
		synctest.Wait()
		_, _ = w.Write([]byte("last\n"))
		w.Close()
		want := "first\n" + strings.Repeat(string(line), fit) + fmt.Sprintf("dropped %d\n", extra) + "last\n"
		if got := r.String(); got != want {
			t.Errorf("got %d bytes, want %d; the end is %q", len(got), len(want), got[max(0, len(got)-60):])
		}
	})
}

// A short line for which there would be room is not written behind a gap.
func TestWriter_AGapIsInOnePlace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &reader{stopped: make(chan struct{})}
		w := logpipe.New(r, report)
		_, _ = w.Write([]byte("first\n"))
		synctest.Wait() // the goroutine is in r.Write
		long := strings.Repeat("x", logpipe.Capacity-100) + "\n"
		for _, line := range []string{long, long, "short\n"} {
			_, _ = w.Write([]byte(line))
		}
		close(r.stopped)
		w.Close()
		want := "first\n" + long + "dropped 2\n"
		if got := r.String(); got != want {
			t.Errorf("got %d bytes, want %d; the end is %q", len(got), len(want), got[max(0, len(got)-60):])
		}
	})
}

func TestWriter_CloseEndsAlthoughNothingIsRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &reader{stopped: make(chan struct{})}
		w := logpipe.New(r, report)
		_, _ = w.Write([]byte("line\n"))
		began := time.Now()
		w.Close()
		if took := time.Since(began); took > 2*time.Second {
			t.Errorf("Close took %v", took)
		}
		_, _ = w.Write([]byte("late\n"))
		if w.Dropped() != 1 {
			t.Errorf("after Close %d lines were dropped, want 1", w.Dropped())
		}
		close(r.stopped) // so that the goroutine ends
	})
}

func TestWriter_GoneReaderIsCountedAndANewOneGetsTheReport(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		w := logpipe.New(r, report)
		r.fail(syscall.EPIPE, 0)
		for i := range 3 {
			fmt.Fprintf(w, "line %d\n", i)
			synctest.Wait()
		}
		if w.Dropped() != 3 {
			t.Errorf("%d lines were dropped, want 3", w.Dropped())
		}
		r.fail(nil, 0)
		fmt.Fprint(w, "line 3\n")
		w.Close()
		if got, want := r.String(), "dropped 3\nline 3\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestWriter_FullDiskCutsALineAndNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &reader{}
		w := logpipe.New(r, report)
		r.fail(syscall.ENOSPC, len("line 0\nlin"))
		fmt.Fprint(w, "line 0\n")
		synctest.Wait()
		fmt.Fprint(w, "line 1\n")
		synctest.Wait()
		r.fail(nil, 0)
		fmt.Fprint(w, "line 2\n")
		w.Close()
		if got, want := r.String(), "line 0\nlin\ndropped 1\nline 2\n"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestWriter_LineLargerThanTheBufferIsDropped(t *testing.T) {
	t.Parallel()
	r := &reader{}
	w := logpipe.New(r, report)
	_, _ = w.Write(append(bytes.Repeat([]byte("x"), logpipe.Capacity), '\n'))
	w.Close()
	if got := r.String(); got != "dropped 1\n" || w.Dropped() != 1 {
		t.Errorf("got %d bytes, %d lines dropped", len(got), w.Dropped())
	}
}

// The first figure is a line of the log without the Writer.
func BenchmarkWrite(b *testing.B) {
	line := []byte(strings.Repeat("x", 180) + "\n")
	pipe := func(b *testing.B) io.Writer {
		r, w, err := os.Pipe()
		if err != nil {
			b.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = io.Copy(io.Discard, r)
		}()
		b.Cleanup(func() {
			_ = w.Close()
			<-done
		})
		return w
	}
	run := func(b *testing.B, w io.Writer) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = w.Write(line)
		}
	}
	b.Run("direct", func(b *testing.B) { run(b, pipe(b)) })
	b.Run("queued", func(b *testing.B) {
		w := logpipe.New(pipe(b), report)
		defer w.Close()
		run(b, w)
		b.ReportMetric(float64(w.Dropped())/float64(b.N), "dropped/op")
	})
}
