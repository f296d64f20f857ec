package redisstore

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"time"

	"github.com/redis/go-redis/v9"
)

// maxFence is the highest fence. Up to whole's end there is room to count on.
const maxFence = 9e14

// prelude stands before every script. Lua's numbers are floats, so whole takes
// no more digits than these hold, and nothing that only looks like a number.
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
-- The row is forgotten a day after its copy and its lease have ended.
local function keep()
  local r = row('ends', 'until')
  redis.call('PEXPIRE', key, math.max(whole(r[1]) or 0, whole(r[2]) or 0, now) - now + 86400000)
end
`

type script struct{ text, hash string }

func newScript(body string) script {
	text := prelude + body
	sum := sha1.Sum([]byte(text)) // the name Redis gives it
	return script{text, hex.EncodeToString(sum[:])}
}

// callTime bounds one call: a connection to be made, or an answer that the
// client gives up after [replyTime], whichever way they add up.
const callTimeout = 500 * time.Millisecond

// run runs a script on the row of a ticket: by its name, and by its text where
// the server does not know it, which then has done nothing.
func (s *Store) run(ctx context.Context, code script, key string, args ...any) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, err := s.send(ctx, "evalsha", code.hash, key, args)
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		r, err = s.send(ctx, "eval", code.text, key, args)
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

// once is a command that no client sends again after it may have reached a
// server: a Cluster's does so else, whatever its MaxRetries. Being told that
// the key lives elsewhere is no such failure.
type unrepeated struct{ *redis.Cmd }

// NoRetry overrides the command's own.
func (unrepeated) NoRetry() bool { return true }

// reply is the answer of a script; what is not there, or of another kind, is
// zero.
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
