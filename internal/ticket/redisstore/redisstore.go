// Package redisstore keeps shared credentials in Redis 5 or later: one server,
// a master under Sentinels, or a Cluster. It makes no decisions: the rules are
// in package ticket.
//
// A credential and its lease are one hash, so each method of [ticket.Store] is
// one script on one key. All times are those of the server. Redis may lose its
// last writes in a failover; the consequence is at most one more fetch.
//
// Data under a key that no script of this package can have written counts as no
// copy and no lease, and is replaced. This includes spans longer than two days.
// It also includes a copy that was saved in the future, which happens when the
// server's clock was set back: its age is unknown. A lease that was granted in
// the future counts from now.
package redisstore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/addcard/addcard/internal/ticket"
)

// Store is a [ticket.Store] in Redis. Create it with [New]; it is safe for
// concurrent use. No call takes longer than half a second, and no call is sent
// twice: Redis may have run a call that it did not answer.
type Store struct {
	client   redis.UniversalClient
	asksTime atomic.Bool // scripts may not call TIME
}

var _ ticket.Store = (*Store)(nil)

// New returns a Store that uses client, which [Open] makes and which must stay
// open. It does not connect.
func New(client redis.UniversalClient) *Store { return &Store{client: client} }

// redisKey returns the key of the hash. The part of key before the last colon,
// which contains the AppID, is the hash tag: the credentials of one app are in
// one slot of a Cluster.
func redisKey(key string) string {
	tag, rest := key, ""
	if i := strings.LastIndexByte(key, ':'); i > 0 {
		tag, rest = key[:i], key[i:]
	}
	return "addcard:{" + tag + "}" + rest
}

// Durations of Go end at 292 years, so a longer span marks the copy as
// malformed. The clocks of a master and its replica may differ by a second.
var loadScript = newScript(`
local kind = redis.call('TYPE', KEYS[1]).ok
if kind ~= 'hash' then return {kind} end
local r = row('value', 'value_fence', 'life', 'ends', 'saved', 'rejected')
if not r[1] and not r[2] then return {'none'} end
local fence, life, ends, saved = fence(r[2]), whole(r[3]), whole(r[4]), whole(r[5])
if not r[1] or not fence or not life or not ends or not saved or not r[6]
  or life > 1e12 or ends - saved > 1e12 or saved > now + 1000 then return {'junk'} end
return {kind, r[1], fence, life, ends - now, now - saved, r[6]}`)

// Load implements [ticket.Store].
func (s *Store) Load(ctx context.Context, key string) (ticket.Record, error) {
	reply, err := s.run(ctx, loadScript, key)
	if err != nil {
		return ticket.Record{}, fmt.Errorf("load ticket %s: %w", key, err)
	}
	if reply.text(0) == "none" {
		return ticket.Record{}, ticket.ErrNotFound
	}
	rec := ticket.Record{
		Value:    reply.text(1),
		Fence:    reply.number(2),
		Lifetime: millis(reply.number(3)),
		Left:     millis(reply.number(4)),
		Age:      millis(reply.number(5)),
		Rejected: reply.text(6) != "0",
	}
	if rec.Value == "" || rec.Fence <= 0 || rec.Lifetime <= 0 {
		return ticket.Record{}, ticket.ErrUnreadable
	}
	return rec, nil
}

// The lease is granted if it is free, expired, or already held by this owner. A
// previous version stored a back-off, of any secret, as a lease without an owner.
var acquireScript = newScript(`
local owner, above, ttl, backoff = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), 'backoff:' .. ARGV[4]
local r = row('owner', 'fence', 'granted', 'until', backoff)
local from, till, failures = string.match(r[5] or '', '^(%d+) (%d+) (%d+)$')
local from, till, moved = span(from, till)
if moved then redis.call('HSET', KEYS[1], backoff, string.format('%.0f %.0f %s', from, till, failures)) end
if now < till then return {0, till - now, ''} end
local fence = fence(r[2]) or 0
local granted, ends, moved = span(r[3], r[4])
if moved then redis.call('HSET', KEYS[1], 'granted', granted, 'until', ends) end
local held = r[1] and fence > 0 and now < ends
if held and (r[1] == '' or r[1] ~= owner) then
  return {0, ends - now, r[1]}
end
if not held then fence = math.max(fence, above) + 1 end
clear()
redis.call('HSET', KEYS[1], 'owner', owner, 'fence', fence, 'granted', now, 'until', now + ttl)
keep()
return {1, fence, whole(failures) or 0}`)

// Acquire implements [ticket.Store].
func (s *Store) Acquire(ctx context.Context, key string, req ticket.LeaseRequest) (ticket.Lease, error) {
	if req.FenceAbove >= maxFence {
		return ticket.Lease{}, fmt.Errorf("acquire the lease of ticket %s: fence %d is out of range", key, req.FenceAbove)
	}
	reply, err := s.run(ctx, acquireScript, key, req.Owner, req.FenceAbove, req.TTL.Milliseconds(), req.SecretID)
	if err != nil {
		return ticket.Lease{}, fmt.Errorf("acquire the lease of ticket %s: %w", key, err)
	}
	if reply.number(0) == 0 {
		return ticket.Lease{}, &ticket.HeldError{For: millis(reply.number(1)), BackOff: reply.text(2) == ""}
	}
	return ticket.Lease{
		Key: key, Owner: req.Owner, SecretID: req.SecretID, Fence: reply.number(1), Failures: int(reply.number(2)),
	}, nil
}

var saveScript = newScript(`
if not ours(ARGV[1], ARGV[2]) then return {0} end
local granted = whole(row('granted')[1]) or now
redis.call('HSET', KEYS[1], 'value', ARGV[3], 'value_fence', ARGV[4], 'life', ARGV[5],
  'ends', math.min(granted, now) + tonumber(ARGV[6]), 'saved', now, 'rejected', 0)
keep()
return {1}`)

// Save implements [ticket.Store].
func (s *Store) Save(ctx context.Context, lease ticket.Lease, v ticket.FetchedValue) error {
	reply, err := s.run(ctx, saveScript, lease.Key, lease.Owner, lease.Fence,
		v.Value, v.Fence, v.Lifetime.Milliseconds(), (v.Start + v.Lifetime).Milliseconds())
	if err != nil {
		return fmt.Errorf("save ticket %s: %w", lease.Key, err)
	}
	if reply.number(0) == 0 {
		return ticket.ErrLeaseLost
	}
	return nil
}

var releaseScript = newScript(`
if ours(ARGV[1], ARGV[2]) then
  local till = now + tonumber(ARGV[3])
  redis.call('HSET', KEYS[1], 'owner', '', 'granted', now, 'until', now,
    'backoff:' .. ARGV[5], string.format('%.0f %.0f %s', now, till, ARGV[4]))
  keep(till)
end
return {}`)

// Release implements [ticket.Store].
func (s *Store) Release(ctx context.Context, lease ticket.Lease, after time.Duration) error {
	_, err := s.run(ctx, releaseScript, lease.Key,
		lease.Owner, lease.Fence, max(after, 0).Milliseconds(), lease.Failures, lease.SecretID)
	if err != nil {
		return fmt.Errorf("release the lease of ticket %s: %w", lease.Key, err)
	}
	return nil
}

var invalidateScript = newScript(`
if row('value_fence')[1] == ARGV[1] then redis.call('HSET', KEYS[1], 'rejected', 1) end
return {}`)

// Invalidate implements [ticket.Store].
func (s *Store) Invalidate(ctx context.Context, key string, fence int64) error {
	if _, err := s.run(ctx, invalidateScript, key, strconv.FormatInt(fence, 10)); err != nil {
		return fmt.Errorf("invalidate ticket %s: %w", key, err)
	}
	return nil
}

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
