package fleet

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/testing/redis"
	"github.com/addcard/addcard/internal/testing/server"
)

// logResult logs the one line of a scenario.
func logResult(t testing.TB, u *upstream, s fmt.Stringer) {
	t.Helper()
	t.Logf("%s: fetched %d token, %d ticket; %v", t.Name(), u.count("token"), u.count("wx_card"), s)
}

// Callers wait at every replica while the first fetch is in progress.
func TestColdStart(t *testing.T) {
	processes, callers, kinds := 4, 50, []string{"redis", "sqlite"}
	if full {
		processes, callers, kinds = 16, 1000, []string{"redis", "sentinel", "cluster", "sqlite"}
	}
	for _, kind := range kinds { // not in parallel: each loads the machine
		t.Run(kind, func(t *testing.T) {
			done := false
			for try := 1; try <= 3 && !done; try++ {
				t.Run(fmt.Sprint("try ", try), func(t *testing.T) { done = coldStart(t, stores[kind](t), processes, callers) })
			}
			if !done {
				t.Error("the machine is too slow for so many callers")
			}
		})
	}
}

// coldStart reports whether all callers came during the first fetch; otherwise
// nothing was proved.
func coldStart(t *testing.T, store string, processes, callers int) bool {
	const latency, early = time.Second, 6 * time.Second
	u := newUpstream(t, latency)
	open := make(chan struct{})
	release := sync.OnceFunc(func() { close(open) })
	defer release()
	began := time.Now()
	var first, opened atomic.Int64 // durations from began
	u.during = func(string, int) {
		first.CompareAndSwap(0, int64(time.Since(began)))
		<-open
	}
	replicas := fleet(t, u, processes, store)

	var wg sync.WaitGroup
	var sent atomic.Int64
	seen := &tally{}
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { sent.Add(1) }})
	values := map[string]int{}
	for _, r := range replicas {
		for range callers {
			wg.Go(func() {
				value, err := r.value(ctx, "wx_card")
				seen.add(time.Since(began)-time.Duration(opened.Load()), err)
				seen.mu.Lock()
				defer seen.mu.Unlock()
				values[value]++
			})
		}
	}
	eventually(t, "all callers have sent their request", func() bool { return sent.Load() >= int64(processes*callers) })
	opened.Store(int64(time.Since(began)))
	u.set(func() { u.during = nil })
	release() // the one fetch in progress
	wg.Wait()
	if delayed := time.Duration(opened.Load() - first.Load()); delayed > early {
		t.Logf("the callers took %v to send their requests", delayed)
		return false
	}
	logResult(t, u, seen)
	seen.wantClean(t)
	if u.count("token") != 1 || u.count("wx_card") != 1 || len(values) != 1 {
		t.Errorf("fetched %d token, %d ticket, %d different values", u.count("token"), u.count("wx_card"), len(values))
	}
	if bound := 2*latency + 500*time.Millisecond; seen.longest > bound {
		t.Logf("the slowest waited %v, more than %v", seen.longest, bound)
		if seen.longest > 4*bound {
			t.Error("a slow machine does not explain that")
		}
	}
	return true
}

// Tickets of a few seconds are renewed repeatedly under load.
func TestRenewals(t *testing.T) {
	t.Parallel()
	replicas, life, renewals := 3, 8, 2
	if full {
		replicas, life, renewals = 8, 20, 6
	}
	u := newUpstream(t, 200*time.Millisecond)
	u.expiresIn = life
	all := fleet(t, u, replicas, stores["redis"](t))
	agree(t, all...)
	stop := load(t, all...)
	began := time.Now()
	waitFor(t, 5*timeout, "the renewals", func() bool { return u.count("wx_card") > renewals })
	took := time.Since(began)
	seen := stop()
	logResult(t, u, seen)
	seen.wantClean(t)
	if most := int(took.Seconds()/(float64(life)*3/4)) + 2; u.count("wx_card") > most || u.count("token") != 1 {
		t.Errorf("%d tickets and %d tokens in %v, want %d and 1 at most", u.count("wx_card"), u.count("token"), took, most)
	}
}

// The replica that fetches dies before, during, or right after its call. There
// is no value to serve, so some callers give up. Another replica must take over
// as soon as the lease has expired.
func TestHolder_KilledAtAColdStart(t *testing.T) {
	t.Parallel()
	for _, moment := range []string{"before", "during", "after"} {
		t.Run(moment, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t, 200*time.Millisecond)
			store := stores["redis"](t)
			var victim atomic.Pointer[replica]
			kill := sync.OnceFunc(func() {
				eventually(t, "the victim is known", func() bool { return victim.Load() != nil })
				victim.Load().process.Kill()
			})
			var accepted func()
			switch moment {
			case "before":
				accepted = kill
			case "during":
				u.during = func(kind string, caller int) {
					if caller == 0 && kind == "wx_card" {
						kill()
					}
				}
			case "after":
				u.after = func(kind string, caller int) {
					if caller == 0 && kind == "wx_card" {
						kill()
					}
				}
			}
			victim.Store(spawn(t, 0, u.newURL(0, accepted), store))
			select {
			case <-victim.Load().process.Ended():
			case <-time.After(timeout):
				t.Fatal("the holder was not killed")
			}
			died := time.Now()
			others := []*replica{spawn(t, 1, u.newURL(1, nil), store), spawn(t, 2, u.newURL(2, nil), store)}
			stop := load(t, others...)
			value := agree(t, others...)
			took := time.Since(died)
			seen := stop()
			logResult(t, u, seen)
			loadFor(t, 200, others...).wantClean(t)
			t.Logf("taken over after %v", took.Round(time.Millisecond))
			if u.count("wx_card") > 2 || u.count("token") > 2 || seen.older > 0 || number(value) != u.count("wx_card") {
				t.Errorf("fetched %d token, %d ticket, %d stale, the fleet has %s", u.count("token"), u.count("wx_card"), seen.older, value)
			}
		})
	}
}

// The replica that fetches is paused while WeChat answers, and continues when
// another replica has taken over. It must not overwrite the newer value with
// its older one.
func TestHolder_PausedPastItsLease(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"redis", "sqlite"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t, 200*time.Millisecond)
			store := stores[kind](t)
			var holder atomic.Pointer[replica]
			pause := sync.OnceFunc(func() {
				eventually(t, "the paused replica is known", func() bool { return holder.Load() != nil })
				holder.Load().signal(syscall.SIGSTOP)
			})
			u.during = func(kind string, caller int) {
				if kind == "wx_card" && caller == 0 {
					pause()
				}
			}
			holder.Store(spawn(t, 0, u.newURL(0, nil), store))
			others := []*replica{spawn(t, 1, u.newURL(1, nil), store), spawn(t, 2, u.newURL(2, nil), store)}
			eventually(t, "another replica takes over", func() bool { return u.count("wx_card") == 2 })
			agree(t, others...)
			all := append(others, holder.Load())
			stop := load(t, all...)
			holder.Load().signal(syscall.SIGCONT)
			continued := time.Now()
			value := agree(t, all...)
			agreed := time.Since(continued)
			seen := stop()
			logResult(t, u, seen)
			loadFor(t, 300, all...).wantClean(t)
			t.Logf("all agree %v after it continued", agreed.Round(time.Millisecond))
			if u.count("wx_card") != 2 || u.count("token") != 1 || seen.older > 0 || value != "ticket-000002" {
				t.Errorf("fetched %d token, %d ticket, %d stale, the fleet has %s", u.count("token"), u.count("wx_card"), seen.older, value)
			}
		})
	}
}

// While there is a valid ticket, callers notice nothing when the holder of a
// renewal is killed before, during, or right after its call, or paused.
func TestHolder_LostInARenewal(t *testing.T) {
	longFormOnly(t)
	t.Parallel()
	pause := func(r *replica) { r.signal(syscall.SIGSTOP) }
	for name, c := range map[string]struct {
		moment string
		strike func(*replica)
	}{
		"killed before its call": {"before", func(r *replica) { r.process.Kill() }},
		"killed in its call":     {"during", func(r *replica) { r.process.Kill() }},
		"killed after its call":  {"after", func(r *replica) { r.process.Kill() }},
		"paused":                 {"during", pause},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t, 200*time.Millisecond)
			u.expiresIn = 150 // renewed between its last quarter and its last sixth, which is longer than a lease
			store := stores["redis"](t)
			all := make([]*replica, 4)
			var armed atomic.Bool
			var struck atomic.Pointer[replica]
			strike := func(moment string, caller int) {
				if armed.Load() && moment == c.moment && struck.CompareAndSwap(nil, all[caller]) {
					c.strike(all[caller])
				}
			}
			for i := range all {
				all[i] = spawn(t, i, u.newURL(i, func() { strike("before", i) }), store)
			}
			agree(t, all...)
			got := time.Now()
			waitFor(t, 3*time.Minute, "the next call to be the renewal", func() bool { return time.Since(got) > 105*time.Second })
			u.set(func() {
				u.expiresIn = 7200
				u.during = func(_ string, caller int) { strike("during", caller) }
				u.after = func(_ string, caller int) { strike("after", caller) }
			})
			armed.Store(true)
			stops := map[*replica]func() *tally{}
			for _, r := range all {
				stops[r] = load(t, r)
			}
			waitFor(t, 3*time.Minute, "the renewal", func() bool { return struck.Load() != nil })
			began := time.Now()
			lost := struck.Load()
			others := slices.DeleteFunc(slices.Clone(all), func(r *replica) bool { return r == lost })
			var value string
			eventually(t, "all replicas have the new ticket", func() bool { value = agree(t, others...); return number(value) > 1 })
			took := time.Since(began)
			for _, r := range others {
				seen := stops[r]()
				logResult(t, u, seen)
				seen.wantClean(t)
			}
			if name == "paused" {
				lost.signal(syscall.SIGCONT)
				value = agree(t, all...)
			}
			t.Logf("all other replicas have a new ticket after %v", took.Round(time.Millisecond))
			if u.count("wx_card") > 3 || u.count("token") != 1 || took > 25*time.Second || number(value) != u.count("wx_card") {
				t.Errorf("%d tickets, taken over after %v, the fleet has %s", u.count("wx_card"), took, value)
			}
		})
	}
}

func waitFor(t testing.TB, timeout time.Duration, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(timeout); !ok(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", timeout, what)
		}
	}
}

// Redis loses all data. The replicas save their copies again.
func TestRedis_KilledAndRestartedEmpty(t *testing.T) {
	t.Parallel()
	redis := redis.Single(t)
	u := newUpstream(t, 200*time.Millisecond)
	all := fleet(t, u, 3, "REDIS_URL="+redis.URL())
	agree(t, all...)
	stop := load(t, all...)
	redis.Kill()
	redis.Restart()
	late := spawn(t, 3, u.newURL(3, nil), "REDIS_URL="+redis.URL())
	agree(t, append(all, late)...)
	seen := stop()
	logResult(t, u, seen)
	seen.wantClean(t)
	if u.count("wx_card") > 2 || u.count("token") > 2 { // the new replica may fetch before the others have polled
		t.Errorf("fetched %d token, %d ticket", u.count("token"), u.count("wx_card"))
	}
}

func TestSentinel_Failovers(t *testing.T) {
	t.Parallel()
	failovers := 1
	if full {
		failovers = 20
	}
	sentinels := redis.Sentinel(t)
	u := newUpstream(t, 200*time.Millisecond)
	u.expiresIn = 60 // so that renewals happen during failovers, with a window longer than one of them
	all := fleet(t, u, 3, "REDIS_URL="+sentinels.URL())
	agree(t, all...)
	stop := load(t, all...)
	began := time.Now()
	for range failovers {
		sentinels.Rejoin(sentinels.Fail())
	}
	took := time.Since(began)
	agree(t, all...)
	seen := stop()
	logResult(t, u, seen)
	t.Logf("%d failovers in %v", failovers, took.Round(time.Second))
	seen.wantClean(t)
	if most := int(took.Seconds()/45) + 2 + failovers; u.count("wx_card") > most {
		t.Errorf("%d tickets in %v, want %d at most", u.count("wx_card"), took, most)
	}
}

func TestCluster_MasterKilled(t *testing.T) {
	t.Parallel()
	cluster := redis.Cluster(t)
	u := newUpstream(t, 200*time.Millisecond)
	if full {
		u.expiresIn = 40
	}
	all := fleet(t, u, 3, "REDIS_URL="+cluster.URL())
	agree(t, all...)
	stop := load(t, all...)
	cluster.Fail("{wx:wx0000000000000002}")
	if full {
		eventually(t, "a renewal after it", func() bool { return u.count("wx_card") >= 2 })
	}
	late := spawn(t, 3, u.newURL(3, nil), "REDIS_URL="+cluster.URL()) // it knows only the new master
	agree(t, append(all, late)...)
	seen := stop()
	logResult(t, u, seen)
	seen.wantClean(t)
	if u.count("token") > 2 || u.count("wx_card") > 3 {
		t.Errorf("fetched %d token, %d ticket", u.count("token"), u.count("wx_card"))
	}
}

// WeChat fails for two seconds, with a valid ticket and without one.
func TestWeChat_FailsForTwoSeconds(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, 50*time.Millisecond)
	u.failing = true
	if full {
		u.expiresIn = 150 // so that the second failure happens during a renewal
	}
	all := fleet(t, u, 3, stores["redis"](t))
	stop := load(t, all...)
	began := time.Now()
	eventually(t, "two seconds of failures", func() bool { return u.count("token") > 0 && time.Since(began) > 2*time.Second })
	tries := u.count("token")
	u.set(func() { u.failing = false })
	agree(t, all...)
	recovered := time.Since(began)
	cold := stop()
	logResult(t, u, cold)
	t.Logf("served %v after the start, after %d tries", recovered.Round(time.Millisecond), tries)
	if tries > 6 { // of the whole fleet
		t.Errorf("%d tries while WeChat failed", tries)
	}

	u.set(func() { u.failing = true })
	stop = load(t, all...)
	tries = u.count("wx_card")
	if full { // from the first try of a renewal
		waitFor(t, 3*time.Minute, "the renewal", func() bool { return u.count("wx_card") > tries })
	}
	began = time.Now()
	eventually(t, "two seconds of failures", func() bool {
		_, err := all[0].value(t.Context(), "jsapi")
		return err != nil && time.Since(began) > 2*time.Second
	})
	u.set(func() { u.failing = false })
	if full {
		eventually(t, "the renewal succeeds", func() bool { return number(agree(t, all...)) > 1 })
	}
	hot := stop()
	logResult(t, u, hot)
	hot.wantClean(t)
	if n := u.count("wx_card") - tries; n > 10 {
		t.Errorf("%d tries at a renewal", n)
	}
}

// Another program renews the access_token during 512 calls: the fleet fetches
// once, and each call is repeated once with the same body.
func TestOther_ProgramRenewsTheToken(t *testing.T) {
	t.Parallel()
	const calls = 512
	u := newUpstream(t, 200*time.Millisecond)
	all := fleet(t, u, 4, stores["redis"](t))
	agree(t, all...)
	sessions := make([]string, len(all))
	for i, r := range all {
		var in struct{ Token string }
		status, err := r.call(t.Context(), http.MethodPost, r.publicURL+"/v1/session", "", map[string]string{"code": fmt.Sprint("login", i)}, &in)
		if status != http.StatusOK || err != nil {
			t.Fatalf("login: %d, %v", status, err)
		}
		sessions[i] = in.Token
	}
	seen := &tally{}
	claim := func(i int) {
		r, began := all[i%len(all)], time.Now()
		status, err := r.call(context.Background(), http.MethodPost, r.publicURL+"/v1/claims", sessions[i%len(all)],
			map[string]any{"cardList": []any{map[string]string{"cardId": "pCard", "code": fmt.Sprintf("encrypted-%d", i)}}}, nil)
		if err == nil && status != http.StatusUnprocessableEntity { // this upstream decrypts no code
			err = fmt.Errorf("status %d", status)
		}
		seen.add(time.Since(began), err)
	}
	for i := range all {
		claim(calls + i) // reads the card into the catalogue; later calls need the token only for other codes
	}
	u.set(func() { u.token++; clear(u.bodies) })
	var wg sync.WaitGroup
	for i := range calls {
		wg.Go(func() { claim(i) })
	}
	wg.Wait()
	logResult(t, u, seen)
	seen.wantClean(t)
	if u.count("token") != 2 || u.count("wx_card") != 1 {
		t.Errorf("fetched %d token, %d ticket, want 2 and 1", u.count("token"), u.count("wx_card"))
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	t.Logf("%d calls used the invalid token", u.rejected)
	if len(u.bodies) != calls || u.rejected < len(all) {
		t.Errorf("%d different bodies reached WeChat, %d calls were rejected", len(u.bodies), u.rejected)
	}
	for body, n := range u.bodies {
		if n > 2 || !strings.Contains(body, "encrypted-") {
			t.Errorf("%d × %s", n, body)
		}
	}
}

// The lifetime that WeChat reports is used as it is, or refused.
func TestLives(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		expiresIn any
		good      bool
		most      int // fetches in three seconds
	}{
		"1 s":      {1, true, 5},
		"250 s":    {250, true, 1},
		"7200 s":   {7200, true, 1},
		"0":        {0, false, 6},
		"negative": {-7200, false, 6},
		"a string": {"7200", true, 1},
		"a word":   {"soon", false, 6},
		"1e18":     {1e18, false, 6},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUpstream(t, 10*time.Millisecond)
			u.expiresIn = c.expiresIn
			r := spawn(t, 0, u.newURL(0, nil))
			if c.good {
				agree(t, r)
			}
			stop := load(t, r)
			began := time.Now()
			eventually(t, "three seconds", func() bool { return time.Since(began) > 3*time.Second })
			seen := stop()
			logResult(t, u, seen)
			if c.good != (seen.errors == 0) || seen.older > 0 || u.count("wx_card") > c.most*int(1+time.Since(began)/(3*time.Second)) {
				t.Errorf("%v, %d fetches", seen, u.count("wx_card"))
			}
		})
	}
}

// Two Apps in one process share one ticket, although WeChat's Date header makes
// their clocks differ by ten minutes.
func TestClocks_TenMinutesApart(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, 200*time.Millisecond)
	u.skew = map[int]time.Duration{1: 10 * time.Minute}
	store := stores["redis"](t)
	var apps []*replica
	for i := range 2 {
		cfg, err := config.Load(append(server.Environ(t.TempDir(), u.newURL(i, nil)), store))
		if err != nil {
			t.Fatal(err)
		}
		a, err := app.New(t.Context(), cfg, app.Options{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- a.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		apps = append(apps, &replica{t: t, number: i, publicURL: "http://" + a.Addr(), adminURL: "http://" + a.AdminAddr(), client: newClient()})
	}
	agree(t, apps...)
	seen := loadFor(t, 100, apps...)
	logResult(t, u, seen)
	seen.wantClean(t)
	if u.count("token") != 1 || u.count("wx_card") != 1 {
		t.Errorf("fetched %d token, %d ticket", u.count("token"), u.count("wx_card"))
	}
	for i, r := range apps {
		eventually(t, "the clock offset is measured", func() bool {
			off, err := r.metric("addcard_clock_offset_seconds")
			return err == nil && (off > 500) == (i == 1)
		})
	}
}

// WeChat returns the old ticket again. It keeps its first expiry and is fetched
// again until it changes.
func TestSame_TicketAgain(t *testing.T) {
	t.Parallel()
	u := newUpstream(t, 50*time.Millisecond)
	u.expiresIn, u.sticky = 9, true
	all := fleet(t, u, 2, stores["redis"](t))
	agree(t, all...)
	stop := load(t, all...)
	eventually(t, "it is fetched again", func() bool { return u.count("wx_card") == 2 })
	u.set(func() { u.sticky = false })
	eventually(t, "it changes", func() bool { v, err := all[0].value(t.Context(), "wx_card"); return err == nil && number(v) == 2 })
	agree(t, all...)
	seen := stop()
	logResult(t, u, seen)
	seen.wantClean(t)
	if n := u.count("wx_card"); n > 5 {
		t.Errorf("%d fetches", n)
	}
}
