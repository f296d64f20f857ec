package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"testing"
	"time"

	redistest "github.com/addcard/addcard/internal/testing/redis"
	"github.com/addcard/addcard/internal/ticket"
	"github.com/addcard/addcard/internal/ticket/redisstore"
)

const key = "wx:app:wx_card"

// maxCallTime is the longest time that a call may take: half a second, and as
// much again for a busy machine.
const maxCallTime = time.Second

func acquire(t *testing.T, s ticket.Store, owner string) ticket.Lease {
	t.Helper()
	lease, err := patient{s}.Acquire(t.Context(), key, ticket.LeaseRequest{Owner: owner, TTL: time.Minute})
	if err != nil {
		t.Fatalf("Acquire by %s: %v", owner, err)
	}
	return lease
}

func save(t *testing.T, s ticket.Store, lease ticket.Lease, value string) {
	t.Helper()
	if err := (patient{s}).Save(t.Context(), lease, ticket.FetchedValue{Value: value, Fence: lease.Fence, Lifetime: time.Hour}); err != nil {
		t.Fatalf("Save: %v", err)
	}
}

// methods returns a call of each method by the holder of lease.
func methods(s ticket.Store, lease ticket.Lease) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Load": func(ctx context.Context) error { _, err := s.Load(ctx, key); return err },
		"Acquire": func(ctx context.Context) error {
			_, err := s.Acquire(ctx, key, ticket.LeaseRequest{Owner: lease.Owner, TTL: time.Minute})
			return err
		},
		"Save": func(ctx context.Context) error {
			return s.Save(ctx, lease, ticket.FetchedValue{Value: "value", Fence: lease.Fence, Lifetime: time.Hour})
		},
		"Release":    func(ctx context.Context) error { return s.Release(ctx, lease, 0) },
		"Invalidate": func(ctx context.Context) error { return s.Invalidate(ctx, key, lease.Fence) },
	}
}

// allFail fails the test unless each method soon returns an error that says
// that the Store failed.
func allFail(t *testing.T, s ticket.Store, lease ticket.Lease) {
	t.Helper()
	for name, call := range methods(s, lease) {
		start := time.Now()
		err := call(context.Background())
		took := time.Since(start)
		if err == nil || errors.Is(err, ticket.ErrNotFound) || errors.Is(err, ticket.ErrUnreadable) || errors.Is(err, ticket.ErrLeaseLost) {
			t.Errorf("%s: error = %v, want one that says the store failed", name, err)
		}
		if _, held := errors.AsType[*ticket.HeldError](err); held || took > maxCallTime {
			t.Errorf("%s took %v: %v", name, took, err)
		}
		t.Logf("%s: %v after %v", name, err, took.Round(time.Millisecond))
	}
}

// awaitRecovery waits until the Store answers again.
func awaitRecovery(t *testing.T, s ticket.Store) time.Duration {
	t.Helper()
	start := time.Now()
	for {
		_, err := s.Load(t.Context(), key)
		if err == nil || errors.Is(err, ticket.ErrNotFound) {
			return time.Since(start)
		}
		if time.Since(start) > 20*time.Second {
			t.Fatalf("the Store does not answer again: %v", err)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestStore_StalledServer(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func() (url string, owner func() *redistest.Server){
		"single": func() (string, func() *redistest.Server) {
			s := redistest.Single(t)
			return s.URL(), func() *redistest.Server { return s }
		},
		"sentinel": func() (string, func() *redistest.Server) {
			f := redistest.Sentinel(t)
			return f.URL(), f.Master
		},
		"cluster": func() (string, func() *redistest.Server) {
			n := redistest.Cluster(t)
			return n.URL(), func() *redistest.Server { return n.Owner(row(key)) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, owner := start()
			warm, cold := connect(t, url), connect(t, url)
			lease := acquire(t, warm, "a")
			stalled := owner()
			stalled.Pause()
			t.Run("warm", func(t *testing.T) { allFail(t, warm, lease) })
			if name == "single" { // the others may have another master by now
				t.Run("cold", func(t *testing.T) { allFail(t, cold, lease) })
			}
			stalled.Resume()
			t.Logf("answers again after %v", awaitRecovery(t, warm))
		})
	}
}

func TestStore_HonoursAnEarlierDeadline(t *testing.T) {
	t.Parallel()
	server := redistest.Single(t)
	s := connect(t, server.URL())
	acquire(t, s, "a")
	server.Pause()
	took := time.Hour // the shortest of a few: a client that ignores the deadline always takes longer than the limit
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		start := time.Now()
		if _, err := s.Load(ctx, key); err == nil {
			t.Error("a paused server answers")
		}
		took = min(took, time.Since(start))
		cancel()
	}
	if took > 250*time.Millisecond {
		t.Errorf("Load took %v", took)
	}
}

func TestStore_Latency(t *testing.T) {
	t.Parallel()
	p := through(t, redistest.Single(t))
	s := connect(t, p.URL())
	lease := acquire(t, s, "a")
	p.poison(`{"name": "slow", "type": "latency", "stream": "downstream", "attributes": {"latency": 60, "jitter": 30}}`)
	save(t, s, lease, "value")
	p.cure()
	p.poison(`{"name": "slow", "type": "latency", "stream": "downstream", "attributes": {"latency": 2000}}`)
	allFail(t, s, lease)
	p.cure()
	awaitRecovery(t, s)
}

// A new connection needs several answers. Each of them comes in time, but not
// all of them.
func TestStore_LatencyAddsUp(t *testing.T) {
	t.Parallel()
	p := through(t, redistest.Single(t))
	p.poison(`{"name": "slow", "type": "latency", "stream": "downstream", "attributes": {"latency": 270}}`)
	s := connect(t, p.URL()+"/1")
	start := time.Now()
	_, err := s.Acquire(context.Background(), key, ticket.LeaseRequest{Owner: "a", TTL: time.Minute})
	if took := time.Since(start); err == nil || took > maxCallTime {
		t.Errorf("Acquire took %v: %v", took, err)
	}
}

// One of three Sentinels that does not answer must not keep clients from the
// master.
func TestStore_StalledSentinel(t *testing.T) {
	t.Parallel()
	f := redistest.Sentinel(t)
	f.Sentinels[0].Pause()
	s := connect(t, f.URL())
	start := time.Now()
	took := awaitRecovery(t, s)
	if took > 3*maxCallTime {
		t.Errorf("the master was found after %v", took)
	}
	t.Logf("found after %v", time.Since(start).Round(time.Millisecond))
	for _, s := range f.Sentinels[1:] {
		s.Pause()
	}
	if _, err := s.Load(t.Context(), key); !errors.Is(err, ticket.ErrNotFound) {
		t.Errorf("Load from a known master without any Sentinel: %v", err)
	}
	allFail(t, connect(t, f.URL()), ticket.Lease{Key: key, Owner: "a", Fence: 1})
}

func TestStore_Trickle(t *testing.T) {
	t.Parallel()
	p := through(t, redistest.Single(t))
	s := connect(t, p.URL())
	lease := acquire(t, s, "a")
	save(t, s, lease, "value")
	p.poison(
		`{"name": "slices", "type": "slicer", "stream": "downstream", "attributes": {"average_size": 1, "size_variation": 0, "delay": 100}}`,
	)
	if rec, err := (patient{s}).Load(t.Context(), key); err != nil || rec.Value != "value" {
		t.Errorf("Load byte by byte = %+v, %v", rec, err)
	}
}

func TestStore_CutAndBack(t *testing.T) {
	t.Parallel()
	p := through(t, redistest.Single(t))
	s := connect(t, p.URL())
	lease := acquire(t, s, "a")
	save(t, s, lease, "value")
	p.Stop()
	allFail(t, s, lease)
	p.up()
	awaitRecovery(t, s)
	if rec, err := s.Load(t.Context(), key); err != nil || rec.Value != "value" {
		t.Errorf("Load = %+v, %v", rec, err)
	}
}

// scriptCalls returns how many scripts the server has run.
func scriptCalls(s *redistest.Server) int {
	m := regexp.MustCompile(`cmdstat_eval:calls=(\d+)`).FindStringSubmatch(fmt.Sprint(s.Do("INFO", "commandstats")))
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// Symptom: this owner held the lease but did not know it until the lease
// expired.
func TestStore_LostReply(t *testing.T) {
	t.Parallel()
	server := redistest.Single(t)
	p := through(t, server)
	s := connect(t, p.URL())
	save(t, s, acquire(t, s, "earlier"), "first")
	if err := s.Release(t.Context(), ticket.Lease{Key: key, Owner: "earlier", Fence: 1}, 0); err != nil {
		t.Fatal(err)
	}
	lose := func(name string, call func() error) {
		t.Helper()
		before := scriptCalls(server)
		p.poison(`{"name": "lost", "type": "limit_data", "stream": "downstream", "attributes": {"bytes": 0}}`)
		if err := call(); err == nil || errors.Is(err, ticket.ErrLeaseLost) {
			t.Errorf("%s without an answer: error = %v", name, err)
		}
		p.cure()
		if n := scriptCalls(server) - before; n != 1 {
			t.Errorf("%s without an answer was sent %d times", name, n)
		}
		awaitRecovery(t, s)
	}

	claim := ticket.LeaseRequest{Owner: "a", TTL: time.Minute}
	lose("Acquire", func() error { _, err := s.Acquire(t.Context(), key, claim); return err })
	if _, err := s.Acquire(t.Context(), key, ticket.LeaseRequest{Owner: "b", TTL: time.Minute}); err == nil {
		t.Error("b got the lease of a")
	}
	lease := acquire(t, s, "a")
	if lease.Fence != 2 {
		t.Errorf("a has fence %d, want the one of the lost answer", lease.Fence)
	}

	next := ticket.FetchedValue{Value: "next", Fence: lease.Fence, Lifetime: time.Hour}
	lose("Save", func() error { return s.Save(t.Context(), lease, next) })
	if rec, err := s.Load(t.Context(), key); err != nil || rec.Value != "next" {
		t.Errorf("Load = %+v, %v, want what was saved", rec, err)
	}
	if err := s.Save(t.Context(), lease, next); err != nil {
		t.Errorf("saving it again: %v", err)
	}
}

// A Cluster client repeats a call that got no answer, regardless of its MaxRetries.
func TestStore_LostReplyInCluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.Cluster(t)
	var d deaf
	s := redisstore.New(d.cluster(t, nodes.Servers[0].Addr))
	acquire(t, s, "a") // loads the script and opens the connection
	owner := nodes.Owner(row(key))
	before := scriptCalls(owner)
	d.armed.Store(true)
	if _, err := s.Acquire(t.Context(), key, ticket.LeaseRequest{Owner: "a", TTL: time.Minute}); err == nil {
		t.Error("Acquire without an answer: no error")
	}
	if n := scriptCalls(owner) - before; n != 1 {
		t.Errorf("Acquire without an answer was sent %d times", n)
	}
}

func TestStore_MovedSlot(t *testing.T) {
	t.Parallel()
	nodes := redistest.Cluster(t)
	s := connect(t, nodes.URL())
	if _, err := s.Load(t.Context(), key); !errors.Is(err, ticket.ErrNotFound) {
		t.Fatal(err)
	}
	nodes.Move(row(key))
	save(t, s, acquire(t, s, "a"), "value")
}

func TestStore_ReplicaIsNoMaster(t *testing.T) {
	t.Parallel()
	server, master := redistest.Single(t), redistest.Single(t)
	s := connect(t, server.URL())
	lease := acquire(t, s, "a")
	server.Do("REPLICAOF", "127.0.0.1", master.Addr[len("127.0.0.1:"):])
	_, err := s.Acquire(t.Context(), key, ticket.LeaseRequest{Owner: "b", TTL: time.Minute})
	if _, held := errors.AsType[*ticket.HeldError](err); err == nil {
		t.Error("a replica gave a lease")
	} else if !held { // or the replica already has the empty state of its master
		t.Log(err)
	}
	if err := s.Save(t.Context(), lease, ticket.FetchedValue{Value: "v", Fence: 1, Lifetime: time.Hour}); err == nil {
		t.Error("a replica took a copy")
	}
	server.Do("REPLICAOF", "NO", "ONE")
	awaitRecovery(t, s)
}

// A server that lost its data continues above the fences that its clients have
// seen.
func TestStore_EmptyServer(t *testing.T) {
	t.Parallel()
	server := redistest.Single(t)
	s := connect(t, server.URL())
	old := acquire(t, s, "a")
	save(t, s, old, "value")
	server.Restart()
	awaitRecovery(t, s)
	if err := s.Save(
		t.Context(),
		old,
		ticket.FetchedValue{Value: "late", Fence: 1, Lifetime: time.Hour},
	); !errors.Is(
		err,
		ticket.ErrLeaseLost,
	) {
		t.Errorf("Save under a forgotten lease: %v", err)
	}
	lease, err := s.Acquire(t.Context(), key, ticket.LeaseRequest{Owner: "b", FenceAbove: 41, TTL: time.Minute})
	if err != nil || lease.Fence != 42 {
		t.Errorf("Acquire above 41 = %+v, %v", lease, err)
	}
	save(t, s, lease, "value")
	server.Do("FLUSHALL")
	server.Do("SCRIPT", "FLUSH")
	if again := acquire(t, s, "c"); again.Fence != 1 {
		t.Errorf("fence after FLUSHALL = %d", again.Fence)
	}
}

// A replica of the previous version leaves a back-off as a lease without an owner.
func TestStore_BackOffOfThePreviousVersion(t *testing.T) {
	t.Parallel()
	server := redistest.Single(t)
	now := time.Now().UnixMilli()
	server.Do("HSET", row(key), "owner", "", "fence", "7", "granted", fmt.Sprint(now), "until", fmt.Sprint(now+60_000), "failures", "2")
	s := patient{connect(t, server.URL())}
	_, err := s.Acquire(t.Context(), key, ticket.LeaseRequest{Owner: "a", SecretID: "any", TTL: time.Minute})
	if held, ok := errors.AsType[*ticket.HeldError](err); !ok || !held.BackOff || held.For > time.Minute {
		t.Errorf("Acquire: %v, want a back-off of a minute", err)
	}
}

// Rows are deleted a day after they are no longer needed, and not earlier.
func TestStore_ForgetsADayAfter(t *testing.T) {
	t.Parallel()
	server := redistest.Single(t)
	s := connect(t, server.URL())
	day := (24 * time.Hour).Milliseconds()
	left := func(want int64) {
		t.Helper()
		if got, _ := server.Do("PTTL", row(key)).(int64); got > want || got < want-20_000 {
			t.Errorf("row lives for %d ms, want about %d", got, want)
		}
	}
	lease := acquire(t, s, "a")
	left(day + time.Minute.Milliseconds())
	save(t, s, lease, "value")
	left(day + time.Hour.Milliseconds())
	if err := s.Release(t.Context(), lease, 25*time.Hour); err != nil {
		t.Fatal(err)
	}
	left(day + (25 * time.Hour).Milliseconds())
}

// Between two holders the lease has no owner; an empty owner does not hold it
// either.
func TestStore_LeaseWithoutOwner(t *testing.T) {
	t.Parallel()
	s := connect(t, redistest.Single(t).URL())
	lease := acquire(t, s, "a")
	if err := s.Release(t.Context(), lease, time.Minute); err != nil {
		t.Fatal(err)
	}
	lease.Owner = ""
	if err := s.Save(
		t.Context(),
		lease,
		ticket.FetchedValue{Value: "late", Fence: 1, Lifetime: time.Hour},
	); !errors.Is(
		err,
		ticket.ErrLeaseLost,
	) {
		t.Errorf("Save by an empty owner: %v", err)
	}
	if err := s.Release(t.Context(), lease, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Acquire(t.Context(), key, ticket.LeaseRequest{Owner: "b", TTL: time.Minute}); err == nil {
		t.Error("an empty owner released the back-off of the fleet")
	}
}

func TestStore_FenceOutOfRange(t *testing.T) {
	t.Parallel()
	s := connect(t, redistest.Single(t).URL())
	if lease, err := s.Acquire(t.Context(), key, ticket.LeaseRequest{Owner: "a", FenceAbove: 1 << 60, TTL: time.Minute}); err == nil {
		t.Errorf("Acquire above 2^60 = %+v, which Lua cannot count", lease)
	}
}
