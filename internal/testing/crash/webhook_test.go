package crash

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/server"
)

// liar is a receiver of webhooks that is slow, fails, redirects, breaks off, and
// sometimes accepts an event without saying so.
type liar struct {
	t      *testing.T
	mu     sync.Mutex
	rng    *rand.Rand
	bodies map[string]string  // by webhook-id
	seqs   map[string][]int64 // of the entries of each code, in the order of the first acceptance
	again  int                // accepted once more
}

// ServeHTTP implements http.Handler.
func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	l.mu.Lock()
	lie, slow := l.rng.IntN(20), time.Duration(l.rng.IntN(20))*time.Millisecond
	l.mu.Unlock()
	<-time.After(slow)
	switch lie {
	case 0:
		w.WriteHeader(http.StatusInternalServerError)
	case 1:
		http.Redirect(w, r, "http://"+r.Host+"/elsewhere", http.StatusTemporaryRedirect)
	case 2:
		panic(http.ErrAbortHandler)
	case 3:
		l.accept(r.Header.Get("webhook-id"), string(body))
		panic(http.ErrAbortHandler) // the answer is lost
	default:
		l.accept(r.Header.Get("webhook-id"), string(body))
	}
}

func (l *liar) accept(id, body string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if before, known := l.bodies[id]; known {
		l.again++
		if before != body {
			l.t.Errorf("%s was %s and is %s", id, before, body)
		}
		return
	}
	l.bodies[id] = body
	var e struct {
		Type string
		Data struct {
			Code string
			Seq  int64
		}
	}
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		l.t.Errorf("%s: %v", body, err)
	}
	if e.Type == "entry.created" {
		l.seqs[e.Data.Code] = append(l.seqs[e.Data.Code], e.Data.Seq)
	}
}

func (l *liar) received() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, seqs := range l.seqs {
		n += len(seqs)
	}
	return n
}

// Two replicas are killed while entries are booked and a lying receiver gets them:
// none is lost, each member's are in order, and a repetition has the same id and body.
// ADDCARD_WEBHOOK_ENTRIES is how many are booked.
func TestWebhooks(t *testing.T) {
	entries, kills := 120, 1
	if text := os.Getenv("ADDCARD_WEBHOOK_ENTRIES"); text != "" {
		entries, _ = strconv.Atoi(text)
		kills = entries / 80
	}
	for database := range databases {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			const holders = 8
			n := seed(t)
			s := open(t, database, "", n, 2, holders)
			l := &liar{t: t, rng: rand.New(rand.NewPCG(n, 1)), bodies: map[string]string{}, seqs: map[string][]int64{}}
			receiver := httptest.NewServer(l)
			defer receiver.Close()
			s.ask(http.MethodPost, s.replicas[0].Load().Admin+"/v1/webhooks", server.AdminToken,
				object{"url": receiver.URL, "events": []string{"entry.created"}}, nil)
			var booking sync.WaitGroup
			for _, c := range s.cards {
				booking.Go(func() {
					for i := range entries / holders {
						s.bookUntilAcknowledged(c, i)
					}
				})
			}
			for i := range kills {
				s.eventually("some are received", func() bool { return l.received() >= (i+1)*entries/(kills+2) })
				for j := range s.replicas {
					s.replicas[j].Load().Kill()
				}
				for j := range s.replicas {
					s.start(j)
				}
			}
			booking.Wait()
			s.eventually("all are received", func() bool { return l.received() >= entries })
			l.mu.Lock()
			defer l.mu.Unlock()
			for _, c := range s.cards {
				for i, seq := range l.seqs[c.code] {
					if seq != int64(i+1) {
						t.Errorf("of %s were received, in this order: %d", c.code, l.seqs[c.code])
						break
					}
				}
				if got := len(l.seqs[c.code]); got != entries/holders {
					t.Errorf("of %s %d entries were received", c.code, got)
				}
			}
			t.Logf("%s: %d entries, %d kills of both replicas, %d events accepted twice", database, entries, kills, l.again)
		})
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
