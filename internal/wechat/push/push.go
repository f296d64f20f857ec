// Package push authenticates, decrypts and reads what WeChat pushes to a merchant's
// server (消息推送, 服务器回调) and returns the card event inside. It makes no
// requests, keeps no state and sends no answer: recording each event once and
// answering "success" is the caller's task.
//
// # Modes
//
// The settings of the Official Account offer plaintext, compatible and safe mode. A
// [Receiver] without a key accepts plaintext mode and the clear fields of compatible
// mode. There the signature covers a timestamp and a nonce but no byte of the body, so
// anyone who sees one push can forge others for ten minutes. A Receiver with a key
// accepts compatible and safe mode, reads only the encrypted part, and refuses
// plaintext. A push, and what is encrypted in it, may be XML or JSON.
//
// Also in safe mode only the Token makes a push authentic: the encryption does not
// authenticate its content.
//
// # Errors
//
// [ErrForged] means that a push was not proved to come from WeChat; the answer is 403
// with an empty body. The error does not say which check failed, unless the signature
// was right and the clock or the mode is wrong ([ErrStale], [ErrMode]), which is for
// the operator's log. [UnusableError] means that WeChat did send the push and this package
// has no use for it: a person's message, another event, unexpected XML. The answer is
// "success", or WeChat would send it twice more.
//
// # Strictness
//
// WeChat joins the signed values without separators, so other values can have the same
// hash: the exact form of each value is part of the check. The outer_str in an event is
// chosen by the author of a link. If it should ever break out of its element, the
// repeated element name makes the event unusable. WeChat writes it as it is, so what
// XML or JSON does not allow in a text is removed from it. The unencrypted part of a
// push in compatible mode decides nothing, so its form is no reason to refuse the push.
package push

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"
)

const (
	// MaxBody is the largest body in bytes: 64 KiB, many times the longest event.
	MaxBody = 64 << 10
	// maxAge is the largest difference between a push's timestamp and now, in
	// seconds. WeChat retries for 15 s; the rest is for wrong clocks.
	maxAge = 10 * 60
)

var (
	// ErrForged is returned for every push that is not proved to come from WeChat.
	// The answer is 403 with an empty body. A wrong signature, envelope, key or AppID
	// all have this one value.
	ErrForged = errors.New("push: not proved to come from WeChat")
	// ErrStale is an ErrForged with the right signature but a timestamp more than ten
	// minutes away: a replayed push, or clocks that differ.
	ErrStale = fmt.Errorf("%w: right signature, but more than ten minutes away", ErrForged)
	// ErrMode is an ErrForged with the right signature but the wrong mode: plaintext
	// although a key is configured (the account is not yet in safe mode, or an
	// attacker tries a downgrade), or encrypted although none is.
	ErrMode = fmt.Errorf("%w: right signature, but plaintext with a key configured or sealed without one", ErrForged)
)

// Options configures a Receiver. The zero value accepts plaintext pushes to any
// account.
type Options struct {
	// AESKey is the EncodingAESKey, 43 characters; empty is plaintext mode.
	// PreviousAESKey, if not empty, is accepted too while a key is being changed.
	AESKey, PreviousAESKey string
	// AppID is the Official Account's; it is required with an AESKey.
	AppID string
	// OriginalID is the account's gh_…; if it is not empty, a push to another account
	// is unusable.
	OriginalID string
	// Now is the local clock; nil is time.Now. WeChatNow is the local clock corrected
	// by WeChat's Date header; nil is none. A push is fresh if it is by either clock:
	// WeChatNow helps a host with a wrong clock, Now one with a wrong correction.
	Now, WeChatNow func() time.Time
}

// Receiver authenticates and decrypts pushes. It is immutable, safe for concurrent
// use, never blocks, and prints without its secrets.
type Receiver struct {
	token      string
	originalID string
	keys       []envelopeKey // the current one first; none is plaintext mode
	clocks     []func() time.Time
}

// New returns a Receiver for pushes that are signed with token. The error names every
// option that is wrong, never its value.
func New(token string, o Options) (*Receiver, error) {
	r := &Receiver{token: token, originalID: o.OriginalID, clocks: o.clocks()}
	var wrong []error
	if token == "" {
		wrong = append(wrong, errors.New("push: the token is missing"))
	}
	if o.AESKey == "" && o.PreviousAESKey != "" {
		wrong = append(wrong, errors.New("push: a previous AES key without a current one"))
	}
	if o.AESKey != "" && o.AppID == "" {
		wrong = append(wrong, errors.New("push: an AES key needs the AppID that is encrypted with the message"))
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

// Format implements [fmt.Formatter]: no verb prints the token or a key.
func (*Receiver) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "push.Receiver") }

// Echo answers WeChat's check of the URL, a GET with the same signature in every mode.
// It returns the complete answer, to be sent as text/plain. The error is [ErrForged],
// also for an echostr with more than 64 characters or with others than letters and
// digits (WeChat's are digits), since it is sent back.
func (r *Receiver) Echo(query url.Values) (echostr string, err error) {
	q, err := parseQuery(query)
	if err != nil {
		return "", err
	}
	if echostr, err = single(query, "echostr"); err != nil || !matches(echostr, 1, 64, alphanumeric) {
		return "", ErrForged
	}
	if !q.signatureValid(r.token) {
		return "", ErrForged
	}
	return echostr, r.fresh(q)
}

// Check returns what the query of a POST proves before its body is read: proved if
// signature is right, so that WeChat has written the query. A push without a
// signature is possible in a mode that encrypts if msg_signature has the right form,
// because that covers the body; then err is nil and proved is false. Every other push
// is refused with the error that Open returns.
func (r *Receiver) Check(query url.Values) (proved bool, err error) {
	q, err := parseQuery(query)
	switch {
	case err != nil:
		return false, err
	case q.signature != "" && !q.signatureValid(r.token):
		return false, ErrForged
	case q.signature != "":
		return true, r.acceptable(q)
	case len(r.keys) == 0 || q.msgSignature == "" || r.acceptable(q) != nil:
		return false, ErrForged
	}
	return false, nil
}

// acceptable returns why a query is refused although its signature may be right.
func (r *Receiver) acceptable(q signedQuery) error {
	if len(r.keys) > 0 && q.encryptType != "aes" {
		return ErrMode
	}
	return r.fresh(q)
}

// Open returns the card event in a POST; query is that of its URL, and body has at most
// [MaxBody] bytes. The error is [ErrForged] (or [ErrStale] or [ErrMode], which wrap
// it) or an *[UnusableError]. A repeated push opens again: [Event.DedupeKey] identifies
// repetitions.
func (r *Receiver) Open(query url.Values, body []byte) (Event, error) {
	q, err := parseQuery(query)
	if err != nil || len(body) > MaxBody {
		return Event{}, ErrForged
	}
	open := r.openPlain
	if len(r.keys) > 0 {
		open = r.openSealed
	}
	doc, err := open(q, body)
	if err != nil {
		return Event{}, err
	}
	return doc.event(r.originalID)
}

// openPlain returns the content of a push without relying on a signature of the body:
// there is none. It accepts the clear fields of compatible mode, which are no less
// authentic.
func (r *Receiver) openPlain(q signedQuery, body []byte) (document, error) {
	if !q.signatureValid(r.token) {
		return nil, ErrForged
	}
	if err := r.fresh(q); err != nil {
		return nil, err
	}
	doc, err := parse(body)
	if err == nil && doc.has("Encrypt") && !doc.has("MsgType") {
		return nil, ErrMode
	}
	return doc, err
}

// openSealed returns the decrypted content. It decrypts only what is signed, and
// parses only what one of the two signatures has proved.
func (r *Receiver) openSealed(q signedQuery, body []byte) (document, error) {
	switch {
	case q.encryptType != "aes" && q.signatureValid(r.token):
		return nil, ErrMode
	case q.encryptType != "aes":
		return nil, ErrForged
	case !q.signatureValid(r.token) && !q.sealedSignatureValid(r.token, searchEncrypt(body)):
		return nil, ErrForged
	}
	encrypt := findEncrypt(body)
	sealed, good := decodeSealed(encrypt)
	if !good || !q.sealedSignatureValid(r.token, encrypt) {
		return nil, ErrForged
	}
	if err := r.fresh(q); err != nil {
		return nil, err
	}
	for _, key := range r.keys {
		if message, ok := key.open(sealed); ok {
			return parse(message)
		}
	}
	return nil, ErrForged
}

func (r *Receiver) fresh(q signedQuery) error {
	seconds := number(q.timestamp)
	for _, now := range r.clocks {
		if off := now().Unix() - seconds; -maxAge <= off && off <= maxAge {
			return nil
		}
	}
	return ErrStale
}
