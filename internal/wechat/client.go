package wechat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"mime/multipart"
	"net/url"
	"time"
)

// Tokens provides the access_token of one account.
type Tokens interface {
	// Token returns a token that WeChat may accept. It may block until ctx is done.
	Token(ctx context.Context) (string, error)
	// Invalidate records that WeChat rejected this token. It does nothing if the
	// token is no longer the current one.
	Invalidate(ctx context.Context, rejected string) error
}

// Client makes the calls that an access_token authenticates. When WeChat rejects a
// token (40001, 40014, 42001), the Client invalidates it and repeats the call once
// with the next; a second rejection is returned. It is safe for concurrent use.
//
// Its methods block for Options.Timeout at most, the repetition included. Their
// errors are *Error, or wrap an error of Tokens.
type Client struct {
	tokens  Tokens
	oneShot *transport // for GETs and codes that can be used once: see the package comment
	pooled  *transport
}

// NewClient returns the Client of the account that tokens belong to.
func NewClient(tokens Tokens, o Options) *Client {
	return &Client{tokens, newTransport(o, false), newTransport(o, true)}
}

// Close closes idle connections. The Client remains usable.
func (c *Client) Close() { c.pooled.http.CloseIdleConnections() }

// Ticket fetches a ticket of the account: kind is "wx_card" for the api_ticket that
// signs cards, or "jsapi" for the ticket that signs wx.config (page
// "获取临时票据 getticket"). The quota is small: one fetch per lifetime must serve all
// replicas. ttl is counted from the start of the call.
func (c *Client) Ticket(ctx context.Context, kind string) (value string, ttl time.Duration, err error) {
	var t ticketAnswer
	if err := c.call(ctx, request{path: "/cgi-bin/ticket/getticket", query: url.Values{"type": {kind}}}, &t); err != nil {
		return "", 0, err
	}
	return t.Value, seconds(t.Life), nil
}

// object is the body of a request.
type object map[string]any

// post makes one call with a JSON body.
func (c *Client) post(ctx context.Context, path string, body, answer any) error {
	text, err := encode(body)
	if err != nil {
		return &Error{API: path, Msg: "request is not UTF-8", failure: "malformed"}
	}
	return c.call(ctx, request{path: path, body: requestBody{jsonType, text}}, answer)
}

// upload makes one call with a file: a form with the single field "media".
func (c *Client) upload(ctx context.Context, path, name string, data []byte, answer any) error {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("media", name)
	if err == nil {
		_, err = part.Write(data)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("wechat: write a form: %w", err) // cannot fail in memory
	}
	return c.call(ctx, request{path: path, body: requestBody{w.FormDataContentType(), form.Bytes()}}, answer)
}

// call makes one call with the current access_token. If WeChat rejects the token, it
// repeats the call with the next.
func (c *Client) call(ctx context.Context, r request, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, c.pooled.Timeout)
	defer cancel()
	token, err := c.tokens.Token(ctx)
	if err != nil {
		return fmt.Errorf("wechat: get access_token for %s: %w", r.path, err)
	}
	err = c.callWith(ctx, token, r, answer)
	if rejected := (*Error)(nil); !errors.As(err, &rejected) || !rejected.TokenRejected() {
		return err
	}
	invalidateErr := c.tokens.Invalidate(ctx, token)
	next, failed := c.tokens.Token(ctx)
	switch {
	case failed != nil:
		return fmt.Errorf("wechat: get access_token for %s: %w", r.path, failed)
	case invalidateErr != nil && next == token: // it would be rejected again
		return err
	}
	return c.callWith(ctx, next, r, answer)
}

// callWith makes the call once, with this token.
func (c *Client) callWith(ctx context.Context, token string, r request, answer any) error {
	query := url.Values{"access_token": {token}}
	maps.Copy(query, r.query)
	r.query, r.secrets = query, append([]string{token}, r.secrets...)
	t := c.pooled
	if r.body.data == nil || r.once {
		t = c.oneShot
	}
	return t.exchange(ctx, r, answer)
}
