package redisstore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxFence is the highest fence. It leaves room below the largest number that
// the Lua function whole accepts.
const maxFence = 9e14

// The two beginnings of a script: with the time of the server, or with one that
// was asked for before, as the last argument.
const (
	timeInside = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`
	timeOutside = `
local now = tonumber(ARGV[#ARGV])
`
)

// prelude is part of every script. Numbers of Lua are floats, so the function
// whole accepts only as many digits as they represent exactly, and nothing but
// digits.
//
// The proxies of some cloud vendors read scripts before they run them: the first
// argument of redis.call must be a literal, and a key must be written KEYS[n]
// there, not held by a variable.
const prelude = `
local function whole(text)
  return text and #text <= 15 and string.find(text, '^%d+$') and tonumber(text) or nil
end
local function fence(text)
  local n = whole(text)
  return n and n > 0 and n <= 9e14 and n or nil
end
-- A span that no script can have written counts as over. One that begins in the
-- future, because the clock was set back, begins now.
local function span(from, till)
  from, till = whole(from) or 0, whole(till) or 0
  if till < from or till - from > 172800000 then return 0, 0 end
  if from > now then return now, now + till - from, true end
  return from, till
end
local function isrow() return redis.call('TYPE', KEYS[1]).ok == 'hash' end
local function row(...) return isrow() and redis.call('HMGET', KEYS[1], ...) or {} end
local function clear() if not isrow() then redis.call('DEL', KEYS[1]) end end
local function ours(owner, fence)
  local r = row('owner', 'fence')
  return owner ~= '' and r[1] == owner and r[2] == fence
end
-- The row is deleted a day after its copy, its lease and a new back-off have ended.
local function keep(till)
  local r = row('ends', 'until')
  redis.call('PEXPIRE', KEYS[1], math.max(whole(r[1]) or 0, whole(r[2]) or 0, till or 0, now) - now + 86400000)
end
`

type script struct{ timeInside, timeOutside string }

func newScript(body string) script {
	return script{timeInside + prelude + body, timeOutside + prelude + body}
}

// callTimeout bounds one call, including a new connection and a reply, which
// the client waits for no longer than [replyTimeout].
const callTimeout = 500 * time.Millisecond

// run runs a script on the row of a credential. It always sends the text, which
// is short: proxies that spread calls over servers do not find a script by its
// hash, or do not support EVALSHA. A server or proxy that refuses TIME in a script
// is asked for the time before each call from then on.
func (s *Store) run(ctx context.Context, sc script, key string, args ...any) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if s.asksTime.Load() {
		return s.runAt(ctx, sc, key, args)
	}
	r, err := s.eval(ctx, sc.timeInside, key, args)
	if !refusesScript(err) {
		return r, err
	}
	r, failed := s.runAt(ctx, sc, key, args)
	if failed != nil {
		return nil, err
	}
	s.asksTime.Store(true)
	return r, nil
}

// runAt is run with the time that the server answers to TIME. That is a little
// early when the script runs, so copies and leases may end late by the time of a
// call.
func (s *Store) runAt(ctx context.Context, sc script, key string, args []any) (reply, error) {
	now, err := s.client.Time(ctx).Result()
	if err != nil {
		return nil, err
	}
	return s.eval(ctx, sc.timeOutside, key, append(slices.Clip(args), now.UnixMilli()))
}

// refusesScript reports whether err is an error reply to a script other than those
// of a server that will accept it later, or from this client.
func refusesScript(err error) bool {
	reply, ok := errors.AsType[redis.Error](err)
	if !ok {
		return false
	}
	code, _, _ := strings.Cut(reply.Error(), " ")
	return !slices.Contains([]string{
		"LOADING", "BUSY", "OOM", "MISCONF", "READONLY", "MASTERDOWN", "NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN", "MOVED", "ASK",
		"NOAUTH", "WRONGPASS",
	}, code)
}

func (s *Store) eval(ctx context.Context, text, key string, args []any) (reply, error) {
	cmd := unrepeated{redis.NewCmd(ctx, append([]any{"eval", text, 1, redisKey(key)}, args...)...)}
	if err := s.client.Process(ctx, cmd); err != nil {
		return nil, err
	}
	return cmd.Slice()
}

// unrepeated is a command that no client sends again after it may have reached
// a server. A Cluster client would, regardless of its MaxRetries. It still follows a
// reply that the key is on another node.
type unrepeated struct{ *redis.Cmd }

// NoRetry overrides the method of redis.Cmd.
func (unrepeated) NoRetry() bool { return true }

// reply is the answer of a script. An element that is missing or of another
// type reads as zero.
type reply []any

func (r reply) text(i int) string {
	if i >= len(r) {
		return ""
	}
	s, _ := r[i].(string)
	return s
}

func (r reply) number(i int) int64 {
	if i >= len(r) {
		return 0
	}
	n, _ := r[i].(int64)
	return n
}
