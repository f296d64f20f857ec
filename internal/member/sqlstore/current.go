package sqlstore

import (
	"context"
	"sync"

	"github.com/addcard/addcard/internal/member"
)

// codeCache remembers current codes until anything is committed anywhere. So the
// commonest request of a mini-program that is opened again needs no query, and never
// gets what has changed since (or, for a commit of another process, what changed
// more than a tenth of a second ago).
type codeCache struct {
	mu      sync.RWMutex
	version int64
	codes   map[codeKey]member.CurrentCode
}

type codeKey struct{ memberID, cardID string }

// maxCached bounds the memory: about 8 MiB.
const maxCached = 32 << 10

func (l *codeCache) get(version int64, k codeKey) (member.CurrentCode, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.version != version {
		return member.CurrentCode{}, false
	}
	c, ok := l.codes[k]
	return c, ok
}

// put stores a code that was read after the version was.
func (l *codeCache) put(version int64, k codeKey, c member.CurrentCode) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if version < l.version {
		return
	}
	if version > l.version || len(l.codes) >= maxCached {
		l.version, l.codes = version, map[codeKey]member.CurrentCode{}
	}
	l.codes[k] = c
}

// CurrentCode implements member.Reader.
func (s *Store) CurrentCode(ctx context.Context, memberID, cardID string) (member.CurrentCode, error) {
	version, k := s.DB.Version(ctx), codeKey{memberID, cardID}
	if c, ok := s.current.get(version, k); ok {
		return c, nil
	}
	c, err := s.Tx.CurrentCode(ctx, memberID, cardID)
	if err == nil {
		s.current.put(version, k, c)
	}
	return c, err
}
