// Package push opens what WeChat pushes to a shop's server (消息推送,
// 服务器回调): it proves that a push is WeChat's, opens its envelope, reads its
// XML strictly, and returns the card event inside. It makes no request, keeps
// nothing and answers nobody: remembering an event once and answering
// "success" is its caller's work.
//
// # Three modes
//
// The Official Account's settings offer plaintext, compatible and safe mode. A
// [Receiver] without a key takes the first, and the clear fields of the second:
// there the signature covers a timestamp and a nonce but no byte of the body, so
// whoever sees one push can write others for ten minutes. A Receiver with a key
// takes the second and the third, and of them only what is sealed: the clear
// fields that come along in compatible mode are never believed. Plaintext is
// then refused.
//
// In safe mode, too, it is the Token that makes a push authentic: the
// encryption has no check of its own.
//
// # Two kinds of refusal
//
// [ErrForged] is for what nobody proved to come from WeChat; the answer is 403
// with an empty body, and nothing in the error says which check failed, unless
// the signature was right and the clock or the mode is not ([ErrStale],
// [ErrMode]): that is for the operator's log. [Unusable] is for what WeChat did
// send and this package has no use for: a person's message, another event, XML
// that is not as it should be. The answer is "success", or WeChat would send it
// twice more.
//
// # Why it is so strict
//
// WeChat joins the signed values without separators, so other values can have
// the same hash: the exact form of each value is part of the check. And an
// outer_str in an event was chosen by whoever opened a link: should it ever
// break out of its element, the repeated name gives it away.
package push

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"
)

const (
	// MaxBody is how many bytes of body are read at most: 64 KiB, many times the
	// longest event.
	MaxBody = 64 << 10
	// maxAge is how far a push's timestamp may be from now, in seconds, before or
	// after. WeChat tries for 15 s; the rest is for clocks.
	maxAge = 10 * 60
)

var (
	// ErrForged is returned for every push that is not proved to be WeChat's:
	// 403 with an empty body. All failures of a signature, an envelope, a key or
	// an AppID are this one value.
	ErrForged = errors.New("push: not proved to come from WeChat")
	// ErrStale is an ErrForged whose signature is right but whose timestamp is
	// more than ten minutes away: an old push repeated, or clocks that differ.
	ErrStale = fmt.Errorf("%w: right signature, but more than ten minutes away", ErrForged)
	// ErrMode is an ErrForged whose signature is right but whose mode is not
	// ours: plaintext although a key is configured (the account is not yet in
	// safe mode, or somebody tries a downgrade), or sealed although none is.
	ErrMode = fmt.Errorf("%w: right signature, but plaintext with a key configured or sealed without one", ErrForged)
)

// Options tune a Receiver. The zero value takes plaintext pushes to any account.
type Options struct {
	// AESKey is the EncodingAESKey, 43 characters; empty is plaintext mode.
	// PreviousAESKey, if not empty, opens as well, for the days of a change.
	AESKey, PreviousAESKey string
	// AppID is the Official Account's; with an AESKey it is required.
	AppID string
	// OriginalID is the account's gh_…; if it is not empty, a push to another one
	// is unusable.
	OriginalID string
	// Now is the local clock; nil is time.Now. WeChatNow is the same corrected by
	// WeChat's Date header; nil is none. A push is fresh if either says so: the
	// second saves a host whose clock is wrong, the first a host that learned a
	// wrong correction.
	Now, WeChatNow func() time.Time
}

// Receiver checks and opens pushes. It never changes, is safe for concurrent
// use, never blocks, and prints without its secrets.
type Receiver struct {
	token      string
	originalID string
	keys       []envelopeKey // the one in use first; none is plaintext mode
	clocks     []func() time.Time
}

// New returns a Receiver for pushes that are signed with token. An error names
// the options that are wrong, never their values.
func New(token string, o Options) (*Receiver, error) {
	r := &Receiver{token: token, originalID: o.OriginalID, clocks: o.clocks()}
	var wrong []error
	if token == "" {
		wrong = append(wrong, errors.New("push: the token is missing"))
	}
	if o.AESKey == "" && o.PreviousAESKey != "" {
		wrong = append(wrong, errors.New("push: a previous AES key without a present one"))
	}
	if o.AESKey != "" && o.AppID == "" {
		wrong = append(wrong, errors.New("push: an AES key needs the AppID that is sealed with the message"))
	}
	for _, key := range []struct{ name, chars string }{{"AES key", o.AESKey}, {"previous AES key", o.PreviousAESKey}} {
		if key.chars == "" {
			continue
		}
		s, err := newEnvelopeKey(key.chars, o.AppID)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("push: %s: %w", key.name, err))
		}
		r.keys = append(r.keys, s)
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	return r, nil
}

func (o Options) clocks() []func() time.Time {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.WeChatNow == nil {
		return []func() time.Time{o.Now}
	}
	return []func() time.Time{o.Now, o.WeChatNow}
}

// Format implements fmt.Formatter: no verb shows the token or a key.
func (*Receiver) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "push.Receiver") }

// Echo answers WeChat's check of the URL, a GET that is signed alike in every
// mode: the text to answer as text/plain, with nothing round it. The error is
// [ErrForged]; also for an echostr of more than 64 characters or of others than
// letters and digits (WeChat's are digits), since it is sent back.
func (r *Receiver) Echo(query url.Values) (echostr string, err error) {
	s, err := parseQuery(query)
	if err != nil {
		return "", err
	}
	if echostr, err = single(query, "echostr"); err != nil || !matches(echostr, 1, 64, alphanumeric) {
		return "", ErrForged
	}
	if !s.signatureValid(r.token) {
		return "", ErrForged
	}
	return echostr, r.fresh(s)
}

// Open returns the card event in a POST; query is that of its URL, body at most
// [MaxBody] bytes. The error is [ErrForged] (or [ErrStale] or [ErrMode], which
// are ErrForged too) or an *[Unusable]. The same push opens as often as it
// comes, so tell repeats by [Event.DedupeKey].
func (r *Receiver) Open(query url.Values, body []byte) (Event, error) {
	s, err := parseQuery(query)
	if err != nil || len(body) > MaxBody {
		return Event{}, ErrForged
	}
	open := r.openPlain
	if len(r.keys) > 0 {
		open = r.openSealed
	}
	doc, err := open(s, body)
	if err != nil {
		return Event{}, err
	}
	return doc.event(r.originalID)
}

// openPlain returns the content of a push whose signature covers no body. The
// clear fields of compatible mode count: here they are not worth less.
func (r *Receiver) openPlain(s signedQuery, body []byte) (document, error) {
	if !s.signatureValid(r.token) {
		return nil, ErrForged
	}
	if err := r.fresh(s); err != nil {
		return nil, err
	}
	doc, err := parse(body)
	if err == nil && doc.has("Encrypt") && !doc.has("MsgType") {
		return nil, ErrMode
	}
	return doc, err
}

// openSealed returns what was sealed, and decrypts nothing that is not signed.
func (r *Receiver) openSealed(s signedQuery, body []byte) (document, error) {
	switch {
	case s.encryptType != "aes" && s.signatureValid(r.token):
		return nil, ErrMode
	case s.encryptType != "aes":
		return nil, ErrForged
	}
	envelope, err := parse(body)
	sealed, good := decodeSealed(envelope["Encrypt"])
	if err != nil || !good || !s.sealedSignatureValid(r.token, envelope["Encrypt"]) {
		return nil, ErrForged
	}
	if err := r.fresh(s); err != nil {
		return nil, err
	}
	for _, key := range r.keys {
		if message, ok := key.open(sealed); ok {
			return parse(message)
		}
	}
	return nil, ErrForged
}

func (r *Receiver) fresh(s signedQuery) error {
	seconds := number(s.timestamp)
	for _, now := range r.clocks {
		if off := now().Unix() - seconds; -maxAge <= off && off <= maxAge {
			return nil
		}
	}
	return ErrStale
}
