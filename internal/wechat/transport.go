package wechat

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"

	"github.com/addcard/addcard/internal/wechat/wirejson"
)

// The bounds of answers, in bytes, are far more than WeChat sends. A longer answer is
// unusable.
const (
	maxAnswer     = 64 << 10
	maxCardAnswer = 1 << 20 // with the card's pictures and texts
	maxHeader     = 32 << 10
)

// transport sends requests to WeChat.
type transport struct {
	Options
	http *http.Client
}

// request is one call. Without a body it is a GET.
type request struct {
	path    string
	query   url.Values
	body    requestBody
	secrets []string // values that no error may contain
	once    bool     // must not share a connection with others
}

// requestBody is the body of a request with its type.
type requestBody struct {
	contentType string
	data        []byte // nil: none
}

const jsonType = "application/json; charset=utf-8"

// reply is an answer of WeChat, mended and not yet decoded.
type reply struct {
	status int
	body   []byte
}

const (
	// connectTimeout bounds each of TCP's and TLS's handshakes. The request's context
	// does not: net/http goes on connecting after it has ended.
	connectTimeout = 5 * time.Second
	// maxOneShot bounds the connections that are used once, with those that are being
	// made for a request that has ended.
	maxOneShot = 160
)

// newTransport returns a transport that keeps its connections for later requests, or uses
// each only once.
func newTransport(o Options, keepAlive bool) *transport {
	t := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout: connectTimeout,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(8)},
		MaxIdleConnsPerHost: 16,
		IdleConnTimeout:     30 * time.Second,

		MaxResponseHeaderBytes: maxHeader,
	}
	if !keepAlive {
		t.DisableKeepAlives, t.MaxConnsPerHost = true, maxOneShot
	}
	return &transport{o.withDefaults(), &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     t,
	}}
}

// exchange makes one request and decodes the reply into answer. Its error is an
// *Error; its type is error so that nil is nil.
func (t *transport) exchange(ctx context.Context, r request, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, t.Timeout)
	defer cancel()
	start := time.Now()
	got, failure := t.send(ctx, r)
	if failure == nil {
		failure = got.decode(r, answer)
	}
	t.Observe(r.path, failure.outcome(), time.Since(start))
	if failure != nil {
		return failure
	}
	return nil
}

// send makes the request once and reads the reply.
func (t *transport) send(ctx context.Context, r request) (reply, *Error) {
	reached := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { reached = true }})
	req, err := r.http(ctx, t.BaseURL)
	if err != nil {
		return reply{}, &Error{API: r.path, Msg: "base URL cannot be used", failure: "network"}
	}
	resp, err := t.http.Do(req)
	if err != nil {
		return reply{}, noAnswer(r.path, reached, err)
	}
	defer resp.Body.Close()
	receivedAt := time.Now()
	most := maxAnswer
	if r.path == pathCard {
		most = maxCardAnswer
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(most)+1))
	got := reply{resp.StatusCode, body}
	switch {
	case len(body) > most:
		return reply{}, malformedAnswer(r.path, "answer too long", got)
	case err != nil:
		return reply{}, noAnswer(r.path, true, err)
	}
	got.body = wirejson.Mend(body)
	if got.isObject() { // it is WeChat's, not that of a gateway in between
		t.Clock.Observe(resp.Header.Get("Date"), receivedAt)
	}
	return got, nil
}

// UntilSent returns a context for one call, which is canceled with ctx only until there
// is a connection to send the request on. Later the deadline of ctx still ends it. end
// must be called after the call.
func UntilSent(ctx context.Context) (once context.Context, end func()) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(time.Hour) // Options.Timeout ends the call before
	}
	work, cancel := context.WithDeadline(context.WithoutCancel(ctx), deadline)
	leave := func() {
		if errors.Is(ctx.Err(), context.Canceled) {
			cancel()
		}
	}
	stop := context.AfterFunc(ctx, leave)
	leave() // AfterFunc does not run it here, but in a goroutine, later
	work = httptrace.WithClientTrace(work, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { stop() }})
	return work, func() { stop(); cancel() }
}

func (r request) http(ctx context.Context, base string) (*http.Request, error) {
	method := http.MethodGet
	if r.body.data != nil {
		method = http.MethodPost
	}
	target := strings.TrimRight(base, "/") + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(r.body.data))
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "addcard")
	if r.body.data != nil {
		req.Header.Set("Content-Type", r.body.contentType)
	}
	return req, nil
}
