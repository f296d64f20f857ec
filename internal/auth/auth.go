// Package auth turns the code of wx.login into a session and a session into a
// member again, for as long as two hours or until the member logs out.
//
// A session is a signed token and nothing else: [Service.Verify] asks no
// database. What ends a session early is a row that every replica reads twice
// a second (see [Store]), so a logout holds everywhere within a second.
//
// There is no refresh token: wx.login is silent and is the refresh. The
// session_key that WeChat gives with an openid never enters this package. Who
// a member is in which app is decided by the [Enroller].
package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

var (
	// ErrSession is returned by Verify for every token that is not a live
	// session. What wraps it says why, for the log: no client may learn it.
	ErrSession = errors.New("auth: no live session")
	// ErrCodeFormat is returned by Login for what cannot be a code of
	// wx.login; WeChat is not asked.
	ErrCodeFormat = errors.New("auth: malformed login code")
	// ErrCodeRefused is returned by Login for a code that WeChat does not take
	// (errcodes 40029, 40163), or that was tried here before.
	ErrCodeRefused = errors.New("auth: login code refused")
	// ErrUserBlocked is returned by Login for a user whom WeChat holds for
	// risky (errcode 40226).
	ErrUserBlocked = errors.New("auth: user blocked by WeChat")
	// ErrTooFast is returned by Login when WeChat's limit of logins per minute
	// is reached (errcode 45011).
	ErrTooFast = errors.New("auth: too many logins in this minute")
)

// Session says who sent a request. Times are whole seconds, UTC.
type Session struct {
	MemberID  string // a UUID
	JTI       string // a UUID, of this session alone
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// CodeExchanger asks WeChat who is behind a code of wx.login (its page
// "小程序登录 code2Session"). It must send the request once at most: a code is
// spent by the first, whether or not the answer arrives. unionID may be empty.
//
// It returns ErrCodeRefused, ErrUserBlocked or ErrTooFast where they apply;
// any other error means that WeChat did not say. No error may hold the code.
type CodeExchanger interface {
	Code2Session(ctx context.Context, code string) (openID, unionID string, err error)
}

// Enroller returns the member, a UUID, who is openID in the app, making one at
// first sight. unionID may be empty.
type Enroller interface {
	Enroll(ctx context.Context, appID, openID, unionID string) (memberID string, err error)
}

// Ports is what a Service needs of others. All are required.
type Ports struct {
	AppID   string // the mini-program's
	WeChat  CodeExchanger
	Members Enroller
	Store   Store
}

// Options tune a Service; the zero value is ready.
type Options struct {
	Now func() time.Time // the clock of sessions; nil is time.Now
	Log *slog.Logger     // hears of a database that stops answering; nil is slog.Default
}

// Service is logins, sessions and logouts. It is safe for concurrent use.
type Service struct {
	ports    Ports
	now      func() time.Time
	tokens   tokens
	verified *recent[string, Session] // by token, so that its signature is checked once
	revoked  *revocations
	codes    codes
	flights  sync.WaitGroup
}

// Open returns a Service that knows every logout so far. It blocks until the
// store has told them and returns the store's error. Run keeps it informed.
func Open(ctx context.Context, keys *Keys, ports Ports, opts Options) (*Service, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	s := &Service{
		ports:    ports,
		now:      opts.Now,
		tokens:   newTokens(keys, opts.Now),
		verified: newRecent[string, Session](maxVerified, verifiedLife),
		revoked:  newRevocations(ports.Store, opts),
		codes:    newCodes(),
	}
	if err := s.revoked.catchUp(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Run follows the logouts of other replicas until ctx ends; call it once. While
// the database is down, sessions are judged by what is known, and what was
// missed is read as soon as it answers again.
func (s *Service) Run(ctx context.Context) { s.revoked.run(ctx) }

// Close waits for logins that go on without their callers, 8 s at most. Call it
// when nothing calls Login any more.
func (s *Service) Close() { s.flights.Wait() }

const (
	// maxVerified bounds the tokens remembered at twice as many, about 500
	// bytes each: 8 MiB.
	maxVerified = 8192
	// verifiedLife frees the memory of a rush hour. A token that is still used
	// stays.
	verifiedLife = 10 * time.Minute
)

// Verify returns the session that token stands for, or ErrSession. It asks
// neither the network nor the database. A token accepted before is recognised
// as a whole; its time and its revocation are judged at every call.
func (s *Service) Verify(token string) (Session, error) {
	session, known := s.verified.Get(token)
	if !known {
		var err error
		if session, err = s.tokens.parse(token); err != nil {
			return Session{}, err
		}
		s.verified.Put(strings.Clone(token), session) // not the request's buffer
	}
	switch {
	case !session.livesAt(s.now()):
		return Session{}, errTime
	case s.revoked.has(session.JTI):
		return Session{}, errRevoked
	}
	return session, nil
}

// Logout ends the session: durably before it returns, here at once, on every
// replica within a second. After an error the session may or may not go on; to
// log out again does no harm.
func (s *Service) Logout(ctx context.Context, session Session) error {
	if err := s.ports.Store.Revoke(ctx, session.JTI, session.ExpiresAt); err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	s.revoked.add(session.JTI, session.ExpiresAt)
	return nil
}
