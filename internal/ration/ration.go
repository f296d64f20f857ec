// Package ration bounds what clients can use up of what all of them share: calls
// to WeChat, requests that wait for WeChat, and memory. [Slots] bounds how many
// wait at once, [Budget] how often one client may ask, [Answers] has equal
// questions asked once, and [Recent] is a map of bounded size.
//
// The bounds hold within one process. All types are safe for concurrent use.
package ration

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ErrBusy is returned when as many callers as may wait for a call to WeChat wait
// for it already. It says nothing about the call.
var ErrBusy = errors.New("ration: too many wait for WeChat")

// Slots bounds how many callers wait for the same thing at once. The zero value
// is ready to use.
type Slots struct{ taken atomic.Int64 }

// Enter takes one of limit slots, or returns ErrBusy at once. The caller must call
// leave once.
func (s *Slots) Enter(limit int64) (leave func(), err error) {
	if s.taken.Add(1) > limit {
		s.taken.Add(-1)
		return nil, ErrBusy
	}
	return func() { s.taken.Add(-1) }, nil
}

// maxKeys bounds the clients that a Budget distinguishes within a minute, about
// 100 bytes each. Further ones share one budget.
const maxKeys = 65536

// Budget counts what each client does in a minute. The zero value is ready to use.
type Budget struct {
	mu     sync.Mutex
	minute time.Time
	used   map[string]int
}

// Allow counts one use by the client with this key in the current minute, and
// reports whether it is within limit.
func (b *Budget) Allow(key string, limit int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now().Truncate(time.Minute); !now.Equal(b.minute) {
		b.minute, b.used = now, map[string]int{}
	}
	if _, known := b.used[key]; !known && len(b.used) >= maxKeys {
		key = ""
	}
	b.used[key]++
	return b.used[key] <= limit
}

// Client is on whose behalf something is done. The zero value is a client that is
// not known.
type Client struct {
	Kind Kind
	Key  string // a member's ID, or the network address of an anonymous client
}

// Kind is a kind of client.
type Kind int

// The kinds of clients.
const (
	Unknown Kind = iota
	Anonymous
	Member
	Operator
)

type clientKey struct{}

// WithClient returns a context for what is done on behalf of c.
func WithClient(ctx context.Context, c Client) context.Context {
	return context.WithValue(ctx, clientKey{}, c)
}

// ClientOf returns the client that was given to WithClient.
func ClientOf(ctx context.Context) Client {
	c, _ := ctx.Value(clientKey{}).(Client)
	return c
}
