//go:build linux

package crash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/addcard/addcard/internal/testing/server"
)

// request is a request for an entry and its result.
type request struct {
	card                 *card
	record               string // text of the entry and of the message, and idempotency key
	addBonus, addBalance int64
	notify               bool

	seqBefore          int64 // the greatest acknowledged seq of the card before the request was sent
	sentAt, answeredAt time.Time
	refused            bool  // 409: nothing must have been written
	entry              entry // the acknowledged one
}

// load is callers that add entries to the cards. Each caller repeats its
// request with the same key, on any replica, until it gets a result. So in the
// end the ledger must have exactly the acknowledged entries.
type load struct {
	deployment *deployment
	stop       atomic.Bool
	wg         sync.WaitGroup

	mu         sync.Mutex
	requests   []*request
	answers    map[int]int // by status
	unanswered int         // requests without an answer
	replays    int         // acknowledged requests that were sent once more
	replayed   int         // acknowledged by a replay, because the first answer was lost
}

func (s *deployment) load(seed uint64, callers int, pause time.Duration) *load {
	l := &load{deployment: s, answers: map[int]int{}}
	for c := range callers {
		rng := rand.New(rand.NewPCG(seed, uint64(c)))
		l.wg.Go(func() {
			for i := 0; !l.stop.Load() && l.sendUntilAnswered(rng, l.next(rng, fmt.Sprintf("%d-%d", c, i))); i++ {
				time.Sleep(randomUpTo(rng, 2*pause)) // the rate of the load
			}
		})
	}
	s.t.Cleanup(l.end)
	return l
}

func randomUpTo(rng *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(rng.Int64N(int64(d)))
}

// end waits until all callers have finished their requests.
func (l *load) end() {
	l.stop.Store(true)
	l.wg.Wait()
}

// next returns a random request: mostly bonus, some balance, some negative,
// some without a notification.
func (l *load) next(rng *rand.Rand, record string) *request {
	o := &request{card: l.deployment.cards[rng.IntN(len(l.deployment.cards))], record: record, notify: rng.IntN(5) > 0}
	o.addBonus = 1 + rng.Int64N(9)
	if rng.IntN(4) == 0 {
		o.addBonus = -o.addBonus
	}
	if rng.IntN(5) == 0 {
		o.addBalance = 1 + rng.Int64N(900)
	}
	return o
}

func (o *request) body() []byte {
	in := object{"add_bonus": o.addBonus, "record_bonus": o.record, "notify_bonus": o.notify}
	if o.addBalance != 0 {
		in["add_balance"], in["record_balance"], in["notify_balance"] = o.addBalance, o.record, o.notify
	}
	raw, err := json.Marshal(in)
	if err != nil {
		panic(err)
	}
	return raw
}

// sendUntilAnswered sends the request until it has a result, and reports
// whether it got one.
func (l *load) sendUntilAnswered(rng *rand.Rand, o *request) bool {
	o.seqBefore = o.card.newest.Load()
	deadline := time.Now().Add(2 * timeout)
	for time.Now().Before(deadline) {
		o.sentAt = time.Now()
		got, err := l.send(rng, o)
		o.answeredAt = time.Now()
		l.count(got, err)
		switch {
		case err == nil && got.status == http.StatusCreated:
			return l.recordAcknowledged(rng, o, got)
		case err == nil && got.status == http.StatusConflict:
			o.refused = true
			l.record(o)
			return true
		case err == nil && got.status == http.StatusNotFound:
			// The port of a server that was killed is another process's now. A 404 of
			// our own would not end.
		case err == nil && got.status != http.StatusServiceUnavailable:
			l.deployment.t.Errorf("%s: %d %s", o.record, got.status, got.body)
			return false
		}
		time.Sleep(5*time.Millisecond + randomUpTo(rng, 40*time.Millisecond)) // like a real caller
	}
	l.deployment.t.Errorf("%s: never answered", o.record)
	return false
}

func (l *load) send(rng *rand.Rand, o *request) (reply, error) {
	s := l.deployment.replicas[rng.IntN(len(l.deployment.replicas))].Load()
	return l.deployment.do(http.MethodPost, s.Admin+l.deployment.entriesPath(o.card), server.AdminToken, o.record, o.body())
}

func (l *load) count(got reply, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.unanswered++
		return
	}
	l.answers[got.status]++
}

func (l *load) record(o *request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests = append(l.requests, o)
}

// recordAcknowledged records an acknowledged request. It sends every tenth once
// more, which must get the same answer, byte for byte.
func (l *load) recordAcknowledged(rng *rand.Rand, o *request, first reply) bool {
	var out struct{ Entry entry }
	if err := json.Unmarshal(first.body, &out); err != nil {
		l.deployment.t.Errorf("%s: %s: %v", o.record, first.body, err)
		return false
	}
	o.entry = out.Entry
	for newest := o.card.newest.Load(); o.entry.Seq > newest && !o.card.newest.CompareAndSwap(newest, o.entry.Seq); {
		newest = o.card.newest.Load()
	}
	l.record(o)
	l.mu.Lock()
	if first.replayed {
		l.replayed++
	}
	l.mu.Unlock()
	if rng.IntN(10) > 0 {
		return true
	}
	again, err := l.send(rng, o)
	l.count(again, err)
	if err == nil && again.status != http.StatusServiceUnavailable {
		if again.status != http.StatusCreated || !again.replayed || !bytes.Equal(again.body, first.body) {
			l.deployment.t.Errorf("%s once more: %d %v %s, first %s", o.record, again.status, again.replayed, again.body, first.body)
		}
		l.mu.Lock()
		l.replays++
		l.mu.Unlock()
	}
	return true
}
