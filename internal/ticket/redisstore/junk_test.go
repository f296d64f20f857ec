package redisstore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	redistest "github.com/addcard/addcard/internal/testing/redis"
	"github.com/addcard/addcard/internal/ticket"
)

var fields = []string{"value", "value_fence", "life", "ends", "saved", "rejected", "owner", "fence", "granted", "until", "backoff:"}

var junk = []string{
	"", " ", "x", "-1", "0", "1", "1e400", "nan", "inf", "0x10", " 1", "1 ", "1.5", "+1", "١", "\x00", "\xff\xfe", "1\x00",
	"1 2", "1 2 3 4", "9 8 7", "-1 2 3", "1 9007199254740993 3", "0 172800001 0", "999999999999998 999999999999999 1e9",
	"999999999999999", "1000000000000000", "9007199254740993", "9223372036854775807", "99999999999999999999999",
}

// checkUsable checks that a Store with any data under its key works like an
// empty one or returns a plausible copy, and that the next holder can use it.
func checkUsable(t *testing.T, s ticket.Store, server *redistest.Server, what string) {
	t.Helper()
	rec, err := s.Load(t.Context(), key)
	miss := errors.Is(err, ticket.ErrNotFound) || errors.Is(err, ticket.ErrUnreadable)
	if !miss &&
		(err != nil || rec.Value == "" || rec.Fence <= 0 || rec.Lifetime <= 0 || rec.Lifetime > 33*365*24*time.Hour ||
			rec.Left > 33*365*24*time.Hour || rec.Age < -time.Second) {
		t.Errorf("%s: Load = %+v, %v", what, rec, err)
	}
	if err := s.Invalidate(t.Context(), key, 1); err != nil {
		t.Errorf("%s: Invalidate: %v", what, err)
	}
	if err := s.Release(t.Context(), ticket.Lease{Key: key, Owner: "another", Fence: 1}, 0); err != nil {
		t.Errorf("%s: Release: %v", what, err)
	}
	notHeld := ticket.Lease{Key: key, Owner: "another", Fence: 1}
	if err := s.Save(
		t.Context(),
		notHeld,
		ticket.FetchedValue{Value: "late", Fence: 1, Lifetime: time.Hour},
	); !errors.Is(
		err,
		ticket.ErrLeaseLost,
	) {
		t.Errorf("%s: Save: %v", what, err)
	}
	lease, err := s.Acquire(t.Context(), key, ticket.LeaseRequest{Owner: "a", TTL: time.Minute})
	if held, ok := errors.AsType[*ticket.HeldError](err); ok && held.For > 0 && held.For <= 48*time.Hour {
		server.Do("HSET", row(key), "until", "0", "backoff:", "")
		lease, err = s.Acquire(t.Context(), key, ticket.LeaseRequest{Owner: "a", TTL: time.Minute})
	}
	if err != nil || lease.Fence <= 0 {
		t.Errorf("%s: Acquire = %+v, %v", what, lease, err)
		return
	}
	save(t, s, lease, "good")
	if rec, err := s.Load(t.Context(), key); err != nil || rec.Value != "good" || rec.Left > time.Hour || rec.Left < time.Hour-time.Minute {
		t.Errorf("%s: Load after Save = %+v, %v", what, rec, err)
	}
	server.Do("DEL", row(key))
}

func TestStore_AnythingUnderItsKey(t *testing.T) {
	t.Parallel()
	server := redistest.Single(t)
	s := patient{connect(t, server.URL())}
	for _, command := range [][]string{
		{"SET", row(key), "junk"}, {"SET", row(key), ""}, {"SET", row(key), "1"}, {"SETBIT", row(key), "7", "1"},
		{"LPUSH", row(key), "value"}, {"SADD", row(key), "value"}, {"ZADD", row(key), "1", "value"},
		{"XADD", row(key), "*", "value", "v"}, {"PFADD", row(key), "x"}, {"GEOADD", row(key), "1", "1", "x"},
		{"HSET", row(key), "foreign", "field"},
	} {
		server.Do(command...)
		checkUsable(t, s, server, fmt.Sprint(command))
	}
	for _, field := range fields {
		for _, text := range junk {
			lease := acquire(t, s, "before")
			save(t, s, lease, "value")
			server.Do("HSET", row(key), field, text)
			checkUsable(t, s, server, fmt.Sprintf("%s = %q", field, text))
		}
	}
}

func TestStore_RandomRows(t *testing.T) {
	t.Parallel()
	server := redistest.Single(t)
	s := patient{connect(t, server.URL())}
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		command := []string{"HSET", row(key)}
		for _, field := range fields {
			switch random.IntN(5) {
			case 0:
				command = append(command, field, junk[random.IntN(len(junk))])
			case 1:
				command = append(command, field, strconv.FormatInt(time.Now().UnixMilli()+random.Int64N(1e11)-5e10, 10))
			case 2:
				command = append(command, field, strconv.FormatUint(random.Uint64()>>random.IntN(64), 10))
			case 3:
				from := time.Now().UnixMilli() + random.Int64N(4e8) - 2e8
				command = append(command, field, fmt.Sprint(from, from+random.Int64N(2e8), random.IntN(9)))
			}
		}
		if len(command) > 2 {
			server.Do(command...)
		}
		checkUsable(t, s, server, fmt.Sprintf("%q", command))
	}
}

// Symptom: the clock of the server was set back by two hours, and the lease of
// a dead holder blocked all replicas for that long.
func TestStore_ClockSetBack(t *testing.T) {
	t.Parallel()
	server := redistest.Single(t)
	s := patient{connect(t, server.URL())}
	ahead := func(fields ...string) {
		t.Helper()
		for _, field := range fields {
			server.Do("HINCRBY", row(key), field, "7200000")
		}
	}
	lease := acquire(t, s, "a")
	ahead("granted", "until")
	save(t, s, lease, "value")
	if rec, err := s.Load(t.Context(), key); err != nil || rec.Left > time.Hour {
		t.Errorf("saved under a lease from the future: Load = %+v, %v", rec, err)
	}
	_, err := s.Acquire(t.Context(), key, ticket.LeaseRequest{Owner: "b", TTL: time.Minute})
	if held, ok := errors.AsType[*ticket.HeldError](err); !ok || held.BackOff || held.For > time.Minute {
		t.Errorf("b gets %v, want a minute at most", err)
	}
	if granted, _ := server.Do("HGET", row(key), "granted").(string); granted > fmt.Sprint(time.Now().Add(time.Hour).UnixMilli()) {
		t.Error("the lease still begins in the future")
	}
	if again := acquire(t, s, "a"); again.Fence != lease.Fence {
		t.Errorf("a has fence %d, want %d", again.Fence, lease.Fence)
	}
	if err := s.Release(t.Context(), lease, time.Minute); err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(2 * time.Hour).UnixMilli()
	server.Do("HSET", row(key), "backoff:", fmt.Sprint(later, later+60_000, 3))
	for range 2 {
		_, err = s.Acquire(t.Context(), key, ticket.LeaseRequest{Owner: "b", TTL: time.Minute})
		if held, ok := errors.AsType[*ticket.HeldError](err); !ok || !held.BackOff || held.For > time.Minute {
			t.Errorf("in a back-off from the future b gets %v, want a minute at most", err)
		}
	}
	if text, _ := server.Do("HGET", row(key), "backoff:").(string); text >= fmt.Sprint(later) {
		t.Errorf("the back-off still begins in the future: %s", text)
	}
	ahead("saved", "ends")
	if rec, err := s.Load(t.Context(), key); !errors.Is(err, ticket.ErrUnreadable) {
		t.Errorf("a copy from the future: Load = %+v, %v, want ErrUnreadable", rec, err)
	}
}
