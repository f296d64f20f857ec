package wechat

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime/multipart"
	"net/url"
	"time"
)

// Tokens keeps the access_token of the Official Account.
type Tokens interface {
	// Token returns a token that is worth trying. It may block until ctx is done.
	Token(ctx context.Context) (string, error)
	// Invalidate says that WeChat refused this token. It does nothing if the
	// token is not the current one any more.
	Invalidate(ctx context.Context, rejected string) error
}

// Client makes the calls that an access_token authenticates. A token that
// WeChat rejects (40001, 40014, 42001) is reported to Tokens and the call is
// repeated once with the next one; a second rejection is returned. It is safe
// for concurrent use.
//
// Its methods block for Options.Timeout at most, repetition included. Their
// errors are *Error, or wrap what Tokens returned.
type Client struct {
	tokens Tokens
	once   *wire // for GETs: see the package comment
	kept   *wire
}

// NewClient returns the Client of the account whose tokens these are.
func NewClient(tokens Tokens, o Options) *Client {
	return &Client{tokens, newWire(o, false), newWire(o, true)}
}

// Close lets go of the connections that wait for another call. The Client
// stays usable.
func (c *Client) Close() { c.kept.http.CloseIdleConnections() }

// Ticket fetches a ticket of the account: kind is "wx_card" for the api_ticket
// that signs cards, "jsapi" for the one that signs wx.config (page
// "获取临时票据 getticket"). The quota is small: fetch once per lifetime for all
// replicas. ttl is counted from the start of the call.
func (c *Client) Ticket(ctx context.Context, kind string) (value string, ttl time.Duration, err error) {
	var t ticketAnswer
	if err := c.call(ctx, "/cgi-bin/ticket/getticket", url.Values{"type": {kind}}, content{}, &t); err != nil {
		return "", 0, err
	}
	return t.Value, seconds(t.Life), nil
}

// post is call with a body.
func (c *Client) post(ctx context.Context, path string, body, answer any) error {
	text, err := encode(body)
	if err != nil {
		return &Error{API: path, Msg: "request is not UTF-8", kind: "malformed"}
	}
	return c.call(ctx, path, url.Values{}, content{jsonType, text}, answer)
}

// upload is post of a file, as a form with the one field "media".
func (c *Client) upload(ctx context.Context, path, name string, data []byte, answer any) error {
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("media", name)
	if err == nil {
		_, err = part.Write(data)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("write a form: %w", err) // into memory: does not happen
	}
	return c.call(ctx, path, url.Values{}, content{w.FormDataContentType(), form.Bytes()}, answer)
}

// call makes one call with the current access_token, and once more with the
// next if WeChat rejects the first.
func (c *Client) call(ctx context.Context, path string, query url.Values, body content, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, c.kept.Timeout)
	defer cancel()
	token, err := c.tokens.Token(ctx)
	if err != nil {
		return fmt.Errorf("access_token for %s: %w", path, err)
	}
	err = c.with(ctx, token, path, query, body, answer)
	if rejected := (*Error)(nil); !errors.As(err, &rejected) || !rejected.TokenRejected() {
		return err
	}
	stays := c.tokens.Invalidate(ctx, token)
	next, failed := c.tokens.Token(ctx)
	switch {
	case failed != nil:
		return fmt.Errorf("access_token for %s: %w", path, failed)
	case stays != nil && next == token: // the same would only be rejected again
		return err
	}
	return c.with(ctx, next, path, query, body, answer)
}

// with makes the call with this token.
func (c *Client) with(ctx context.Context, token, path string, query url.Values, body content, answer any) error {
	query.Set("access_token", token)
	w := c.kept
	if body.data == nil {
		w = c.once
	}
	return w.exchange(ctx, request{path: path, query: query, body: body, secrets: []string{token}}, answer)
}
