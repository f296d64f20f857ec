package wechat

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"
)

// maxAnswer is far more than WeChat ever says; what is longer is not read.
const maxAnswer = 1 << 20

// wire carries one request at a time to WeChat.
type wire struct {
	Options
	http *http.Client
}

// request is one call. Without a body it is a GET.
type request struct {
	path    string
	query   url.Values
	body    content
	secrets []string // what no error may repeat
}

// content is the body of a request and what it is.
type content struct {
	kind string
	data []byte // nil: none
}

const jsonType = "application/json; charset=utf-8"

// reply is an answer of WeChat, not yet looked at.
type reply struct {
	status int
	body   []byte
}

// newWire makes a wire whose connections are kept for the next request, or
// used once each.
func newWire(o Options, keepAlive bool) *wire {
	return &wire{o.withDefaults(), &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, ClientSessionCache: tls.NewLRUClientSessionCache(8)},
			DisableKeepAlives:   !keepAlive,
			MaxIdleConnsPerHost: 16,
			IdleConnTimeout:     30 * time.Second,
		},
	}}
}

// exchange makes one request and puts the answer into answer. Its error is an
// *Error; it is typed error so that nil stays nil.
func (w *wire) exchange(ctx context.Context, r request, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, w.Timeout)
	defer cancel()
	start := time.Now()
	got, failure := w.send(ctx, r)
	if failure == nil {
		failure = got.decode(r, answer)
	}
	w.Observe(r.path, failure.outcome(), time.Since(start))
	if failure != nil {
		return failure
	}
	return nil
}

// send makes the request and reads what comes back, once.
func (w *wire) send(ctx context.Context, r request) (reply, *Error) {
	reached := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { reached = true }})
	req, err := r.http(ctx, w.BaseURL)
	if err != nil {
		return reply{}, &Error{API: r.path, Msg: "base URL cannot be used", kind: "network"}
	}
	resp, err := w.http.Do(req)
	if err != nil {
		return reply{}, lost(r.path, reached, err)
	}
	defer resp.Body.Close()
	receivedAt := time.Now()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	got := reply{resp.StatusCode, body}
	switch {
	case len(body) > maxAnswer:
		return reply{}, malformed(r.path, "answer too long", got)
	case err != nil:
		return reply{}, lost(r.path, true, err)
	}
	if got.isObject() { // it is WeChat's, and not some gateway's on the way
		w.Clock.Observe(resp.Header.Get("Date"), receivedAt)
	}
	return got, nil
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
		req.Header.Set("Content-Type", r.body.kind)
	}
	return req, nil
}
