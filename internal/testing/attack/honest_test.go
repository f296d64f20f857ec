//go:build linux

package attack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/server"
	"github.com/addcard/addcard/internal/wechatsim/push"
)

// kind is a kind of honest request.
type kind struct {
	name  string
	limit time.Duration // in which it must be served
	// send sends one request on a kept connection or on a new one, and returns
	// how long the answer took.
	send func(fresh bool) (took time.Duration, err error)
}

// traffic is all kinds of honest requests to one server. Those in spares need
// not be served.
type traffic struct {
	kinds  []kind
	spares []string
}

// interval is the time between two requests of one kind.
const interval = 100 * time.Millisecond

// traffic returns the honest clients: members, a new member for each login, the
// operator, Prometheus, the probes of a load balancer, and WeChat.
func (s *stage) traffic(spares []string) *traffic {
	const second = time.Second
	some := func() *member { return s.members[int(s.next())%len(s.members)] }
	ofMember := func(send func(m *member) *http.Request) func(bool) (time.Duration, error) {
		return func(fresh bool) (time.Duration, error) {
			m := some()
			c := m.client
			if fresh {
				c = clientFrom(m.addr, false)
			}
			return s.timed(c, send(m), nil)
		}
	}
	operator, probe, wechat := pairFrom("127.0.0.11"), pairFrom("127.0.0.12"), pairFrom("127.0.0.13")
	cards := object{"cards": []any{object{"card_id": s.cardID}}}
	public, admin := "http://"+s.process.public, "http://"+s.process.admin
	probing := func(url string) func(bool) (time.Duration, error) {
		return func(fresh bool) (time.Duration, error) {
			return s.timed(probe.of(fresh), newRequest("GET", url, "", nil), nil)
		}
	}
	return &traffic{spares: spares, kinds: []kind{
		{"me", second, ofMember(func(m *member) *http.Request { return s.request("GET", "/v1/me", m.token, nil) })},
		{"card-ext", second, ofMember(func(m *member) *http.Request { return s.request("POST", "/v1/card-ext", m.token, cards) })},
		{"own entries", second, ofMember(func(m *member) *http.Request { return s.request("GET", "/v1/me"+s.entriesPath(m)[3:], m.token, nil) })},
		{"login", 2 * second, s.logIn},
		{"entry", second, func(fresh bool) (time.Duration, error) {
			req := s.operator("POST", s.entriesPath(some()), object{"add_bonus": 1})
			req.Header.Set("Idempotency-Key", fmt.Sprint("honest", s.next()))
			return s.timed(operator.of(fresh), req, nil)
		}},
		{"members", second, func(fresh bool) (time.Duration, error) {
			return s.timed(operator.of(fresh), s.operator("GET", "/v1/members?limit=10", nil), nil)
		}},
		{"metrics", second, func(fresh bool) (time.Duration, error) {
			var body []byte
			took, err := s.timed(probe.of(fresh), newRequest("GET", admin+"/metrics", server.AdminToken, nil), &body)
			s.process.sawMetrics(body)
			return took, err
		}},
		{"healthz", second, probing(public + "/healthz")},
		{"readyz", second, probing(public + "/readyz")},
		{"admin healthz", second, probing(admin + "/healthz")},
		{"admin readyz", second, probing(admin + "/readyz")},
		{"push", second, func(fresh bool) (time.Duration, error) {
			req, err := s.push()
			if err != nil {
				return 0, err
			}
			return s.timed(wechat.of(fresh), req, nil)
		}},
	}}
}

// push returns an authentic push of WeChat.
func (s *stage) push() (*http.Request, error) {
	t := push.Trigger{Callback: s.callback, Event: "user_view_card", FromUserName: fmt.Sprint("oPush", s.next())}
	return t.Request(context.Background())
}

// pair is the two clients of one address: with kept connections, and without.
type pair struct{ kept, fresh *http.Client }

func pairFrom(addr string) pair { return pair{clientFrom(addr, true), clientFrom(addr, false)} }

func (p pair) of(fresh bool) *http.Client {
	if fresh {
		return p.fresh
	}
	return p.kept
}

// logIn logs a new member in, from an address of its own.
func (s *stage) logIn(bool) (time.Duration, error) {
	n := s.next()
	code, err := s.wechat.login(fmt.Sprint("new", n))
	if err != nil {
		return 0, fmt.Errorf("the simulator: %w", err)
	}
	c := clientFrom(fmt.Sprintf("127.0.%d.%d", 200+n/250%50, 1+n%250), false)
	return s.timed(c, s.request("POST", "/v1/session", "", object{"code": code}), nil)
}

func (s *stage) timed(c *http.Client, req *http.Request, out any) (time.Duration, error) {
	began := time.Now()
	err := s.do(c, req, out)
	return time.Since(began), err
}

// tally is what honest clients got, by kind.
type tally struct{ kinds []*kindTally }

type kindTally struct {
	name string

	mu         sync.Mutex
	inTime     int            // served in time
	late       int            // served, but late
	unanswered int            // within patience
	refused    map[string]int // by status
	took       []time.Duration
	slowest    time.Duration // answer, whatever it was
	example    error
}

func (k *kindTally) add(took, limit time.Duration, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var refusal statusError
	answered := errors.As(err, &refusal)
	switch {
	case err == nil && took <= limit:
		k.inTime++
	case err == nil:
		k.late++
	case answered:
		k.refused[fmt.Sprint(refusal.status)]++
	default:
		k.unanswered++
		k.example = err
	}
	if err == nil {
		k.took = append(k.took, took)
	}
	k.slowest = max(k.slowest, took)
}

// sent returns how many requests there were. Call its methods when the traffic
// has ended.
func (k *kindTally) sent() int {
	n := k.inTime + k.late + k.unanswered
	for _, count := range k.refused {
		n += count
	}
	return n
}

// served returns the share that was served in time.
func (k *kindTally) served() float64 { return float64(k.inTime) / float64(max(k.sent(), 1)) }

// quantile returns a quantile of the time until a request was served, in ms.
func (k *kindTally) quantile(q float64) float64 {
	if len(k.took) == 0 {
		return 0
	}
	slices.Sort(k.took)
	return float64(k.took[int(q*float64(len(k.took)-1))].Microseconds()) / 1000
}

func (k *kindTally) String() string {
	text := fmt.Sprintf("  %-14s %4d sent %5.1f %% served in time  p50 %7.1f  p99 %7.1f  slowest answer %7.0f ms", k.name, k.sent(), 100*k.served(),
		k.quantile(0.5), k.quantile(0.99), float64(k.slowest.Milliseconds()))
	for _, status := range slices.Sorted(maps.Keys(k.refused)) {
		text += fmt.Sprintf("  %d × %s", k.refused[status], status)
	}
	if k.unanswered > 0 {
		text += fmt.Sprintf("  %d unanswered (%v)", k.unanswered, k.example)
	}
	return text
}

func (t *tally) String() string {
	var b strings.Builder
	for _, k := range t.kinds {
		fmt.Fprintln(&b, k)
	}
	return b.String()
}

// served returns the share of all requests that were served in time.
func (t *tally) served() float64 {
	inTime, sent := 0, 0
	for _, k := range t.kinds {
		inTime, sent = inTime+k.inTime, sent+k.sent()
	}
	return float64(inTime) / float64(max(sent, 1))
}

// median returns the median of GET /v1/me, in ms.
func (t *tally) median() float64 { return t.kinds[0].quantile(0.5) }

// during sends requests of all kinds for so long and returns what the clients
// got. In the long form they arrive at fixed times. In the short form each kind
// waits for its answer, and the traffic goes on until every kind that is not
// spared was served, or a minute has passed.
func (t *traffic) during(d time.Duration) *tally {
	var wg sync.WaitGroup
	all := &tally{}
	for i, k := range t.kinds {
		of := &kindTally{name: k.name, refused: map[string]int{}}
		all.kinds = append(all.kinds, of)
		send := func(n int) {
			took, err := k.send(n%2 == 0)
			of.add(took, k.limit, err)
		}
		if full {
			wg.Go(func() { arrive(d, time.Duration(i)*interval/time.Duration(len(t.kinds)), send) })
		} else {
			wg.Go(func() { takeTurns(d, of, slices.Contains(t.spares, k.name), send) })
		}
	}
	wg.Wait()
	return all
}

// arrive calls send at each interval for so long, the first time after the
// offset, and waits for all calls.
func arrive(d, offset time.Duration, send func(n int)) {
	var wg sync.WaitGroup
	tick := time.NewTimer(offset)
	began := time.Now().Add(offset)
	for n := range int(d / interval) {
		<-tick.C
		wg.Go(func() { send(n) })
		tick.Reset(time.Until(began.Add(time.Duration(n+1) * interval)))
	}
	wg.Wait()
}

func takeTurns(d time.Duration, of *kindTally, spared bool, send func(n int)) {
	began := time.Now()
	for n := 0; time.Since(began) < d || !spared && of.inTime+of.late == 0 && time.Since(began) < timeout; n++ {
		send(n)
		<-time.After(interval) // the rate of the clients
	}
}

// answersAgain waits until a request of each kind is served in time again, and
// returns how long that took.
func (s *stage) answersAgain(t testing.TB) time.Duration {
	t.Helper()
	began := time.Now()
	var wg sync.WaitGroup
	for _, k := range s.traffic(nil).kinds {
		wg.Go(func() {
			for n := 0; ; n++ {
				took, err := k.send(n%2 == 0)
				if err == nil && (took <= k.limit || !full) {
					return
				}
				if time.Since(began) > timeout {
					t.Errorf("%s: not served a minute after the attack: %v after %v", k.name, err, took)
					return
				}
				<-time.After(interval / 2)
			}
		})
	}
	wg.Wait()
	return time.Since(began)
}
