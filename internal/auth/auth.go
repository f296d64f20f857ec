// Package auth exchanges a login code for a session token, and resolves the token to
// its member. A code is of wx.login in the mini-program, or of the Official Account's
// sign-in on web pages (网页授权). A token is valid for two hours or until the member logs out.
// The package does not decide which member an openid belongs to: the [Enroller]
// does.
//
// A session is a signed token without a database row, so [Service.Verify] makes
// no query. A logout is a row that every replica reads twice a second (see
// [Store]), so it takes effect on all replicas within a second. The same is true of
// the end of all sessions of a member.
//
// Sessions are judged by the clock of the store, which all replicas share.
//
// There is no refresh token: the client calls wx.login again, which is silent.
// The session_key that WeChat returns with an openid never enters this package.
package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/addcard/addcard/internal/ration"
)

var (
	// ErrSession is returned by Verify for every token that is not a valid
	// session. The error that wraps it says why. It is for the log; clients
	// must not see it.
	ErrSession = errors.New("auth: no valid session")
	// ErrCodeFormat is returned by Login for a string that cannot be a login code.
	// WeChat is not called.
	ErrCodeFormat = errors.New("auth: malformed login code")
	// ErrCodeRefused is returned by Login for a code that WeChat refuses
	// (errcodes 40029, 40163) or that was used here before.
	ErrCodeRefused = errors.New("auth: login code refused")
	// ErrCodeMock is returned by Login for the text that wx.login gives in
	// WeChat's DevTools without an AppID. It wraps ErrCodeRefused. WeChat is not
	// called.
	ErrCodeMock = fmt.Errorf("%w: it is DevTools' text for a project without an AppID", ErrCodeRefused)
	// ErrUserBlocked is returned by Login for a user that WeChat considers a
	// risk (errcode 40226).
	ErrUserBlocked = errors.New("auth: user blocked by WeChat")
	// ErrTooFast is returned by Login when WeChat's limit of logins per minute
	// is reached (errcode 45011).
	ErrTooFast = errors.New("auth: too many logins in this minute")
	// ErrSuspended is in the *RefusedError of Login while WeChat does not answer
	// logins.
	ErrSuspended = errors.New("auth: logins are suspended: WeChat does not answer them")
	// ErrTooMany is in the *RefusedError of Login when more logins come than this
	// replica passes on to WeChat.
	ErrTooMany = errors.New("auth: too many logins at once")
	// ErrNotSent is returned by a CodeExchanger that has certainly not sent the code.
	ErrNotSent = errors.New("auth: login code not sent")
)

// Session identifies the member who sent a request. Times are whole seconds in
// UTC.
type Session struct {
	MemberID  string // a UUID
	JTI       string // a UUID, unique to this session
	IssuedAt  time.Time
	ExpiresAt time.Time
}

// CodeExchanger exchanges a login code of one app for the openid of its user. It
// must send the request at most once:
// the first request uses up the code, whether or not the answer arrives.
// unionID may be empty.
//
// If ctx is canceled before the request is sent, it must not be sent. When it is
// sent, only the deadline of ctx ends the call.
//
// It returns ErrCodeRefused, ErrUserBlocked or ErrTooFast where they apply; any
// other error means that WeChat gave no result. It wraps ErrNotSent if the request
// was certainly not sent, and context.Canceled if ctx was canceled. Errors must not
// contain the code.
type CodeExchanger interface {
	Exchange(ctx context.Context, code string) (openID, unionID string, err error)
}

// App is an app whose login codes a Service exchanges.
type App struct {
	ID     string // AppID
	WeChat CodeExchanger
}

// Enroller returns the ID, a UUID, of the member with this openid in the app,
// and creates the member if there is none. unionID may be empty.
type Enroller interface {
	Enroll(ctx context.Context, appID, openID, unionID string) (memberID string, err error)
}

// Ports are what a Service needs from other packages. All are required, an app only
// for the logins in it.
type Ports struct {
	MiniProgram App
	Official    App // the Official Account, whose codes web pages get
	Members     Enroller
	Store       Store
}

// Options configure a Service. The zero value is ready to use.
type Options struct {
	Now func() time.Time // instead of the store's clock; nil means that clock
	Log *slog.Logger     // receives warnings about the store and WeChat; nil means slog.Default()
	// LimitLogins bounds the new logins per second. The number of logins in progress
	// is always bounded.
	LimitLogins bool
}

// Service handles logins, sessions and logouts. It is safe for concurrent use.
type Service struct {
	ports    Ports
	clock    *clock
	tokens   tokens
	verified *ration.Recent[string, Session] // by token; the signature of a token is checked once
	revoked  *revocations
	mini     *door
	official *door
	callers  ration.Slots // of Login and LoginOnPage
	logins   sync.WaitGroup
}

// Open returns a Service that has read all logouts so far. It blocks until the
// store has returned them, and returns the error of the store. Run reads later
// logouts.
func Open(ctx context.Context, keys *Keys, ports Ports, opts Options) (*Service, error) {
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	clock := &clock{fixed: opts.Now}
	s := &Service{
		ports:    ports,
		clock:    clock,
		tokens:   newTokens(keys, clock.now),
		verified: ration.NewRecent[string, Session](maxVerified, verifiedLifetime),
		revoked:  newRevocations(ports.Store, clock, opts.Log),
		mini:     newDoor(ports.MiniProgram, opts),
		official: newDoor(ports.Official, opts),
	}
	if err := s.revoked.catchUp(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Run reads the logouts of other replicas until ctx ends. It must be called
// once. While the database is down, sessions are checked against the logouts
// read so far; the others are read as soon as it answers again.
func (s *Service) Run(ctx context.Context) { s.revoked.run(ctx) }

// Suspended reports whether logins in one of the apps are refused because WeChat does
// not answer them.
func (s *Service) Suspended() bool {
	return s.mini.breaker.isSuspended() || s.official.breaker.isSuspended()
}

// Close waits, for 8 s at most, for logins that go on after their callers have
// left. It must not be called before the last call of Login and LoginOnPage.
func (s *Service) Close() { s.logins.Wait() }

const (
	// maxVerified is half of the number of tokens that are kept, about 500
	// bytes each: 8 MiB.
	maxVerified = 8192
	// verifiedLifetime frees the memory after a rush hour. A token that is in
	// use stays.
	verifiedLifetime = 10 * time.Minute
)

// Verify returns the session of a token, or ErrSession. It uses neither the
// network nor the database. A token that was verified before is found by its
// text; its expiry and its revocation are checked on every call.
func (s *Service) Verify(token string) (Session, error) {
	session, found := s.verified.Get(token)
	if !found {
		var err error
		if session, err = s.tokens.parse(token); err != nil {
			return Session{}, err
		}
		s.verified.Put(strings.Clone(token), session) // a copy: token may be in the buffer of the request
	}
	switch {
	case !session.validAt(s.clock.now()):
		return Session{}, errTime
	case s.revoked.has(session):
		return Session{}, errRevoked
	}
	return session, nil
}

// Logout ends the session: durably before it returns, at once on this replica,
// and on every other replica within a second. After an error the session may or
// may not be over; logging out again is harmless.
func (s *Service) Logout(ctx context.Context, session Session) error {
	if err := s.ports.Store.Revoke(ctx, session.JTI, session.ExpiresAt); err != nil {
		return fmt.Errorf("log out: %w", err)
	}
	s.revoked.add(session.JTI, session.ExpiresAt)
	return nil
}
