// Command peers does the same work with three ways to share WeChat's tickets:
// addcard's, and those of two Go SDKs. It starts a Redis server, a WeChat that
// counts, and processes of itself. See docs/benchmarks.md; `make bench-peers`.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// work is what a child process is told on its standard input.
type work struct {
	Peer, Upstream, Redis string
	Callers               int
	Seconds               float64 // callers ask again and again for so long; 0: once each
	Reads                 int     // of a hot value, by one caller
}

// result is what it answers on its standard output.
type result struct {
	Calls, Errors int
	Slowest       time.Duration
	LastError     time.Time
	PerRead       float64 // ns
}

func main() {
	child := flag.Bool("child", false, "")
	runs := flag.Int("runs", 3, "how often each is done; the middle one is printed")
	flag.Parse()
	if *child {
		serveChild()
		return
	}
	if err := compare(*runs); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

var peers = []string{"addcard", "silenceper/wechat v2.1.10", "PowerWeChat v3.4.38"}

const processes, callers = 8, 64

func compare(runs int) error {
	fmt.Println("| | " + strings.Join(peers, " | ") + " |")
	fmt.Println("| --- |" + strings.Repeat(" --- |", len(peers)))
	for _, row := range []struct {
		what string
		do   func(peer string) (string, error)
	}{
		{"cold start, 8 processes × 64 callers: calls to WeChat · errors · slowest caller", cold},
		{"WeChat fails for 5 s, 8 processes × 8 callers that go on asking: calls to WeChat meanwhile · last error after its return", outage},
		{"reading a value that is there: time · commands to Redis", hot},
	} {
		cells := []string{row.what}
		for _, peer := range peers {
			var said []string
			for range runs {
				cell, err := row.do(peer)
				if err != nil {
					return fmt.Errorf("%s: %s: %w", row.what, peer, err)
				}
				said = append(said, cell)
			}
			fmt.Fprintf(os.Stderr, "%s, %s: %q\n", row.what, peer, said)
			cells = append(cells, said[len(said)/2])
		}
		fmt.Println("| " + strings.Join(cells, " | ") + " |")
	}
	return nil
}

// wechat counts the calls that issue something.
type wechat struct {
	*httptest.Server
	tokens, tickets atomic.Int64
	failing         atomic.Bool
}

func newWeChat() *wechat {
	w := &wechat{}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		answer := `{"errcode":0,"errmsg":"ok","ticket":"ticket","expires_in":7200}`
		if strings.HasSuffix(r.URL.Path, "token") {
			w.tokens.Add(1)
			answer = `{"access_token":"token","expires_in":7200}`
		} else {
			w.tickets.Add(1)
		}
		time.Sleep(100 * time.Millisecond)
		if w.failing.Load() {
			answer = `{"errcode":-1,"errmsg":"system error"}`
		}
		rw.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(rw, answer)
	}))
	return w
}

func (w *wechat) calls() int64 { return w.tokens.Load() + w.tickets.Load() }

// stage is a WeChat and a Redis of one run.
type stage struct {
	*wechat
	redis string
	stop  func()
}

func newStage() (*stage, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	cmd := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", addr[strings.LastIndexByte(addr, ':')+1:], "--save", "", "--appendonly", "no")
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &stage{wechat: newWeChat(), redis: addr}
	s.stop = func() { s.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() }
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if conn, err := net.Dial("tcp", addr); err == nil {
			return s, conn.Close()
		} else if time.Now().After(deadline) {
			s.stop()
			return nil, err
		}
	}
}

// run has n processes do the same work at once; during runs beside them.
func (s *stage) run(n int, w work, during func()) ([]result, error) {
	w.Upstream, w.Redis = s.URL, s.redis
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	results := make([]result, n)
	errs := make([]error, n)
	var ready, done sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		ready.Add(1)
		done.Go(func() { errs[i] = child(exe, w, ready.Done, start, &results[i]) })
	}
	ready.Wait()
	close(start)
	if during != nil {
		during()
	}
	done.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}

func child(exe string, w work, ready func(), start <-chan struct{}, into *result) error {
	said := sync.OnceFunc(ready)
	defer said()
	dir, err := os.MkdirTemp("", "peers-") // PowerWeChat writes a log
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	cmd := exec.Command(exe, "-child")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewReader(out)
	if err := json.NewEncoder(in).Encode(w); err != nil {
		return err
	}
	if err := readLine(lines, "ready"); err != nil {
		return err
	}
	said()
	<-start
	if _, err := io.WriteString(in, "go\n"); err != nil {
		return err
	}
	for {
		line, err := lines.ReadString('\n')
		if text, ok := strings.CutPrefix(line, "result "); ok {
			if err := json.Unmarshal([]byte(text), into); err != nil {
				return err
			}
			return cmd.Wait()
		}
		if err != nil {
			return fmt.Errorf("a process ended without a result: %w", err)
		}
	}
}

// readLine skips what a library may print until it finds want.
func readLine(r *bufio.Reader, want string) error {
	for {
		line, err := r.ReadString('\n')
		if strings.TrimSpace(line) == want {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func cold(peer string) (string, error) {
	s, err := newStage()
	if err != nil {
		return "", err
	}
	defer s.stop()
	results, err := s.run(processes, work{Peer: peer, Callers: callers}, nil)
	if err != nil {
		return "", err
	}
	var total result
	for _, r := range results {
		total.Errors += r.Errors
		total.Slowest = max(total.Slowest, r.Slowest)
	}
	return fmt.Sprintf("%d + %d · %d · %.2f s", s.tokens.Load(), s.tickets.Load(), total.Errors, total.Slowest.Seconds()), nil
}

func outage(peer string) (string, error) {
	s, err := newStage()
	if err != nil {
		return "", err
	}
	defer s.stop()
	s.failing.Store(true)
	var meanwhile int64
	var back time.Time
	results, err := s.run(processes, work{Peer: peer, Callers: 8, Seconds: 15}, func() {
		time.Sleep(5 * time.Second)
		meanwhile, back = s.calls(), time.Now()
		s.failing.Store(false)
	})
	if err != nil {
		return "", err
	}
	last := back
	for _, r := range results {
		if r.LastError.After(last) {
			last = r.LastError
		}
	}
	return fmt.Sprintf("%d · after %.1f s", meanwhile, last.Sub(back).Seconds()), nil
}

func hot(peer string) (string, error) {
	s, err := newStage()
	if err != nil {
		return "", err
	}
	defer s.stop()
	results, err := s.run(1, work{Peer: peer, Callers: 1, Reads: 20000}, nil)
	if err != nil {
		return "", err
	}
	commands, err := s.commands()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%.0f ns · %.1f", results[0].PerRead, float64(commands)/20000), nil
}

// commands asks Redis how many commands it has had.
func (s *stage) commands() (n int, err error) {
	conn, err := net.Dial("tcp", s.redis)
	if err != nil {
		return 0, err
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "INFO stats\r\n"); err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		if k, _ := fmt.Sscanf(lines.Text(), "total_commands_processed:%d", &n); k == 1 {
			return n, nil
		}
	}
	return 0, fmt.Errorf("redis does not say how many commands it had")
}

func serveChild() {
	in := bufio.NewReader(os.Stdin)
	line, err := in.ReadString('\n')
	var w work
	if err == nil {
		err = json.Unmarshal([]byte(line), &w)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	get, err := open(w)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("ready")
	if err := readLine(in, "go"); err != nil {
		os.Exit(1)
	}
	raw, err := json.Marshal(perform(w, get))
	if err != nil {
		os.Exit(1)
	}
	fmt.Println("result " + string(raw))
}

// perform has the callers ask.
func perform(w work, get func(context.Context) (string, error)) (r result) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	began := time.Now()
	for range w.Callers {
		wg.Go(func() {
			for {
				asked := time.Now()
				ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
				_, err := get(ctx)
				cancel()
				mu.Lock()
				r.Calls++
				r.Slowest = max(r.Slowest, time.Since(asked))
				if err != nil {
					r.Errors++
					r.LastError = time.Now()
				}
				mu.Unlock()
				if time.Since(began).Seconds() >= w.Seconds {
					return
				}
				time.Sleep(50 * time.Millisecond)
			}
		})
	}
	wg.Wait()
	if w.Reads > 0 {
		began := time.Now()
		for range w.Reads {
			if _, err := get(context.Background()); err != nil {
				r.Errors++
			}
		}
		r.PerRead = float64(time.Since(began).Nanoseconds()) / float64(w.Reads)
	}
	return r
}
