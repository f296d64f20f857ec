package ticket_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/tickettest"
)

// A schedule is one order of the steps of several actors. A step is named "actor
// what". The method next moves on to an order that was not run yet, until all
// were run. Orders that differ only in the order of independent steps count as
// one: a step that an earlier run made here is asleep until a step is made that
// it depends on.
type schedule struct {
	picks, widths []int // at each point: the option that is taken, and the number of options
	steps         []string
	asleep        []string
}

// pick returns the step to make next, or "" when every order that goes on from
// here equals one that was run.
func (s *schedule) pick(t *testing.T, options []string) string {
	options = slices.DeleteFunc(options, func(step string) bool { return slices.Contains(s.asleep, step) })
	if len(options) == 0 {
		return ""
	}
	at := len(s.steps)
	if at == len(s.picks) {
		s.picks, s.widths = append(s.picks, 0), append(s.widths, len(options))
	}
	if s.widths[at] != len(options) {
		t.Fatalf("not deterministic after %v: %v, earlier %d options", s, options, s.widths[at])
	}
	step := options[s.picks[at]]
	s.steps = append(s.steps, step)
	s.asleep = slices.DeleteFunc(append(s.asleep, options[:s.picks[at]]...), func(other string) bool { return dependent(step, other) })
	return step
}

// next prepares the next order, and reports whether there is one.
func (s *schedule) next() bool {
	s.steps, s.asleep = nil, nil
	for n := len(s.picks); n > 0; n-- {
		if s.picks[n-1]++; s.picks[n-1] < s.widths[n-1] {
			s.picks, s.widths = s.picks[:n], s.widths[:n]
			return true
		}
	}
	return false
}

func (s *schedule) String() string { return strings.Join(s.steps, ", ") }

// dependent reports whether the order of two steps can matter: both are of one
// replica, or both call the Store and do not only load, or both fetch.
func dependent(a, b string) bool {
	replicaA, whatA, _ := strings.Cut(a, " ")
	replicaB, whatB, _ := strings.Cut(b, " ")
	const load, fetch, calls = "load", "fetch", "load acquire save release invalidate ends"
	switch {
	case replicaA == replicaB, whatA == fetch && whatB == fetch:
		return true
	case whatA == load && whatB == load:
		return false
	}
	return strings.Contains(calls, whatA) && strings.Contains(calls, whatB)
}

// stage holds the actors before each of their steps until the schedule lets one
// of them go on. All steps of an actor are made by one goroutine at a time.
type stage struct {
	mu      sync.Mutex
	closed  bool // actors are held
	waiting map[string]chan struct{}
	polls   int
	loads   map[string]int
}

// enter returns when the step may be made. A step is named "actor what".
func (g *stage) enter(actor, what string) {
	g.mu.Lock()
	if !g.closed {
		g.mu.Unlock()
		return
	}
	proceed := make(chan struct{})
	g.waiting[actor+" "+what] = proceed
	g.mu.Unlock()
	<-proceed
}

// options returns the steps that can be made now, in a fixed order. While one
// replica holds the lease the other polls; after g.polls polls it lets the other
// go first, so that the number of orders is finite.
func (g *stage) options() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := slices.Sorted(maps.Keys(g.waiting))
	some := slices.DeleteFunc(slices.Clone(all), func(step string) bool { return g.loads[step] >= g.polls })
	if len(some) > 0 || len(all) == 0 {
		return some
	}
	return []string{slices.MinFunc(all, func(a, b string) int { return g.loads[a] - g.loads[b] })}
}

func (g *stage) proceed(step string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if strings.HasSuffix(step, " load") {
		g.loads[step]++
	}
	close(g.waiting[step])
	delete(g.waiting, step)
}

// hold closes the stage.
func (g *stage) hold() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

// open lets all actors go on, now and later.
func (g *stage) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = false
	for _, proceed := range g.waiting {
		close(proceed)
	}
	clear(g.waiting)
}

// perform makes the steps in the order of s until no actor is left on the stage.
func (g *stage) perform(t *testing.T, s *schedule) {
	for idle := 0; idle < 7; { // a replica polls again within half a second
		time.Sleep(110 * time.Millisecond) // longer than the pause between two polls
		synctest.Wait()
		options := g.options()
		if len(options) == 0 {
			idle++
			continue
		}
		idle = 0
		step := s.pick(t, options)
		if step == "" {
			return
		}
		g.proceed(step)
	}
}

// stagedStore is a Store whose calls are steps of a replica.
type stagedStore struct {
	*stagedFleet
	replica string
}

func (r stagedStore) Load(ctx context.Context, key string) (ticket.Record, error) {
	r.enter(r.replica, "load")
	return r.memory.Load(ctx, key)
}

func (r stagedStore) Acquire(ctx context.Context, key string, req ticket.LeaseRequest) (ticket.Lease, error) {
	r.enter(r.replica, "acquire")
	return r.memory.Acquire(ctx, key, req)
}

func (r stagedStore) Save(ctx context.Context, l ticket.Lease, v ticket.FetchedValue) error {
	r.enter(r.replica, "save")
	before, _ := r.memory.Load(ctx, key)
	err := r.memory.Save(ctx, l, v)
	if after, _ := r.memory.Load(ctx, key); order(after.Value) < order(before.Value) {
		r.t.Errorf("%s was overwritten by %s", before.Value, after.Value)
	}
	return err
}

func (r stagedStore) Release(ctx context.Context, l ticket.Lease, after time.Duration) error {
	r.enter(r.replica, "release")
	return r.memory.Release(ctx, l, after)
}

func (r stagedStore) Invalidate(ctx context.Context, key string, fence int64) error {
	r.enter(r.replica, "invalidate")
	return r.memory.Invalidate(ctx, key, fence)
}

// renewal is how long before its end both replicas renew a value.
const renewal = 10 * time.Minute

// stagedFleet is two replicas, A and B, on a stage.
type stagedFleet struct {
	stage
	t        *testing.T
	memory   *tickettest.Memory
	upstream upstream
	replicas map[string]*ticket.Source
	refused  bool // WeChat refuses the calls of A
	callers  sync.WaitGroup
}

func newStagedFleet(t *testing.T) *stagedFleet {
	f := &stagedFleet{
		stage:    stage{waiting: map[string]chan struct{}{}, loads: map[string]int{}},
		t:        t,
		memory:   tickettest.NewMemory(),
		upstream: upstream{lifetime: 2 * time.Hour, overlap: -1},
		replicas: map[string]*ticket.Source{},
	}
	// So long that neither a call to the Store ends early nor a replica polls unasked.
	opt := ticket.Options{RenewFrom: renewal, RenewTo: renewal, Lease: 24 * time.Hour, PollInterval: 4 * time.Hour}
	for _, name := range []string{"A", "B"} {
		fetch := func(ctx context.Context) (string, time.Duration, error) {
			f.enter(name, "fetch")
			if f.refused && name == "A" {
				return "", 0, permanentError{}
			}
			return f.upstream.Fetch(ctx)
		}
		f.replicas[name] = source(t, fetch, stagedStore{f, name}, opt)
	}
	t.Cleanup(func() { // before the replicas are closed
		f.open()
		f.callers.Wait()
	})
	return f
}

// each runs one caller at each replica. A caller may fail only while there is no
// good value in the Store.
func (f *stagedFleet) each(call func(name string, s *ticket.Source) error) {
	for name, s := range f.replicas {
		f.callers.Go(func() {
			err := call(name, s)
			rec, _ := f.memory.Load(context.Background(), key)
			good := !rec.Rejected && f.upstream.invalidFor(rec.Value) <= 0
			if err != nil && (good || !f.refused) {
				f.t.Errorf("a caller of %s: %v; shared is %+v", name, err, rec)
			}
		})
	}
}

// get calls Ticket and checks the value.
func (f *stagedFleet) get(s *ticket.Source) error {
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	value, err := s.Ticket(ctx)
	if err == nil && f.upstream.invalidFor(value) > 0 {
		err = fmt.Errorf("%s is no longer valid", value)
	}
	return err
}

// starts are the states in which the explored part begins. Each closes the stage
// and starts the callers.
var starts = map[string]func(f *stagedFleet){
	"cold": func(f *stagedFleet) {
		f.hold()
		f.each(func(_ string, s *ticket.Source) error { return f.get(s) })
	},
	"stale": func(f *stagedFleet) {
		f.warm(2*time.Hour - renewal)
		f.each(func(_ string, s *ticket.Source) error { return f.get(s) })
	},
	"expired": func(f *stagedFleet) {
		f.warm(2*time.Hour + time.Second)
		f.each(func(_ string, s *ticket.Source) error { return f.get(s) })
	},
	// Another program has ended the value; both replicas still serve it, and
	// each has a caller for whom WeChat refused it.
	"doubted": func(f *stagedFleet) {
		f.warm(time.Minute)
		f.upstream.revoke()
		f.each(func(name string, s *ticket.Source) error {
			value := get(f.t, s)
			f.enter(name, "caller reports")
			if err := s.Invalidate(f.t.Context(), value); err != nil {
				return err
			}
			f.enter(name, "caller repeats")
			return f.get(s)
		})
	},
}

// warm gives both replicas a value, closes the stage and lets time pass.
func (f *stagedFleet) warm(age time.Duration) {
	for _, s := range f.replicas {
		get(f.t, s)
	}
	synctest.Wait()
	f.hold()
	time.Sleep(age)
}

// finish lets both replicas poll, and checks that they agree.
func (f *stagedFleet) finish(fetches int) {
	f.open()
	f.callers.Wait()
	time.Sleep(2 * time.Minute) // longer than a back-off
	for _, s := range f.replicas {
		if err := s.Invalidate(f.t.Context(), "another value"); err != nil { // makes it poll
			f.t.Error(err)
		}
	}
	rec, err := f.memory.Load(f.t.Context(), key)
	if err != nil || rec.Rejected || f.upstream.invalidFor(rec.Value) > 0 {
		f.t.Errorf("shared at the end: %+v, %v", rec, err)
	}
	for name, s := range f.replicas {
		if value := get(f.t, s); value != rec.Value {
			f.t.Errorf("%s serves %q in the end, shared is %q", name, value, rec.Value)
		}
	}
	if n := f.upstream.count(); n > fetches {
		f.t.Errorf("fetches = %d, want %d at most", n, fetches)
	}
}

// variants are what may go wrong in the explored part, and how often the fleet
// may fetch in it.
var variants = map[string]struct {
	polls, fetches int
	prepare        func(f *stagedFleet)
}{
	"good weather": {4, 1, func(*stagedFleet) {}},
	// Its holder, if there is one, was paused for too long.
	"lease ends": {2, 2, func(f *stagedFleet) {
		f.callers.Go(func() {
			f.enter("lease", "ends")
			f.memory.EndLease(key)
		})
	}},
	// WeChat accepts no call from the address of A.
	"A refused": {3, 3, func(f *stagedFleet) { f.refused = true }},
}

// Every order in which two replicas can make their calls to the Store and to
// WeChat: no caller fails while a good value is shared, the fleet fetches once,
// no older value replaces a newer one, and both replicas end with the shared
// value.
//
// Symptom: a replica loaded the value that WeChat refuses, another replica
// replaced it, and the first, which still had something to serve, did not look
// again. All its callers failed.
func TestSource_EverySchedule(t *testing.T) {
	t.Parallel()
	for state, start := range starts {
		for name, variant := range variants {
			t.Run(state+", "+name, func(t *testing.T) {
				t.Parallel()
				var s schedule
				n := 0
				// The plain run of this package has all.
				for more := true; more && (!raceDetector || n < 300); more = s.next() {
					n++
					synctest.Test(t, func(t *testing.T) {
						f := newStagedFleet(t)
						defer func() {
							if t.Failed() {
								t.Logf("schedule %d: %v", n, &s)
							}
						}()
						start(f)
						fetches := f.upstream.count() + variant.fetches
						f.polls = variant.polls
						variant.prepare(f)
						f.perform(t, &s)
						f.finish(fetches)
					})
				}
				t.Logf("%d schedules", n)
			})
		}
	}
}
