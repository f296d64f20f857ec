// Package logpipe puts a bounded buffer between a log and its reader, so that a
// reader that is slow, has stopped or has gone cannot stop the program that logs.
//
// It does not format, filter or order messages: it takes whole lines and writes
// them in the order in which they came, or drops them whole.
package logpipe

import (
	"bytes"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Capacity is the number of bytes that wait for the reader: about 4,000 lines, or
// the log of some seconds under full load. While they are written, as many can wait
// behind them.
const Capacity = 1 << 20

// flushTime bounds Close. A reader that is still there takes the rest within
// milliseconds; the end of the process must not wait for another one.
const flushTime = time.Second

// Writer writes lines to another writer in a goroutine of its own. It is safe for
// concurrent use.
type Writer struct {
	out     io.Writer
	report  func(out io.Writer, dropped uint64)
	wake    chan struct{} // has an element while the goroutine has something to look at
	ended   chan struct{}
	dropped atomic.Uint64
	cut     bool // the last line was written in part; used by the goroutine alone

	mu     sync.Mutex // held for no longer than it takes to copy a line
	queue  []byte
	gap    uint64 // lines that were dropped after the queue
	closed bool
}

// New returns a Writer to out. After lines were dropped, report is called where
// they would have been, as soon as out takes lines again; it must write one line to
// its argument. The caller must call Close.
func New(out io.Writer, report func(out io.Writer, dropped uint64)) *Writer {
	w := &Writer{out: out, report: report, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go w.run()
	return w
}

// Write queues whole lines. It never blocks on the reader and never fails: lines for
// which there is no room, and those after Close, are dropped and counted.
func (w *Writer) Write(lines []byte) (int, error) {
	w.mu.Lock()
	// After the first dropped line all are dropped until the queue is taken, so that
	// the gap is in one place.
	full := w.closed || w.gap > 0 || len(w.queue)+len(lines) > Capacity
	if full {
		w.gap += w.drop(lines)
	} else {
		w.queue = append(w.queue, lines...)
	}
	w.mu.Unlock()
	w.wakeUp()
	return len(lines), nil
}

// Dropped returns the number of lines that were dropped so far.
func (w *Writer) Dropped() uint64 { return w.dropped.Load() }

// Close blocks until everything is written, for at most a second. It does not close
// the other writer. Call it once.
func (w *Writer) Close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.wakeUp()
	select {
	case <-w.ended:
	case <-time.After(flushTime):
	}
}

func (w *Writer) wakeUp() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// drop counts lines that are not written, and returns their number.
func (w *Writer) drop(lines []byte) uint64 {
	n := uint64(bytes.Count(lines, []byte("\n")))
	w.dropped.Add(n)
	return n
}

// run writes what is queued, until the Writer is closed.
func (w *Writer) run() {
	defer close(w.ended)
	var batch []byte
	lost := uint64(0) // lines that were dropped and not reported yet
	for range w.wake {
		w.mu.Lock()
		batch, w.queue = w.queue, batch[:0]
		gap, closed := w.gap, w.closed
		w.gap = 0
		w.mu.Unlock()
		lost = w.send(batch, lost)
		lost = w.send(nil, lost+gap)
		if closed {
			return
		}
	}
}

// send reports the lines that were lost before batch and writes batch. It returns
// the number of lines that are lost then.
func (w *Writer) send(batch []byte, lost uint64) uint64 {
	if lost > 0 {
		line := &checked{Writer: w.out}
		if w.cut { // a full disk has room again: the rest of a line is missing
			_, _ = line.Write([]byte("\n"))
		}
		w.report(line, lost)
		if line.err != nil {
			return lost + w.drop(batch)
		}
		w.cut = false
	}
	if len(batch) == 0 {
		return 0
	}
	n, err := w.out.Write(batch)
	if err != nil && n > 0 {
		w.cut = batch[n-1] != '\n' && !errors.Is(err, syscall.EPIPE) // another reader of a pipe begins with a new line
	}
	return w.drop(batch[n:])
}

// checked keeps the first error of a Writer.
type checked struct {
	io.Writer
	err error
}

func (c *checked) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	if c.err == nil {
		c.err = err
	}
	return n, err
}
