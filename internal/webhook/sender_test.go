package webhook_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/datakey"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/webhook"
	"github.com/addcard/addcard/internal/webhook/sqlstore"
)

// world is a service in virtual time, whose endpoints are functions.
type world struct {
	*testing.T
	*webhook.Service
	db *sqldb.DB

	mu       sync.Mutex
	answer   func(ctx context.Context, host string, n int) (status int, err error) // n counts the requests of a host
	requests map[string][]request
	outcomes map[string]int
}

type request struct {
	at         time.Time
	id, body   string
	signatures int
}

// run runs a test in a world with an endpoint https://NAME.example/ for each name.
func run(t *testing.T, test func(w *world), names ...string) {
	t.Helper()
	t.Parallel()
	path := sqldbtest.File(t)
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, db: sqldbtest.Open(t, "sqlite:"+path), requests: map[string][]request{}, outcomes: map[string]int{}}
		w.passToNow()
		w.Service = w.replica()
		for _, name := range names {
			if _, _, err := w.Add(t.Context(), webhook.Endpoint{
				URL: "https://" + name + ".example/", Events: []string{webhook.All}, Enabled: true,
			}); err != nil {
				t.Fatal(err)
			}
		}
		test(w)
	})
}

// passToNow lets the virtual time pass until the triggers, which have the real time, do
// not write times in the future.
func (w *world) passToNow() {
	var now int64
	if err := w.db.Read().QueryRow(w.Context(), `select cast(unixepoch() as integer)`).Scan(&now); err != nil {
		w.Fatal(err)
	}
	time.Sleep(time.Until(time.Unix(now, 0).Add(time.Hour)))
}

func (w *world) replica() *webhook.Service {
	keys, err := datakey.Parse("k1:" + base64.StdEncoding.EncodeToString([]byte("32 bytes for sealing in the test")))
	if err != nil {
		w.Fatal(err)
	}
	s := webhook.New(sqlstore.New(w.db), webhook.Options{Keys: keys, Observe: func(outcome string) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.outcomes[outcome]++
	}})
	s.SetTransport(w)
	return s
}

// RoundTrip implements http.RoundTripper.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	body, _ := io.ReadAll(r.Body)
	host := strings.TrimSuffix(r.URL.Host, ".example")
	w.mu.Lock()
	w.requests[host] = append(w.requests[host], request{
		time.Now(), r.Header.Get("Webhook-Id"), string(body), len(strings.Fields(r.Header.Get("Webhook-Signature"))),
	})
	n, answer := len(w.requests[host]), w.answer
	w.mu.Unlock()
	status, err := http.StatusOK, error(nil)
	if answer != nil {
		status, err = answer(r.Context(), host, n)
	}
	if err != nil {
		return nil, err
	}
	h := http.Header{"Location": {"https://elsewhere.example/"}}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader("ok")), Request: r}, nil
}

func (w *world) setAnswer(f func(ctx context.Context, host string, n int) (int, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = f
}

func (w *world) sent(host string) []request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.requests[host])
}

// tell stores an event of a member.
func (w *world) tell(memberID string) {
	w.Helper()
	sqldbtest.Exec(w.T, w.db, `insert into webhook_event (type, member_id, card_id, code, data) values ('card.claimed', $1, 'c1', '1', '{"n":1}')`,
		memberID)
}

// start runs a sender until stop is called.
func (w *world) start(s *webhook.Service) (stop func()) {
	ctx, cancel := context.WithCancel(w.Context())
	var group sync.WaitGroup
	group.Go(func() { s.Run(ctx) })
	return func() { cancel(); group.Wait() }
}

// runFor runs a sender for that long. Tests of days run one only now and then, because
// each poll takes real time.
func (w *world) runFor(d time.Duration) {
	stop := w.start(w.Service)
	time.Sleep(d)
	stop()
}

// firstDue returns when the oldest delivery that waits is due.
func (w *world) firstDue() time.Time {
	w.Helper()
	list, err := w.Deliveries(w.Context(), w.status("a").ID, webhook.Filter{State: webhook.Waiting}, webhook.Mark{}, 100)
	if err != nil || len(list) == 0 {
		w.Fatal(list, err)
	}
	return list[len(list)-1].DueAt
}

// status returns the endpoint https://NAME.example/.
func (w *world) status(name string) webhook.Status {
	w.Helper()
	all, err := w.Endpoints(w.Context())
	i := slices.IndexFunc(all, func(e webhook.Status) bool { return e.URL == "https://"+name+".example/" })
	if err != nil || i < 0 {
		w.Fatal(all, err)
	}
	return all[i]
}

var errDown = errors.New("connection refused")

func TestRun_DeliversInOrder(t *testing.T) {
	run(t, func(w *world) {
		for i := range 60 {
			w.tell(fmt.Sprint("m", i%2))
		}
		stop := w.start(w.Service)
		time.Sleep(5 * time.Second)
		w.tell("m0")
		time.Sleep(time.Second)
		stop()
		if e := w.status("a"); e.Waiting != 0 || e.LastSuccessAt.IsZero() {
			w.Errorf("got %+v", e)
		}
		list, err := w.Deliveries(w.Context(), w.status("a").ID, webhook.Filter{}, webhook.Mark{}, 100)
		if err != nil || len(list) != 61 {
			w.Fatalf("got %d, %v", len(list), err)
		}
		for _, member := range []string{"m0", "m1"} {
			var want, got []string
			for _, d := range slices.Backward(list) {
				if d.MemberID == member {
					want = append(want, d.ID)
				}
			}
			for _, r := range w.sent("a") {
				if strings.Contains(r.body, `"member_id":"`+member+`"`) {
					got = append(got, r.id)
				}
			}
			if !slices.Equal(got, want) {
				w.Errorf("%s: sent %q, want %q", member, got, want)
			}
		}
	}, "a")
}

func TestRun_BacksOffForDaysAndThenParks(t *testing.T) {
	run(t, func(w *world) {
		w.setAnswer(func(_ context.Context, _ string, n int) (int, error) {
			return map[bool]int{true: 500, false: 200}[n <= 19], nil
		})
		w.tell("m")
		w.tell("m")
		for len(w.sent("a")) < 18 { // jitter can put the second attempt into the first run
			w.runFor(700 * time.Millisecond)
			time.Sleep(time.Until(w.firstDue()))
		}
		w.runFor(2 * time.Second)
		all := w.sent("a")
		if len(all) != 20 {
			w.Fatalf("%d attempts", len(all))
		}
		for i, r := range all[1:19] {
			wait, longest := r.at.Sub(all[i].at), min(time.Second<<i, 24*time.Hour)
			if r.id != all[0].id || r.body != all[0].body || wait < longest/2 || wait > longest+2*time.Second {
				w.Errorf("attempt %d after %s: %+v", i+2, wait, r)
			}
		}
		if e := w.status("a"); e.Dead != 1 || e.Waiting != 0 || all[19].id == all[0].id || all[19].at.Sub(all[18].at) > 2*time.Second {
			w.Errorf("got %+v, then %+v", e, all[19])
		}
	}, "a")
}

// The answers that count as a delivery, and those that do not.
func TestRun_Answers(t *testing.T) {
	for status, delivered := range map[int]bool{
		200: true, 202: true, 204: true, 299: true,
		301: false, 302: false, 307: false, 308: false, 400: false, 401: false, 404: false, 410: false, 413: false, 429: false,
		500: false, 503: false,
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			run(t, func(w *world) {
				w.setAnswer(func(context.Context, string, int) (int, error) { return status, nil })
				w.tell("m")
				stop := w.start(w.Service)
				time.Sleep(600 * time.Millisecond)
				stop()
				e := w.status("a")
				if (e.Waiting == 0) != delivered || (e.LastError == "") != delivered || len(w.sent("elsewhere")) > 0 {
					w.Errorf("got %+v", e)
				}
				if !delivered && !strings.Contains(e.LastError, fmt.Sprint(status)) {
					w.Errorf("it failed with %q", e.LastError)
				}
				if e.Enabled != (status != 410) || (e.DisabledReason == "") != (status != 410) {
					w.Errorf("switched off: %+v", e)
				}
			}, "a")
		})
	}
}

func TestRun_ADeadEndpointGetsFewProbesAndAllEventsLater(t *testing.T) {
	run(t, func(w *world) {
		w.setAnswer(func(context.Context, string, int) (int, error) { return 0, errDown })
		const members = 100
		for i := range members {
			w.tell(fmt.Sprint("m", i))
		}
		stop := w.start(w.Service)
		time.Sleep(3 * time.Hour)
		if n := len(w.sent("a")); n < 100 || n > 400 {
			w.Errorf("%d attempts in three hours", n)
		}
		if e := w.status("a"); e.Waiting != members || e.Dead != 0 || !e.Enabled || !strings.Contains(e.LastError, "refused") {
			w.Errorf("got %+v", e)
		}
		w.setAnswer(nil)
		time.Sleep(2 * time.Minute)
		stop()
		if e := w.status("a"); e.Waiting != 0 || e.LastError != "" {
			w.Errorf("two minutes later: %+v", e)
		}
	}, "a")
}

// All attempts of a moment fail together when a receiver is started anew: that is one
// reason to wait, not eight.
func TestRun_ARestartOfAReceiverDelaysBySeconds(t *testing.T) {
	run(t, func(w *world) {
		began := time.Now()
		w.setAnswer(func(context.Context, string, int) (int, error) {
			if time.Since(began) < 2*time.Second {
				return 0, errDown
			}
			return 200, nil
		})
		for i := range 50 {
			w.tell(fmt.Sprint("m", i))
		}
		w.runFor(6 * time.Second)
		if e := w.status("a"); e.Waiting != 0 || len(w.sent("a")) > 50+8+3 {
			w.Errorf("after %d attempts: %+v", len(w.sent("a")), e)
		}
	}, "a")
}

func TestRun_ASlowEndpointDelaysNoOther(t *testing.T) {
	run(t, func(w *world) {
		w.setAnswer(func(ctx context.Context, host string, _ int) (int, error) {
			if host == "slow" {
				<-ctx.Done()
				return 0, ctx.Err()
			}
			return 200, nil
		})
		const members = 50
		for i := range members {
			w.tell(fmt.Sprint("m", i))
		}
		stop := w.start(w.Service)
		defer stop()
		time.Sleep(3 * time.Second)
		if fast, slow := w.status("fast"), w.status("slow"); fast.Waiting != 0 || slow.Waiting != members || len(w.sent("slow")) != 8 {
			w.Errorf("fast: %+v, slow: %+v after %d", fast, slow, len(w.sent("slow")))
		}
		time.Sleep(10 * time.Second)
		if slow := w.status("slow"); !strings.Contains(slow.LastError, "no answer") {
			w.Errorf("got %+v", slow)
		}
		time.Sleep(5 * time.Minute)
		if n := len(w.sent("slow")); n > 8+10 {
			w.Errorf("%d attempts in five minutes", n)
		}
	}, "slow", "fast")
}

func TestRun_WhatTheEndCutsOffIsSentAgain(t *testing.T) {
	run(t, func(w *world) {
		w.setAnswer(func(ctx context.Context, _ string, n int) (int, error) {
			if n == 1 {
				<-ctx.Done()
				return 0, ctx.Err()
			}
			return 200, nil
		})
		w.tell("m")
		stop := w.start(w.Service)
		time.Sleep(time.Second)
		began := time.Now()
		stop()
		if took := time.Since(began); took != 3*time.Second {
			w.Errorf("the end took %s", took)
		}
		stop = w.start(w.replica())
		time.Sleep(time.Second)
		stop()
		all := w.sent("a")
		if len(all) != 2 || all[0].id != all[1].id || all[0].body != all[1].body || w.status("a").Waiting != 0 {
			w.Errorf("got %+v", all)
		}
		if w.outcomes["released"] != 1 || w.outcomes["delivered"] != 1 || len(w.outcomes) != 2 {
			w.Errorf("outcomes: %v", w.outcomes)
		}
	}, "a")
}

// After a crash the lease ends, and another replica sends what the first was sending.
func TestRun_ACrashDelaysByALease(t *testing.T) {
	run(t, func(w *world) {
		w.tell("m")
		if list, err := sqlstore.New(w.db).Lease(w.Context(), w.status("a").ID, "crashed", 20*time.Second, 9); len(list) != 1 {
			w.Fatal(list, err)
		}
		stop := w.start(w.Service)
		time.Sleep(19 * time.Second)
		if n := len(w.sent("a")); n > 0 {
			w.Errorf("%d are sent while the lease lasts", n)
		}
		time.Sleep(2 * time.Second)
		stop()
		if len(w.sent("a")) != 1 {
			w.Errorf("sent %v", w.sent("a"))
		}
	}, "a")
}

func TestRun_SurvivesAPanic(t *testing.T) {
	run(t, func(w *world) {
		w.setAnswer(func(_ context.Context, _ string, n int) (int, error) {
			if n == 1 {
				panic("a bug")
			}
			return 200, nil
		})
		w.tell("m")
		stop := w.start(w.Service)
		time.Sleep(5 * time.Second)
		stop()
		if e := w.status("a"); e.Waiting != 0 {
			w.Errorf("got %+v", e)
		}
	}, "a")
}

func TestRun_BothSecretsSignForADay(t *testing.T) {
	run(t, func(w *world) {
		send := func() { w.tell("m"); w.runFor(time.Second) }
		send()
		_, secret, err := w.Change(w.Context(), w.status("a").ID, webhook.Change{RotateSecret: true})
		if !strings.HasPrefix(secret, "whsec_") || err != nil {
			w.Fatal(secret, err)
		}
		send()
		time.Sleep(23*time.Hour + 50*time.Minute)
		send()
		time.Sleep(20 * time.Minute)
		send()
		var counts []int
		for _, r := range w.sent("a") {
			counts = append(counts, r.signatures)
		}
		if !slices.Equal(counts, []int{1, 2, 2, 1}) {
			w.Errorf("signatures: %v", counts)
		}
	}, "a")
}

func TestRun_KeepsWhatWasDeliveredForThirtyDays(t *testing.T) {
	run(t, func(w *world) {
		w.tell("m")
		w.runFor(time.Second)
		id := w.status("a").ID
		list := func() []webhook.Delivery {
			w.runFor(time.Second)
			list, err := w.Deliveries(w.Context(), id, webhook.Filter{}, webhook.Mark{}, 9)
			if err != nil {
				w.Fatal(err)
			}
			return list
		}
		time.Sleep(29 * 24 * time.Hour)
		kept := list()
		if len(kept) != 1 {
			w.Fatalf("got %+v", kept)
		}
		if err := w.Resend(w.Context(), id, kept[0].ID); err != nil {
			w.Fatal(err)
		}
		time.Sleep(29 * 24 * time.Hour)
		if n := len(list()); n != 1 {
			w.Errorf("%d are kept that were sent again", n)
		}
		time.Sleep(31 * 24 * time.Hour)
		if n := len(list()); n != 0 {
			w.Errorf("%d are kept for longer", n)
		}
		if all := w.sent("a"); len(all) != 2 || all[0].id != all[1].id || all[0].body != all[1].body {
			w.Errorf("sent %+v", all)
		}
	}, "a")
}
