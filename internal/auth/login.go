package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

const (
	// loginTimeout bounds one login from WeChat to the database.
	loginTimeout = 8 * time.Second
	// codeMemory is twice the life of a code at WeChat.
	codeMemory = 10 * time.Minute
	// maxCodes bounds the codes remembered at twice as many, about 100 bytes
	// each: 6 MiB.
	maxCodes = 32768
	// maxCode is eight times what WeChat's codes take.
	maxCode = 256
)

// codes remembers, by SHA-256, every code that was tried.
type codes struct {
	tried *recent[[sha256.Size]byte, *attempt]
	spent *attempt // in place of every attempt that has ended
}

// attempt is the one use of a code. The results may be read once done is
// closed.
type attempt struct {
	done    chan struct{}
	token   string
	session Session
	err     error
}

func newCodes() codes {
	spent := &attempt{done: make(chan struct{}), err: ErrCodeRefused}
	close(spent.done)
	return codes{tried: newRecent[[sha256.Size]byte, *attempt](maxCodes, codeMemory), spent: spent}
}

// Login exchanges a code of wx.login for a session of the member behind it.
//
// A code goes to WeChat once, whatever comes of it: after a timeout nobody
// knows whether it is spent, and only wx.login can tell, by a new one. Callers
// who bring the same code meanwhile share the attempt and get the same token;
// who brings it after the attempt has ended, well or badly, gets
// ErrCodeRefused, as WeChat would answer and so that a code seen on the way
// opens nothing.
//
// Login blocks until the attempt or ctx ends. The attempt goes on without its
// callers, for 8 s at most. Besides the errors above it returns those of
// CodeExchanger and Enroller, wrapped, and ctx's.
func (s *Service) Login(ctx context.Context, code string) (token string, session Session, err error) {
	if !isCode(code) {
		return "", Session{}, ErrCodeFormat
	}
	a := s.attempt(ctx, code)
	select {
	case <-a.done:
		return a.token, a.session, a.err
	case <-ctx.Done():
		return "", Session{}, fmt.Errorf("wait for the login: %w", ctx.Err())
	}
}

// isCode tells whether WeChat could have made the code: printable ASCII
// without a space.
func isCode(code string) bool {
	for i := range len(code) {
		if code[i] <= ' ' || code[i] > '~' {
			return false
		}
	}
	return len(code) > 0 && len(code) <= maxCode
}

// attempt joins the attempt of the code, or begins it. It is not singleflight,
// because that forgets a key when its call ends, and nobody could wait for a
// call that all its callers have left.
func (s *Service) attempt(ctx context.Context, code string) *attempt {
	key := sha256.Sum256([]byte(code))
	a, tried := s.codes.tried.LoadOrStore(key, &attempt{done: make(chan struct{})})
	if tried {
		return a
	}
	s.flights.Go(func() {
		defer close(a.done)
		defer s.codes.tried.Put(key, s.codes.spent)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loginTimeout)
		defer cancel()
		a.token, a.session, a.err = s.login(ctx, code)
	})
	return a
}

func (s *Service) login(ctx context.Context, code string) (token string, session Session, err error) {
	defer func() {
		if r := recover(); r != nil { // nobody above this goroutine would
			err = fmt.Errorf("log in: panic: %v\n%s", r, debug.Stack())
		}
	}()
	openID, unionID, err := s.ports.WeChat.Code2Session(ctx, code)
	if err != nil {
		return "", Session{}, fmt.Errorf("exchange a login code: %w", err)
	}
	if openID == "" {
		return "", Session{}, errors.New("exchange a login code: no openid") // would make one member of many
	}
	memberID, err := s.ports.Members.Enroll(ctx, s.ports.AppID, openID, unionID)
	if err != nil {
		return "", Session{}, fmt.Errorf("log in: %w", err)
	}
	return s.tokens.issue(memberID)
}
