package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/addcard/addcard/internal/ration"
)

const (
	// loginTimeout bounds one login, including the calls of WeChat and the
	// database.
	loginTimeout = 8 * time.Second
	// codeLifetime is twice the lifetime of a code at WeChat.
	codeLifetime = 10 * time.Minute
	// maxCodes is half of the number of codes that are kept, about 100 bytes each:
	// 12 MiB. It is as many as loginsPerSecond allows in the five minutes for which
	// WeChat accepts a code, so that no number of other codes makes a used one be
	// sent again.
	maxCodes = 65536
	_        = uint(maxCodes - loginsPerSecond*5*60 - loginBurst) // does not compile if it is fewer
	// maxCodeLength is eight times the length of WeChat's codes.
	maxCodeLength = 256
	// mockCode is what DevTools gives instead of a code to a project that has the
	// tourist's AppID.
	mockCode = "the code is a mock one"
)

// codes keeps the SHA-256 of every code that was sent.
type codes struct {
	mu    sync.Mutex // is held while an attempt begins, ends, or gains or loses a caller
	tried *ration.Recent[codeHash, *attempt]
	ended *attempt // replaces every attempt that has ended
}

type codeHash = [sha256.Size]byte

// attempt is the one use of a code. Its results may be read when done is
// closed.
type attempt struct {
	callers int
	abandon context.CancelFunc // stops the attempt if the code was not sent yet

	done    chan struct{}
	token   string
	session Session
	err     error
}

// door is where the logins of one app come in. Each app has its own, so that what is
// wrong with one does not suspend the logins of the other.
type door struct {
	app App
	*codes
	*admission
}

func newDoor(app App, o Options) *door { return &door{app, newCodes(), newAdmission(app.ID, o)} }

func newCodes() *codes {
	spent := &attempt{done: make(chan struct{}), err: ErrCodeRefused}
	close(spent.done)
	return &codes{tried: ration.NewRecent[codeHash, *attempt](maxCodes, codeLifetime), ended: spent}
}

// Login exchanges a code of wx.login for a session of its member.
//
// A code is sent to WeChat at most once, even after a timeout: it is not known
// then whether the code was used up, and wx.login can provide a new one. Calls
// with the same code during the attempt share it and get the same token. Calls
// with the code after the attempt has ended, successfully or not, get
// ErrCodeRefused, as from WeChat. So an intercepted code is useless. A code that
// was certainly not sent can be used again.
//
// Text that is no code at all gets ErrCodeMock or ErrCodeFormat. A *RefusedError
// is returned at once for a code that is not sent to WeChat, because too many logins
// are in progress or come every second, or WeChat does not answer logins.
//
// Login blocks until the attempt or ctx ends. If all callers have left before the
// code was sent, it is not sent. Otherwise the attempt goes on without them, for 8 s
// at most. Besides the errors above, Login returns those of CodeExchanger and
// Enroller, wrapped, and that of ctx.
func (s *Service) Login(ctx context.Context, code string) (token string, session Session, err error) {
	return s.logIn(ctx, s.mini, code)
}

// LoginOnPage is Login for a code that WeChat's browser brought to a web page of the
// Official Account.
func (s *Service) LoginOnPage(ctx context.Context, code string) (token string, session Session, err error) {
	return s.logIn(ctx, s.official, code)
}

func (s *Service) logIn(ctx context.Context, d *door, code string) (token string, session Session, err error) {
	switch {
	case strings.Contains(strings.ToLower(code), mockCode):
		return "", Session{}, ErrCodeMock
	case !isCode(code):
		return "", Session{}, ErrCodeFormat
	}
	leave, err := s.callers.Enter(maxCallers)
	if err != nil {
		return "", Session{}, &RefusedError{err, time.Second}
	}
	defer leave()
	for {
		a, err := s.attempt(ctx, d, code)
		if err != nil {
			return "", Session{}, err
		}
		select {
		case <-a.done:
		case <-ctx.Done():
			d.leave(a)
			return "", Session{}, fmt.Errorf("wait for the login: %w", ctx.Err())
		}
		if !errors.Is(a.err, ErrNotSent) || !errors.Is(a.err, context.Canceled) || ctx.Err() != nil {
			return a.token, a.session, a.err
		}
		// Its other callers left it when this one joined.
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

// attempt joins the attempt with the code or begins it, unless it is not admitted.
// It does not use package singleflight, which forgets a key when the call ends, and
// in which Close could not wait for a call that has no callers left.
func (s *Service) attempt(ctx context.Context, d *door, code string) (*attempt, error) {
	key := sha256.Sum256([]byte(code))
	d.mu.Lock()
	defer d.mu.Unlock()
	if a, ok := d.tried.Get(key); ok {
		if a != d.ended {
			a.callers++
		}
		return a, nil
	}
	leave, err := d.admit(ctx)
	if err != nil {
		return nil, err
	}
	a := &attempt{callers: 1, done: make(chan struct{})}
	work, cancel := context.WithTimeout(context.WithoutCancel(ctx), loginTimeout)
	sending, abandon := context.WithCancel(work)
	a.abandon = abandon
	d.tried.Put(key, a)
	s.logins.Go(func() {
		defer cancel()
		defer leave()
		a.token, a.session, a.err = s.exchange(work, sending, d, code)
		d.end(key, a)
	})
	return a, nil
}

// end replaces the attempt with the mark of a used code, or forgets the code if it
// was not sent.
func (c *codes) end(key codeHash, a *attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if errors.Is(a.err, ErrNotSent) {
		c.tried.Delete(key)
	} else {
		c.tried.Put(key, c.ended)
	}
	close(a.done)
}

// leave records that a caller does not wait for the attempt any more.
func (c *codes) leave(a *attempt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a.callers--; a.callers == 0 {
		a.abandon()
	}
}

// exchange exchanges the code and finds its member. sending ends if all callers have
// left, work with the attempt.
func (s *Service) exchange(work, sending context.Context, d *door, code string) (token string, session Session, err error) {
	defer func() {
		if r := recover(); r != nil { // no caller of this goroutine would recover
			err = fmt.Errorf("log in: panic: %v\n%s", r, debug.Stack())
		}
	}()
	began := time.Now()
	openID, unionID, err := d.app.WeChat.Exchange(sending, code)
	d.breaker.record(began, err)
	if err != nil {
		return "", Session{}, fmt.Errorf("exchange login code: %w", err)
	}
	if openID == "" {
		return "", Session{}, errors.New("exchange login code: no openid") // all such users would be one member
	}
	memberID, err := s.ports.Members.Enroll(work, d.app.ID, openID, unionID)
	if err != nil {
		return "", Session{}, fmt.Errorf("log in: %w", err)
	}
	return s.tokens.issue(memberID)
}
