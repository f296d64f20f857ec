package crash

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/server"
)

// liar is a receiver of webhooks that is slow, fails, redirects, breaks off, and
// sometimes accepts an event without saying so. It can be killed and started again.
type liar struct {
	t       *testing.T
	addr    string
	process *http.Server

	mu     sync.Mutex
	rng    *rand.Rand
	secret string
	bodies map[string]string  // by webhook-id
	seqs   map[string][]int64 // of the entries of each code, in the order of the first acceptance
	count  int                // of the entries
	again  int                // accepted once more
}

func newLiar(t *testing.T, seed uint64) *liar {
	l := &liar{t: t, addr: "127.0.0.1:0", rng: rand.New(rand.NewPCG(seed, 1)), bodies: map[string]string{}, seqs: map[string][]int64{}}
	l.start()
	t.Cleanup(l.kill)
	return l
}

// start listens, the second time at the same address.
func (l *liar) start() {
	listener, err := net.Listen("tcp", l.addr)
	if err != nil {
		l.t.Fatal(err)
	}
	l.addr, l.process = listener.Addr().String(), &http.Server{Handler: l}
	go func(p *http.Server) { _ = p.Serve(listener) }(l.process)
}

// kill cuts all connections.
func (l *liar) kill() { _ = l.process.Close() }

// ServeHTTP implements http.Handler.
func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	l.mu.Lock()
	lie, slow := l.rng.IntN(60), time.Duration(l.rng.IntN(20))*time.Millisecond
	if l.rng.IntN(2000) == 0 {
		slow = 11 * time.Second
	}
	l.mu.Unlock()
	select {
	case <-time.After(slow):
	case <-r.Context().Done():
	}
	switch lie {
	case 0, 1:
		w.WriteHeader(http.StatusInternalServerError)
	case 2:
		http.Redirect(w, r, "http://"+r.Host+"/elsewhere", http.StatusTemporaryRedirect)
	case 3:
		panic(http.ErrAbortHandler)
	case 4:
		l.accept(r.Header, body)
		panic(http.ErrAbortHandler) // the answer is lost
	case 5:
		l.accept(r.Header, body)
		w.WriteHeader(http.StatusInternalServerError)
	case 6: // the answer is cut off, or too long
		l.accept(r.Header, body)
		w.Header().Set("Content-Length", "1000000")
		_, _ = w.Write(bytes.Repeat([]byte("a"), l.upTo(200_000)))
	default: // 200 without a body
		l.accept(r.Header, body)
	}
}

func (l *liar) upTo(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rng.IntN(n)
}

func (l *liar) accept(h http.Header, body []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !verify(l.secret, h, body) {
		l.t.Errorf("a wrong signature: %v of %s", h, body)
	}
	id := h.Get("webhook-id")
	if before, known := l.bodies[id]; known {
		l.again++
		if before != string(body) {
			l.t.Errorf("%s was %s and is %s", id, before, body)
		}
		return
	}
	l.bodies[id] = string(body)
	var e struct {
		Type string
		Data struct {
			Code string
			Seq  int64
		}
	}
	if err := json.Unmarshal(body, &e); err != nil {
		l.t.Errorf("%s: %v", body, err)
	}
	if e.Type == "entry.created" {
		l.count++
		l.seqs[e.Data.Code] = append(l.seqs[e.Data.Code], e.Data.Seq)
	}
}

// verify reports whether the specification of Standard Webhooks accepts a request.
func verify(secret string, h http.Header, body []byte) bool {
	id, at := h.Get("webhook-id"), h.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(at, 10, 64)
	key, err2 := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if id == "" || err != nil || err2 != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "."))
	mac.Write(body)
	return h.Get("webhook-signature") == "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func (l *liar) received() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count
}

// Both replicas are killed again and again while entries are booked, and so is the lying
// receiver that gets them: none is lost, each member's are in order, and a repetition
// has the same id and body.
func TestWebhooks(t *testing.T) {
	rounds, holders, each := 1, 8, 15
	if full {
		rounds, holders, each = 10, 40, 25
	}
	for database := range databases {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			n := seed(t)
			s := open(t, database, "", n, 2, holders)
			l := newLiar(t, n)
			var endpoint struct{ Secret string }
			s.ask(http.MethodPost, s.replicas[0].Load().Admin+"/v1/webhooks", server.AdminToken,
				object{"url": "http://" + l.addr, "events": []string{"entry.created"}}, &endpoint)
			l.secret = endpoint.Secret
			began, booked := time.Now(), 0
			for round := 0; round < rounds || time.Since(began) < soak; round++ {
				s.killWhileBooking(l, booked, each)
				booked += each
			}
			s.receives(l, booked*holders)
			l.mu.Lock()
			defer l.mu.Unlock()
			for _, c := range s.cards {
				for i, seq := range l.seqs[c.code] {
					if seq != int64(i+1) {
						t.Errorf("of %s were received, in this order: %d", c.code, l.seqs[c.code])
						break
					}
				}
				if got := len(l.seqs[c.code]); got != booked {
					t.Errorf("of %s %d entries were received", c.code, got)
				}
			}
			t.Logf("%s: %d entries, %d kills of both replicas, %d events accepted twice, in %s",
				database, l.count, booked/each, l.again, time.Since(began).Round(time.Second))
		})
	}
}

// killWhileBooking books n entries on each card, which has so many. Meanwhile both
// replicas and the receiver are killed.
func (s *deployment) killWhileBooking(l *liar, before, n int) {
	var booking sync.WaitGroup
	for _, c := range s.cards {
		booking.Go(func() {
			for i := range n {
				s.bookUntilAcknowledged(c, before+i)
			}
		})
	}
	s.receives(l, (before+n/2)*len(s.cards))
	l.kill()
	for i := range s.replicas {
		s.replicas[i].Load().Kill()
	}
	for i := range s.replicas {
		s.start(i)
	}
	l.start()
	booking.Wait()
}

// receives blocks until the receiver has n entries. It fails if none comes for a minute.
func (s *deployment) receives(l *liar, n int) {
	s.t.Helper()
	for got := l.received(); got < n; got = l.received() {
		s.eventually(fmt.Sprintf("more than %d events are received", got), func() bool { return l.received() > got })
	}
}

// bookUntilAcknowledged books an entry at either replica until it is acknowledged.
func (s *deployment) bookUntilAcknowledged(c *card, i int) {
	body := []byte(`{"add_bonus":1}`)
	s.eventually("an entry is acknowledged", func() bool {
		base := s.replicas[i%2].Load().Admin
		got, err := s.do(http.MethodPost, base+s.entriesPath(c), server.AdminToken, fmt.Sprint(c.code, " ", i), body)
		return err == nil && got.status == http.StatusCreated
	})
}
