package redisstore

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxFence is the highest fence. It leaves room below the largest number that
// the Lua function whole accepts.
const maxFence = 9e14

// prelude is the beginning of every script. Numbers of Lua are floats, so the
// function whole accepts only as many digits as they represent exactly, and
// nothing but digits.
const prelude = `
local key = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function whole(text)
  return text and #text <= 15 and string.find(text, '^%d+$') and tonumber(text) or nil
end
local function fence(text)
  local n = whole(text)
  return n and n > 0 and n <= 9e14 and n or nil
end
local function isrow() return redis.call('TYPE', key).ok == 'hash' end
local function row(...) return isrow() and redis.call('HMGET', key, ...) or {} end
local function clear() if not isrow() then redis.call('DEL', key) end end
local function ours(owner, fence)
  local r = row('owner', 'fence')
  return owner ~= '' and r[1] == owner and r[2] == fence
end
-- The row is deleted a day after its copy and its lease have expired.
local function keep()
  local r = row('ends', 'until')
  redis.call('PEXPIRE', key, math.max(whole(r[1]) or 0, whole(r[2]) or 0, now) - now + 86400000)
end
`

type script struct{ text, hash string }

func newScript(body string) script {
	text := prelude + body
	sum := sha1.Sum([]byte(text)) // the name of the script in Redis
	return script{text, hex.EncodeToString(sum[:])}
}

// callTimeout bounds one call, including a new connection and a reply, which
// the client waits for no longer than [replyTimeout].
const callTimeout = 500 * time.Millisecond

// run runs a script on the row of a credential. It sends the hash of the script
// first, and its text if the server does not know the hash and so has done
// nothing.
func (s *Store) run(ctx context.Context, sc script, key string, args ...any) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := s.send(ctx, "evalsha", sc.hash, key, args)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		r, err = s.send(ctx, "eval", sc.text, key, args)
	}
	return r, err
}

func (s *Store) send(ctx context.Context, command, code, key string, args []any) (reply, error) {
	cmd := unrepeated{redis.NewCmd(ctx, append([]any{command, code, 1, redisKey(key)}, args...)...)}
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
