package wechat_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechat"
)

// Secrets that must never be in an error or a log.
const (
	appID      = "wx0123456789abcdef"
	appSecret  = "S3CRET-app/secret+01"
	loginCode  = "S3CRET-login-code-02"
	oldToken   = "S3CRET-token-old-03"
	newToken   = "S3CRET-token-new-04"
	sessionKey = "S3CRET-session-key-05=="
	aTicket    = "S3CRET-ticket-06"
)

// call is a request that an upstream received.
type call struct {
	Method, Path string
	Query        url.Values
	Header       http.Header
	Body         string
}

// upstream is a WeChat that sends the answers of the test and records the requests.
type upstream struct {
	*httptest.Server
	mu    sync.Mutex
	calls []call
}

func newUpstream(t *testing.T, answer http.HandlerFunc) *upstream {
	t.Helper()
	u := &upstream{}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		u.mu.Lock()
		u.calls = append(u.calls, call{r.Method, r.URL.Path, r.URL.Query(), r.Header, string(body)})
		u.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(u.Close)
	return u
}

// says answers each request with the next of texts, and then always with the last.
func says(t *testing.T, texts ...string) *upstream {
	t.Helper()
	var mu sync.Mutex
	return newUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		text := texts[0]
		texts = texts[min(1, len(texts)-1):]
		mu.Unlock()
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, text)
	})
}

func (u *upstream) seen() []call {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]call(nil), u.calls...)
}

func (u *upstream) app() *wechat.App {
	return wechat.NewApp(appID, appSecret, wechat.Options{BaseURL: u.URL})
}

func (u *upstream) client(t *testing.T, tokens wechat.Tokens) *wechat.Client {
	t.Helper()
	c := wechat.NewClient(tokens, wechat.Options{BaseURL: u.URL, Timeout: 5 * time.Second})
	t.Cleanup(c.Close)
	return c
}

// tokens returns one token after the other, as a shared source does.
type tokens struct {
	mu       sync.Mutex
	left     []string
	rejected []string
	stays    error // what Invalidate returns; the token stays then
	none     error // what Token returns
}

func twoTokens() *tokens { return &tokens{left: []string{oldToken, newToken}} }

func (s *tokens) Token(context.Context) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.none != nil {
		return "", s.none
	}
	return s.left[0], nil
}

func (s *tokens) Invalidate(_ context.Context, rejected string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rejected = append(s.rejected, rejected)
	if s.stays == nil && s.left[0] == rejected && len(s.left) > 1 {
		s.left = s.left[1:]
	}
	return s.stays
}

func jsonAnswer(v any) http.HandlerFunc {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return whole(200, string(text))
}
