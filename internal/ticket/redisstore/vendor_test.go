package redisstore_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	redistest "github.com/addcard/addcard/internal/testing/redis"
	"github.com/addcard/addcard/internal/ticket/tickettest"
)

// refuse is a rule that answers commands with an error reply, or closes the
// connection if reply is "".
func refuse(reply string, commands ...string) redistest.Rule {
	return func(command []string) (string, bool) {
		return reply, slices.Contains(commands, strings.ToLower(command[0]))
	}
}

var (
	calls   = regexp.MustCompile(`redis\s*\.\s*p?call\s*\(([^)]*)\)?`)
	literal = regexp.MustCompile(`^\s*('[^']*'|"[^"]*")\s*$`)
	isKey   = regexp.MustCompile(`^\s*KEYS\[\d+\]\s*$`)
)

// literalKeys refuses scripts as the proxies of Alibaba Cloud do: the first
// argument of redis.call must be a literal, and the key must be written KEYS[n].
// keyless allows for calls without a key.
func literalKeys(keyless bool) redistest.Rule {
	return func(command []string) (string, bool) {
		if strings.ToLower(command[0]) != "eval" {
			return "", false
		}
		for _, call := range calls.FindAllStringSubmatch(command[1], -1) {
			args := strings.Split(call[1], ",")
			if !literal.MatchString(args[0]) {
				return "ERR bad lua script for redis cluster, first parameter of redis.call/redis.pcall must be a single literal string", true
			}
			if len(args) == 1 && !keyless || len(args) > 1 && !isKey.MatchString(args[1]) {
				return "ERR bad lua script for redis cluster, all the keys that the script uses should be passed using the KEYS array", true
			}
		}
		return "", false
	}
}

// timeInScripts refuses scripts that read the time and write, as servers before
// Redis 5 do.
func timeInScripts(command []string) (string, bool) {
	return "ERR Error running script: Write commands not allowed after non deterministic commands.",
		strings.ToLower(command[0]) == "eval" && strings.Contains(command[1], "'TIME'")
}

// vendors are the rules of proxies. Behind each of them a Store must work.
var vendors = map[string][]redistest.Rule{
	"literal keys": {
		literalKeys(true), refuse("NOSCRIPT No matching script. Please use EVAL.", "evalsha"),
	},
	"literal keys in every call": {
		literalKeys(false), refuse("ERR unknown command 'evalsha'", "evalsha"),
	},
	"no time in scripts": {timeInScripts},
	"commands that close the connection": {
		refuse("", "hello", "evalsha", "script", "client", "command", "info"),
	},
	"unknown HELLO": {refuse("ERR unknown command 'HELLO'", "hello")},
	"all of it": {
		literalKeys(false), timeInScripts, refuse("", "hello", "evalsha", "script", "client", "command", "info"),
	},
}

// Symptom: behind a proxy of a cloud vendor there never was a ticket.
func TestStore_BehindAVendorsProxy(t *testing.T) {
	t.Parallel()
	for name, rules := range vendors {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Single(t)
			h := tickettest.Harness{
				Store:   patient{connect(t, server.Proxy(rules...))},
				Corrupt: func(t *testing.T, key string) { server.Do("LPUSH", row(key), "junk") },
			}
			awaitRecovery(t, h.Store) // the first connection may fail
			tickettest.Run(t, func(*testing.T) tickettest.Harness { return h })
		})
	}
}

// Symptom: the log had only EOF.
func TestStore_NamesTheCommandThatAProxyDrops(t *testing.T) {
	t.Parallel()
	for _, silent := range []bool{false, true} {
		t.Run(fmt.Sprint("silent=", silent), func(t *testing.T) {
			t.Parallel()
			end := make(chan struct{})
			drop := func(command []string) (string, bool) {
				if silent && strings.EqualFold(command[0], "hello") {
					<-end
				}
				return "", strings.EqualFold(command[0], "hello")
			}
			server := redistest.Single(t)
			restrictUser(server)
			url := strings.Replace(server.Proxy(drop), "redis://", "redis://shop:hunter2@", 1) + "/1"
			t.Cleanup(func() { close(end) }) // before the proxy is awaited
			s := connect(t, url)
			_, err := s.Load(t.Context(), key)
			if err == nil || !strings.Contains(err.Error(), "HELLO") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("Load = %v, want an error that names HELLO", err)
			}
			awaitRecovery(t, s)
			renew(t, s)
		})
	}
}

// A proxy may refuse every way to the server's time. There is no other clock that
// all replicas share, so the Store fails and says what was refused.
func TestStore_WithoutAnyTime(t *testing.T) {
	t.Parallel()
	server := redistest.Single(t)
	s := connect(t, server.Proxy(timeInScripts, refuse("ERR unknown command 'time'", "time")))
	if err := loadError(t, s); err == nil || !strings.Contains(err.Error(), "non deterministic") {
		t.Errorf("Load = %v, want the server's reply", err)
	}
}
