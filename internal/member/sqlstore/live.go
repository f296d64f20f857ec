package sqlstore

import (
	"context"
	"sync"

	"github.com/addcard/addcard/internal/member"
)

// live remembers what LiveCard found, until anything is committed anywhere: the
// commonest question of a mini-program that is opened again is answered without
// the database, and never with what has changed since (for commits of another
// process: a tenth of a second since).
type live struct {
	mu      sync.RWMutex
	version int64
	cards   map[liveKey]member.Live
}

type liveKey struct{ memberID, cardID string }

// maxLive bounds the memory: about 8 MiB.
const maxLive = 32 << 10

func (l *live) get(version int64, k liveKey) (member.Live, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.version != version {
		return member.Live{}, false
	}
	c, ok := l.cards[k]
	return c, ok
}

// put keeps what was read after version was.
func (l *live) put(version int64, k liveKey, c member.Live) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if version < l.version {
		return
	}
	if version > l.version || len(l.cards) >= maxLive {
		l.version, l.cards = version, map[liveKey]member.Live{}
	}
	l.cards[k] = c
}

// LiveCard implements member.Reader.
func (s *Store) LiveCard(ctx context.Context, memberID, cardID string) (member.Live, error) {
	version, k := s.db.Version(ctx), liveKey{memberID, cardID}
	if c, ok := s.live.get(version, k); ok {
		return c, nil
	}
	c, err := s.rows.LiveCard(ctx, memberID, cardID)
	if err == nil {
		s.live.put(version, k, c)
	}
	return c, err
}
