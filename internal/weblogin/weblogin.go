// Package weblogin signs people in on the shop's web pages in WeChat's browser
// (网页授权). A page sends the browser to addcard, addcard sends it to WeChat, WeChat
// sends it back with a code, and addcard sends it to the page with a session.
//
// A login ends in the browser in which it began: the browser keeps a secret, of which
// WeChat returns a copy. Without it another person's code, in a link, would sign the
// reader in as that person. A session is sent to pages of the shop's hosts only.
package weblogin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

var (
	// ErrPage is returned by Begin for a page that gets no sessions.
	ErrPage = errors.New("weblogin: not a page of the shop's hosts")
	// ErrState is returned by Finish if the login did not begin in this browser.
	ErrState = errors.New("weblogin: the login did not begin in this browser")
	// ErrDenied is returned by Finish if the person does not want to sign in.
	ErrDenied = errors.New("weblogin: WeChat sent no code")
)

// Life is how long a browser keeps what binds a login to it. A code of WeChat lives for
// half as long.
const Life = 10 * time.Minute

// Service is safe for concurrent use. All fields are required.
type Service struct {
	AppID string // of the Official Account
	// OpenURL is the base address of open.weixin.qq.com.
	OpenURL string
	// Allows reports whether a page, given by its address, may get sessions.
	Allows func(page string) bool
	// Login exchanges a code once. Its error must not contain the code.
	Login func(ctx context.Context, code string) (token string, life time.Duration, err error)
}

// Begun is a login that has begun.
type Begun struct {
	Authorize string // the address to which the browser must go
	Binding   string // what the browser must keep and send to Finish; printable ASCII
}

// Begin begins a login for page, the address that the browser goes to at the end. Its
// fragment is kept. callback is the address at which WeChat's answer reaches Finish.
func (s *Service) Begin(page, callback string) (Begun, error) {
	if !s.allows(page) {
		return Begun{}, ErrPage
	}
	state := rand.Text()
	return Begun{
		Authorize: s.authorize(callback, state),
		Binding:   state + "." + base64.RawURLEncoding.EncodeToString([]byte(page)),
	}, nil
}

// maxPage is the longest address of a page. It is in a cookie, of which browsers keep 4096
// bytes.
const maxPage = 2048

// allows reports whether the browser may be sent to page: the host is the shop's, and
// the address is one as browsers write it, so that it is safe in a header.
func (s *Service) allows(page string) bool {
	if len(page) > maxPage {
		return false
	}
	plain := !strings.ContainsFunc(page, func(r rune) bool { return r <= ' ' || r > '~' })
	return plain && s.Allows(page)
}

// authorize returns the address that the browser goes to (page "网页授权", first step).
// WeChat wants the parameters in this order, and the fragment.
func (s *Service) authorize(callback, state string) string {
	return fmt.Sprintf("%s/connect/oauth2/authorize?appid=%s&redirect_uri=%s&response_type=code&scope=snsapi_base&state=%s#wechat_redirect",
		s.OpenURL, url.QueryEscape(s.AppID), url.QueryEscape(callback), state)
}

// Finished is a login that has come to its end.
type Finished struct {
	Page  string // the address to which the browser must go; it may be set beside an error
	Token string // of the session
	Life  time.Duration
}

// Finish ends a login: binding is what the browser kept, state and code are what WeChat
// sent. The code is exchanged at most once, and only if the login began in this browser.
// Errors: ErrState, without a Page; ErrDenied and those of Login, with a Page.
func (s *Service) Finish(ctx context.Context, binding, state, code string) (Finished, error) {
	own, encoded, _ := strings.Cut(binding, ".")
	page, err := base64.RawURLEncoding.DecodeString(encoded)
	begun := err == nil && own != "" && subtle.ConstantTimeCompare([]byte(own), []byte(state)) == 1
	if !begun || !s.allows(string(page)) { // a program on a host beside addcard's may have set the cookie
		return Finished{}, ErrState
	}
	f := Finished{Page: string(page)}
	if code == "" {
		return f, ErrDenied
	}
	f.Token, f.Life, err = s.Login(ctx, code)
	return f, err
}
