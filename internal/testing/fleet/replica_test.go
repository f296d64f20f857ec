// Package fleet tests that several processes of the real server share one
// api_ticket, with real Redis servers and a simple WeChat of its own: in a cold
// start, renewals, kills, pauses, failovers and failures of WeChat. It has no
// exported API.
//
// `go test` runs a short form, `make fleet` (ADDCARD_FLEET=full) all of it.
// Each scenario logs one line: how often WeChat was called, how many callers
// got an error, how long the slowest waited, and whether a replica ever
// returned an older value after a newer one.
package fleet

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/redis"
	"github.com/addcard/addcard/internal/testing/server"
)

// full is true in the long form.
var full = os.Getenv("ADDCARD_FLEET") == "full"

const timeout = time.Minute // for what usually takes a moment

func TestMain(m *testing.M) { server.Main(m) }

// replica is a process of the server.
type replica struct {
	t                   testing.TB
	number              int
	publicURL, adminURL string // of the two listeners
	client              *http.Client
	process             *server.Server
}

// spawn starts a replica that calls WeChat at the URL wechat, with the
// variables of env added to its environment. It returns when the replica
// listens.
func spawn(t testing.TB, number int, wechat string, env ...string) *replica {
	t.Helper()
	s := server.Start(t, append(server.Environ(t.TempDir(), wechat), env...))
	r := &replica{t: t, number: number, publicURL: s.Public, adminURL: s.Admin, client: newClient(), process: s}
	t.Cleanup(r.client.CloseIdleConnections)
	return r
}

// newClient returns a client that keeps a connection for each of many callers.
func newClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 4096, DialContext: (&net.Dialer{Timeout: timeout}).DialContext},
		Timeout:   30 * time.Second,
	}
}

func (r *replica) signal(s os.Signal) {
	if err := r.process.Signal(s); err != nil {
		r.t.Errorf("signal replica %d: %v", r.number, err)
	}
}

// call sends one request and decodes the JSON answer into out unless out is
// nil.
func (r *replica) call(ctx context.Context, method, url, token string, body, out any) (status int, err error) {
	var send io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		send = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, send)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := r.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || out == nil || resp.StatusCode >= 300 {
		return resp.StatusCode, err
	}
	return resp.StatusCode, json.Unmarshal(raw, out)
}

// value requests a shared credential, like the shop's other services.
func (r *replica) value(ctx context.Context, kind string) (value string, err error) {
	var out struct{ Value string }
	status, err := r.call(ctx, http.MethodGet, r.adminURL+"/v1/tickets/"+kind, server.TicketToken, nil, &out)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d", status)
	}
	return out.Value, err
}

// tally is what callers got.
type tally struct {
	mu      sync.Mutex
	callers int
	errors  int
	longest time.Duration
	older   int
	example error
}

func (s *tally) add(took time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.callers++
	s.longest = max(s.longest, took)
	if err != nil {
		s.errors++
		s.example = err
	}
}

// request requests the ticket once for a caller that has seen newest, and
// returns the newest that the caller has seen.
func (s *tally) request(r *replica, newest int) int {
	began := time.Now()
	value, err := r.value(context.Background(), "wx_card")
	s.add(time.Since(began), err)
	n := number(value)
	if err == nil && n < newest {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.older++
	}
	time.Sleep(20 * time.Millisecond) // the rate of the load
	return max(n, newest)
}

func (s *tally) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprintf("%d calls, %d errors, longest wait %v, %d older after newer",
		s.callers, s.errors, s.longest.Round(time.Millisecond), s.older)
	if s.example != nil {
		text += fmt.Sprintf(" (%v)", s.example)
	}
	return text
}

// wantClean fails the test if a caller got an error or an older value.
func (s *tally) wantClean(t testing.TB) {
	t.Helper()
	if s.errors > 0 || s.older > 0 || s.callers == 0 {
		t.Errorf("%v", s)
	}
}

// load makes one caller at each replica request the wx_card ticket repeatedly.
// It returns stop, which ends the load and returns the tally.
func load(t testing.TB, replicas ...*replica) (stop func() *tally) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	seen := &tally{}
	for _, r := range replicas {
		wg.Go(func() {
			newest := 0
			for ctx.Err() == nil {
				newest = seen.request(r, newest)
			}
		})
	}
	stop = sync.OnceValue(func() *tally { cancel(); wg.Wait(); return seen })
	t.Cleanup(func() { stop() })
	return stop
}

// loadFor is like load, until so many calls were answered.
func loadFor(t testing.TB, calls int, replicas ...*replica) *tally {
	t.Helper()
	var total tally
	var wg sync.WaitGroup
	for _, r := range replicas {
		wg.Go(func() {
			newest := 0
			for range calls / len(replicas) {
				newest = total.request(r, newest)
			}
		})
	}
	wg.Wait()
	return &total
}

// eventually waits until ok returns true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(timeout); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", timeout, what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// agree waits until all replicas return the same ticket, and returns it.
func agree(t testing.TB, replicas ...*replica) (value string) {
	t.Helper()
	eventually(t, "all replicas return the same ticket", func() bool {
		var values []string
		for _, r := range replicas {
			v, err := r.value(t.Context(), "wx_card")
			if err != nil {
				return false
			}
			values = append(values, v)
		}
		slices.Sort(values)
		value = values[0]
		return len(slices.Compact(values)) == 1
	})
	return value
}

// stores are the kinds of shared store. Each starts one and returns the
// variable that selects it.
var stores = map[string]func(t testing.TB) string{
	"redis":    func(t testing.TB) string { return "REDIS_URL=" + redis.Single(t).URL() },
	"sentinel": func(t testing.TB) string { return "REDIS_URL=" + redis.Sentinel(t).URL() },
	"cluster":  func(t testing.TB) string { return "REDIS_URL=" + redis.Cluster(t).URL() },
	"sqlite":   func(t testing.TB) string { return "DATABASE_URL=sqlite:" + filepath.Join(t.TempDir(), "shared.db") },
}

// fleet starts n replicas on the store that env selects, each with its own URL
// of WeChat.
func fleet(t testing.TB, u *upstream, n int, env ...string) []*replica {
	t.Helper()
	replicas := make([]*replica, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { replicas[i] = spawn(t, i, u.newURL(i, nil), env...) })
	}
	wg.Wait()
	if slices.Contains(replicas, nil) {
		t.FailNow()
	}
	return replicas
}

// longFormOnly skips the test in the short form.
func longFormOnly(t *testing.T) {
	t.Helper()
	if !full {
		t.Skip("only in the long form: make fleet")
	}
}

// metric returns a metric without labels from /metrics.
func (r *replica) metric(name string) (float64, error) {
	req, err := http.NewRequest(http.MethodGet, r.adminURL+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+server.AdminToken)
	resp, err := r.client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		var v float64
		if n, _ := fmt.Sscanf(lines.Text(), name+" %g", &v); n == 1 {
			return v, nil
		}
	}
	return 0, fmt.Errorf("there is no metric %s", name)
}
