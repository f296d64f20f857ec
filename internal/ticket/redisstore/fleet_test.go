package redisstore_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	redistest "github.com/addcard/addcard/internal/testing/redis"
	"github.com/addcard/addcard/internal/ticket"
)

// fetcher fetches value-1, value-2, … and counts.
type fetcher struct {
	latency time.Duration
	count   atomic.Int64
}

func (i *fetcher) fetch(ctx context.Context) (string, time.Duration, error) {
	n := i.count.Add(1)
	select {
	case <-time.After(i.latency):
		return fmt.Sprintf("value-%09d", n), 2 * time.Hour, nil
	case <-ctx.Done():
		return "", 0, ctx.Err()
	}
}

// replica returns a Source with a client of its own, like that of another
// process.
func replica(t *testing.T, url, key string, i *fetcher) *ticket.Source {
	t.Helper()
	store, err := ticket.Seal(patient{connect(t, url)}, "secret-of-the-app")
	if err != nil {
		t.Fatal(err)
	}
	s := ticket.New(key, i.fetch, store, ticket.Options{PollInterval: 50 * time.Millisecond})
	t.Cleanup(s.Close)
	return s
}

func TestStore_ReplicasIssueOnce(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func() string{
		"single":   func() string { return redistest.Single(t).URL() },
		"sentinel": func() string { return redistest.Sentinel(t).URL() },
		"cluster":  func() string { return redistest.Cluster(t).URL() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := start()
			i := &fetcher{latency: 100 * time.Millisecond}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			var wg sync.WaitGroup
			for range 4 {
				s := replica(t, url, key, i)
				for range 64 {
					wg.Go(func() {
						v, err := s.Ticket(ctx)
						for timedOut(err) && ctx.Err() == nil {
							v, err = s.Ticket(ctx)
						}
						if err != nil || v != "value-000000001" {
							t.Errorf("Ticket = %q, %v", v, err)
						}
					})
				}
			}
			wg.Wait()
			if v, err := replica(t, url, key, i).Ticket(ctx); err != nil || v != "value-000000001" { // a replica that starts later
				t.Errorf("Ticket after a restart = %q, %v", v, err)
			}
			if n := i.count.Load(); n != 1 {
				t.Errorf("fetches = %d, want 1", n)
			}
		})
	}
}

// fleet is three replicas with a value, under load. Their callers count errors
// and older values after newer ones.
type fleet struct {
	t       *testing.T
	fetcher fetcher
	sources []*ticket.Source
	stop    chan struct{}
	wg      sync.WaitGroup
	calls   atomic.Int64
}

func hot(t *testing.T, url, key string) *fleet {
	t.Helper()
	f := &fleet{t: t, stop: make(chan struct{}), fetcher: fetcher{latency: 20 * time.Millisecond}}
	for range 3 {
		f.sources = append(f.sources, replica(t, url, key, &f.fetcher))
	}
	f.agree("value-000000001")
	for _, s := range f.sources {
		for range 4 {
			f.wg.Go(func() { f.call(s) })
		}
	}
	t.Cleanup(f.end)
	return f
}

func (f *fleet) call(s *ticket.Source) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for last := ""; ; {
		v, err := s.Ticket(f.t.Context())
		if err != nil {
			f.t.Errorf("a hot caller got %v", err)
			return
		}
		if v < last {
			f.t.Errorf("%q was served after %q", v, last)
		}
		last = v
		f.calls.Add(1)
		select {
		case <-f.stop:
			return
		case <-tick.C:
		}
	}
}

func (f *fleet) end() {
	select {
	case <-f.stop:
	default:
		close(f.stop)
	}
	f.wg.Wait()
}

// agree waits until all replicas serve value.
func (f *fleet) agree(value string) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), 20*time.Second)
	defer cancel()
	for _, s := range f.sources {
		for {
			v, err := s.Ticket(ctx)
			if err != nil && (!timedOut(err) || ctx.Err() != nil) {
				f.t.Fatal(err)
			}
			if v == value {
				break
			}
			<-time.After(5 * time.Millisecond)
		}
	}
}

// shared waits until the Store has value, as a new replica sees it.
func (f *fleet) shared(url, key, value string) {
	f.t.Helper()
	store, err := ticket.Seal(connect(f.t, url), "secret-of-the-app")
	if err != nil {
		f.t.Fatal(err)
	}
	start := time.Now()
	for {
		rec, err := store.Load(f.t.Context(), key)
		if err == nil && rec.Value == value && !rec.Rejected {
			f.t.Logf("%s is shared again %v after the failover", value, time.Since(start).Round(time.Millisecond))
			return
		}
		if time.Since(start) > 20*time.Second {
			f.t.Fatalf("shared copy = %+v, %v, want %s", rec, err, value)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func TestStore_FlushedUnderLoad(t *testing.T) {
	t.Parallel()
	server := redistest.Single(t)
	f := hot(t, server.URL(), key)
	for range 5 {
		server.Do("FLUSHALL")
		f.shared(server.URL(), key, "value-000000001")
	}
	server.Do("FLUSHALL")
	server.Do("SET", row(key), "junk")
	f.shared(server.URL(), key, "value-000000001")
	server.Restart()
	f.shared(server.URL(), key, "value-000000001")
	f.end()
	if n := f.fetcher.count.Load(); n != 1 {
		t.Errorf("fetches = %d, want 1", n)
	}
}

// The worst case of a failover: the master dies with the newest value, and its
// successor has an older one and no lease.
func TestStore_FailoversUnderLoad(t *testing.T) {
	t.Parallel()
	servers := redistest.Sentinel(t)
	url := servers.URL()
	for round := range 3 {
		key := fmt.Sprintf("wx:app:round%d", round)
		f := hot(t, url, key)
		master := servers.FailLosingWrites(func() {
			err := f.sources[0].Invalidate(t.Context(), "value-000000001")
			for timedOut(err) && t.Context().Err() == nil {
				err = f.sources[0].Invalidate(t.Context(), "value-000000001")
			}
			if err != nil {
				t.Fatal(err)
			}
			f.agree("value-000000002")
		})
		f.shared(url, key, "value-000000002")
		servers.Rejoin(master)
		f.end()
		shared := uint64(0)
		for _, s := range f.sources {
			shared += s.Status().Counts.Shared
		}
		if shared == 0 {
			t.Error("no replica had to save the value again: the failover lost nothing, and this test proves nothing")
		}
		if n := f.fetcher.count.Load(); n > 4 { // the first, the successor of the rejected one, and two more
			t.Errorf("fetches = %d, want 4 at most", n)
		}
		t.Logf("%d calls, %d fetches", f.calls.Load(), f.fetcher.count.Load())
	}
}

func TestStore_ClusterMasterKilledUnderLoad(t *testing.T) {
	t.Parallel()
	nodes := redistest.Cluster(t)
	f := hot(t, nodes.URL(), key)
	start := time.Now()
	nodes.Fail(row(key))
	t.Logf("replaced after %v", time.Since(start).Round(time.Millisecond))
	// A copy on the new master shows that the replicas can also write there.
	nodes.Owner(row(key)).Do("DEL", row(key))
	start = time.Now()
	for exists := any(int64(0)); exists == int64(0); <-time.After(5 * time.Millisecond) {
		exists = nodes.Owner(row(key)).Do("EXISTS", row(key))
		if time.Since(start) > 20*time.Second {
			t.Fatal("no replica shared the value again")
		}
	}
	t.Logf("shared again after %v", time.Since(start).Round(time.Millisecond))
	f.shared(nodes.URL(), key, "value-000000001")
	f.end()
	if n := f.fetcher.count.Load(); n > 3 {
		t.Errorf("fetches = %d, want 3 at most", n)
	}
	t.Logf("%d calls, %d fetches", f.calls.Load(), f.fetcher.count.Load())
}
