// Package cardext makes and examines cardExt, the signed JSON string that the
// mini-program hands to wx.addCard for each card.
//
// [Sign] makes one, [Verify] says whether one is right, [Explain] says what is
// wrong with one that WeChat refuses (签名错误, 参数错误). The package does no
// I/O: it does not fetch the api_ticket, does not issue codes and does not
// know which card needs which values; its caller does.
//
// # What is signed
//
// The values api_ticket, timestamp and card_id, and those of code, openid and
// nonce_str that are in cardExt, sorted byte by byte, joined with nothing and
// hashed with SHA-1. outer_str and fixed_begintimestamp travel unsigned.
// (WeChat, JS-SDK page, appendix 4 "卡券扩展字段及签名生成算法".)
//
// Nothing separates the joined values, so two different sets of values can
// have one signature: ("abc", "def") and ("ab", "cdef") do. Never sign a value
// that a client chose.
package cardext

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"strconv"
	"unicode/utf8"
)

// Params are the values of one cardExt apart from the time and the nonce.
// An empty one is neither signed nor sent.
type Params struct {
	CardID   string // signed, and sent beside cardExt, not in it
	Code     string // only for a custom-code card that delivers in real time; ≤ 20 letters and digits
	OpenID   string // only for a card with bind_openid: the Official Account's
	OuterStr string // the channel, echoed in the user_get_card event; not signed
	// FixedBeginTimestamp, in Unix seconds, is when a DATE_TYPE_FIX_TERM card
	// begins to count; not signed.
	FixedBeginTimestamp int64
}

// Ext is one signed cardExt. It cannot be changed after signing, and the value
// that was signed is the one that [Ext.String] writes.
type Ext struct {
	params    Params
	timestamp int64
	nonce     string
	sum       [sha1.Size]byte // the signature, before it is spelt in hexadecimal
}

// Sign signs p for one use. timestamp is in Unix seconds; nonce is fresh for
// each card of each answer (see [NewNonce]), because WeChat refuses a second
// use of the same one as 已领完.
//
// Sign does not check that p fits the card, and it needs a ticket that is not
// empty and values in UTF-8: JSON carries no others. It is safe for concurrent
// use and does not allocate for values of usual length.
func Sign(apiTicket string, p Params, timestamp int64, nonce string) Ext {
	var digits [20]byte
	seconds := string(strconv.AppendInt(digits[:0], timestamp, 10))
	values := [...]string{apiTicket, seconds, p.CardID, p.Code, p.OpenID, nonce}
	for i := 1; i < len(values); i++ { // byte by byte, and in place: package slices would cost a seventh more
		v, j := values[i], i
		for ; j > 0 && less(v, values[j-1]); j-- {
			values[j] = values[j-1]
		}
		values[j] = v
	}
	joined := make([]byte, 0, 256)
	for i := range values {
		joined = append(joined, values[i]...)
	}
	return Ext{params: p, timestamp: timestamp, nonce: nonce, sum: sha1.Sum(joined)}
}

// String returns cardExt as wx.addCard takes it: a JSON object in a string.
// The order of its keys is fixed and its timestamp is a number.
func (e Ext) String() string {
	b := append(make([]byte, 0, 256), '{')
	b = appendMember(b, "code", e.params.Code)
	b = appendMember(b, "openid", e.params.OpenID)
	b = strconv.AppendInt(append(b, `"timestamp":`...), e.timestamp, 10)
	b = appendMember(append(b, ','), "nonce_str", e.nonce)
	b = appendMember(b, "outer_str", e.params.OuterStr)
	if e.params.FixedBeginTimestamp != 0 {
		b = append(b, `"fixed_begintimestamp":`...)
		b = append(strconv.AppendInt(b, e.params.FixedBeginTimestamp, 10), ',')
	}
	b = hex.AppendEncode(append(b, `"signature":"`...), e.sum[:])
	b = append(b, `"}`...)
	if !utf8.Valid(b) {
		b = bytes.ToValidUTF8(b, []byte("\uFFFD"))
	}
	return string(b)
}

// MarshalText makes an Ext in a larger JSON document the string that wx.addCard
// wants there, not an object.
func (e Ext) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// less is a < b; most pairs differ in their first byte, which is found here
// without a call.
func less(a, b string) bool {
	if a != "" && b != "" && a[0] != b[0] {
		return a[0] < b[0]
	}
	return a < b
}

// appendMember appends "name":"value", with a comma behind it, or nothing for
// an empty value.
func appendMember(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(append(b, '"'), name...), `":"`...)
	return append(appendEscaped(b, value), `",`...)
}

// appendEscaped escapes only what JSON demands: encoding/json would also turn
// <, > and & into \u escapes.
func appendEscaped(b []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	plain := 0 // where the bytes begin that need no escape
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[plain:i]...)
		plain = i + 1
		if c < ' ' {
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		} else {
			b = append(b, '\\', c)
		}
	}
	return append(b, s[plain:]...)
}
