//go:build linux

package attack

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/server"
)

// The criteria under five times the load that the server can carry.
const (
	overload       = 5
	minGoodput     = 0.8 // of what was served per second at full load
	maxRefusalTime = 50 * time.Millisecond
)

// Requests arrive at times that are fixed in advance, five times as many as the
// server can answer. It goes on serving about as many as it can, and refuses
// the others at once. Server and clients share two processors.
func TestOverload_IsRefusedAtOnceAndTheRestIsServed(t *testing.T) {
	if !full {
		t.Skip("only in the long form: make attack")
	}
	const json = "Content-Type: application/json"
	for _, load := range []struct {
		name     string
		admin    bool
		members  int // enough for RATE_LIMIT_PER_MEMBER
		requests func(s *stage, m *member) [][]byte
	}{
		{"mini-programs", false, 800, func(s *stage, m *member) [][]byte {
			token := "Authorization: Bearer " + m.token
			return [][]byte{
				http11("GET", "/v1/me", "", token),
				http11("POST", "/v1/card-ext", `{"cards":[{"card_id":"`+s.cardID+`"}]}`, json, token),
				http11("GET", "/v1/me"+s.entriesPath(m)[3:], "", token),
			}
		}},
		{"entries", true, 50, func(s *stage, m *member) [][]byte {
			return [][]byte{http11("POST", s.entriesPath(m), `{"add_bonus":1}`, json, "Idempotency-Key: overload#########",
				"Authorization: Bearer "+server.AdminToken)}
		}},
	} {
		t.Run(load.name, func(t *testing.T) {
			s := open(t, setup{members: load.members, prefix: preferred, env: []string{"RATE_LIMIT_PER_IP=0"}})
			s.waitForMessages()
			o := order{Manner: repeats, Target: s.process.public, From: addresses(400)}
			if load.admin {
				o.Target = s.process.admin
			}
			for _, m := range s.members {
				o.Requests = append(o.Requests, load.requests(s, m)...)
			}
			s.overload(load.name, o)
		})
	}
}

// preferred is a command that runs another on two processors, before other programs
// if the user may do that.
var preferred = []string{"nice", "-n", "-10", "taskset", "-c", "0,1"}

// waitForMessages waits until WeChat has got all messages.
func (s *stage) waitForMessages() {
	s.t.Helper()
	for deadline := time.Now().Add(timeout); ; <-time.After(100 * time.Millisecond) {
		var body []byte
		s.ask(newRequest(http.MethodGet, "http://"+s.process.admin+"/metrics", server.AdminToken, nil), &body)
		if bytes.Contains(body, []byte("\naddcard_outbox_messages{state=\"waiting\"} 0\n")) {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatal("messages wait for WeChat after a minute")
		}
	}
}

func (s *stage) load(o order, conns int, rate float64, d time.Duration) outcome {
	o.Conns, o.Rate, o.For = conns, rate, d
	return s.clients(o, preferred...).outcome()
}

// overload measures the capacity, overloads the server and watches its return. The
// capacity is measured before and after, because the speed of a machine changes.
func (s *stage) overload(name string, o order) {
	s.load(o, 16, 0, 2*time.Second) // warms up
	clients, capacity := 64, s.capacity(o, 64)
	if more := s.capacity(o, 256); more > capacity {
		clients, capacity = 256, more
	}
	for _, conns := range []int{500, 1000} {
		rate := overload * capacity
		before := s.load(o, 100, capacity/3, 3*time.Second)
		watch := s.process.watch()
		during := s.load(o, conns, rate, 10*time.Second)
		use := watch()
		after := s.load(o, 100, capacity/3, 8*time.Second)
		again := s.capacity(o, clients)
		can := (capacity + again) / 2
		capacity = again

		goodput := float64(during.Served.N) / during.Took.Seconds() / can
		s.t.Logf("before: %v\nduring: %v\n  %.0f arrivals/s, goodput %.0f %%, %d refusals without Retry-After, %v, the clients use %.2f processors\n%vafter:\n%v",
			before, during, rate, 100*goodput, during.NoRetryAfter, use, during.Processor.Seconds()/during.Took.Seconds(),
			seconds(during.Seconds), seconds(after.Seconds))
		back := returned(before, after)
		fmt.Printf("| %s | %d | %.0f/s | %.0f/s | %.0f %% | %d | %.0f ms | %d | %d MiB | %.0f s |\n", name, conns, can, rate,
			100*goodput, during.Refused.N, ms(during.Refused.P99), use.descriptors, use.rss, back.Seconds())
		if goodput < minGoodput || during.Refused.P99 > maxRefusalTime || during.NoRetryAfter > 0 || use.rss > maxRSS || back > recovery ||
			use.descriptors > conns+100 {
			s.t.Errorf("%d connections: goodput %.0f %%, refusals within %v, %d without Retry-After, %v, normal again after %v", conns, 100*goodput,
				during.Refused.P99, during.NoRetryAfter, use, back)
		}
	}
}

// capacity returns how many requests a second are served to so many clients
// that wait for their answers.
func (s *stage) capacity(o order, conns int) float64 {
	watch := s.process.watch()
	got := s.load(o, conns, 0, 10*time.Second)
	use := watch()
	rate := float64(got.Served.N) / got.Took.Seconds()
	s.t.Logf("%d clients are served %.0f requests a second: %v; %v; a request costs the server %.0f µs and the clients %.0f µs", conns, rate, got, use,
		1e6*use.processors/rate, 1e6*got.Processor.Seconds()/float64(got.Served.N))
	return rate
}

// returned returns for how many seconds the clients of after were not served as well
// as those of before: all but 1 % of them, with at most twice the median.
func returned(before, after outcome) (abnormal time.Duration) {
	normal := max(2*before.Served.P50, 5*time.Millisecond)
	for _, sec := range after.Seconds {
		if sec.Planned > 0 && (sec.Good*100 < sec.Planned*99 || sec.P50 > normal) {
			abnormal += time.Second
		}
	}
	return abnormal
}

type seconds []second

func (list seconds) String() (text string) {
	for i, s := range list {
		text += fmt.Sprintf("  second %2d: %6d planned and sent, %6d good, %6d refused, %5d failed, p50 %.1f ms\n", i, s.Planned, s.Good, s.Refused,
			s.Failed, ms(s.P50))
	}
	return text
}
