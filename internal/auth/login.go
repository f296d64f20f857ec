package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"time"
)

const (
	// loginTimeout bounds one login, including the calls of WeChat and the
	// database.
	loginTimeout = 8 * time.Second
	// codeLifetime is twice the lifetime of a code at WeChat.
	codeLifetime = 10 * time.Minute
	// maxCodes is half of the number of codes that are kept, about 100 bytes
	// each: 6 MiB.
	maxCodes = 32768
	// maxCodeLength is eight times the length of WeChat's codes.
	maxCodeLength = 256
	// mockCode is what DevTools gives instead of a code to a project that has the
	// tourist's AppID.
	mockCode = "the code is a mock one"
)

// codes keeps the SHA-256 of every code that was tried.
type codes struct {
	tried *recent[[sha256.Size]byte, *attempt]
	ended *attempt // replaces every attempt that has ended
}

// attempt is the one use of a code. Its results may be read when done is
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
	return codes{tried: newRecent[[sha256.Size]byte, *attempt](maxCodes, codeLifetime), ended: spent}
}

// Login exchanges a code of wx.login for a session of its member.
//
// A code is sent to WeChat at most once, even after a timeout: it is not known
// then whether the code was used up, and wx.login can provide a new one. Calls
// with the same code during the attempt share it and get the same token. Calls
// with the code after the attempt has ended, successfully or not, get
// ErrCodeRefused, as from WeChat. So an intercepted code is useless.
//
// Text that is no code at all gets ErrCodeMock or ErrCodeFormat.
//
// Login blocks until the attempt or ctx ends. The attempt goes on without its
// callers, for 8 s at most. Besides the errors above, Login returns those of
// CodeExchanger and Enroller, wrapped, and that of ctx.
func (s *Service) Login(ctx context.Context, code string) (token string, session Session, err error) {
	switch {
	case strings.Contains(strings.ToLower(code), mockCode):
		return "", Session{}, ErrCodeMock
	case !isCode(code):
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

// isCode reports whether code may be from WeChat: printable ASCII without
// spaces.
func isCode(code string) bool {
	for i := range len(code) {
		if code[i] <= ' ' || code[i] > '~' {
			return false
		}
	}
	return len(code) > 0 && len(code) <= maxCodeLength
}

// attempt joins the attempt with the code or begins it. It does not use package
// singleflight, which forgets a key when the call ends, and in which Close
// could not wait for a call that has no callers left.
func (s *Service) attempt(ctx context.Context, code string) *attempt {
	key := sha256.Sum256([]byte(code))
	a, loaded := s.codes.tried.LoadOrStore(key, &attempt{done: make(chan struct{})})
	if loaded {
		return a
	}
	s.logins.Go(func() {
		defer close(a.done)
		defer s.codes.tried.Put(key, s.codes.ended)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loginTimeout)
		defer cancel()
		a.token, a.session, a.err = s.login(ctx, code)
	})
	return a
}

func (s *Service) login(ctx context.Context, code string) (token string, session Session, err error) {
	defer func() {
		if r := recover(); r != nil { // no caller of this goroutine would recover
			err = fmt.Errorf("log in: panic: %v\n%s", r, debug.Stack())
		}
	}()
	openID, unionID, err := s.ports.WeChat.Code2Session(ctx, code)
	if err != nil {
		return "", Session{}, fmt.Errorf("exchange login code: %w", err)
	}
	if openID == "" {
		return "", Session{}, errors.New("exchange login code: no openid") // all such users would be one member
	}
	memberID, err := s.ports.Members.Enroll(ctx, s.ports.AppID, openID, unionID)
	if err != nil {
		return "", Session{}, fmt.Errorf("log in: %w", err)
	}
	return s.tokens.issue(memberID)
}
