// Package cardext signs and explains cardExt, the JSON string that the
// mini-program passes to wx.addCard for each card. It does no I/O: it does not
// fetch the api_ticket, issue codes, or decide which card needs which values;
// its caller does.
//
// [Sign] makes a cardExt, [Verify] reports whether one is right, and [Explain]
// says what is wrong with one that WeChat refuses (签名错误, 参数错误).
//
// # What is signed
//
// The values api_ticket, timestamp and card_id, and those of code, openid and
// nonce_str that are in cardExt, are sorted byte by byte, joined without a
// separator and hashed with SHA-1. outer_str and fixed_begintimestamp are sent
// unsigned. (WeChat, JS-SDK page, appendix 4 "卡券扩展字段及签名生成算法".)
//
// Because there is no separator, two different sets of values can have the same
// signature: ("abc", "def") and ("ab", "cdef") do. Never sign a value that a
// client chose.
package cardext

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"strconv"
	"unicode/utf8"
)

// Params are the values of one cardExt except the time and the nonce. An empty
// value is neither signed nor sent.
type Params struct {
	CardID   string // signed; sent next to cardExt, not in it
	Code     string // only for a custom-code card with real-time delivery; at most 20 letters and digits
	OpenID   string // of the Official Account; only for a card with bind_openid
	OuterStr string // the channel, returned in the user_get_card event; not signed
	// FixedBeginTimestamp, in Unix seconds, is when the validity of a
	// DATE_TYPE_FIX_TERM card begins; not signed.
	FixedBeginTimestamp int64
}

// Ext is one signed cardExt. It is immutable, and [Ext.String] writes the same
// values that were signed.
type Ext struct {
	params    Params
	timestamp int64
	nonce     string
	sum       [sha1.Size]byte // the signature
}

// Sign signs p for one use. timestamp is in Unix seconds. nonce must be new for
// each card of each answer (see [NewNonce]): WeChat refuses the second use of a
// nonce with 已领完.
//
// Sign does not check that p fits the card. It requires a ticket that is not
// empty and values in UTF-8, because JSON cannot carry others. It is safe for
// concurrent use and does not allocate for values of usual length.
func Sign(apiTicket string, p Params, timestamp int64, nonce string) Ext {
	var digits [20]byte
	seconds := string(strconv.AppendInt(digits[:0], timestamp, 10))
	values := [...]string{apiTicket, seconds, p.CardID, p.Code, p.OpenID, nonce}
	for i := 1; i < len(values); i++ { // an insertion sort: package slices takes a seventh more time
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

// String returns cardExt in the form of wx.addCard: a JSON object as a string.
// The order of its keys is fixed and its timestamp is a number.
func (e Ext) String() string {
	b := append(make([]byte, 0, 256), '{')
	b = appendField(b, "code", e.params.Code)
	b = appendField(b, "openid", e.params.OpenID)
	b = strconv.AppendInt(append(b, `"timestamp":`...), e.timestamp, 10)
	b = appendField(append(b, ','), "nonce_str", e.nonce)
	b = appendField(b, "outer_str", e.params.OuterStr)
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

// MarshalText makes an Ext in a larger JSON document a string, as wx.addCard
// requires, and not an object.
func (e Ext) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// less reports whether a < b. Most pairs differ in the first byte, which is
// compared here without a call.
func less(a, b string) bool {
	if a != "" && b != "" && a[0] != b[0] {
		return a[0] < b[0]
	}
	return a < b
}

// appendField appends "name":"value" and a comma, or nothing for an empty
// value.
func appendField(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(append(append(b, '"'), name...), `":"`...)
	return append(appendEscaped(b, value), `",`...)
}

// appendEscaped escapes only what JSON requires: encoding/json would also
// escape <, > and &.
func appendEscaped(b []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	plain := 0 // start of the bytes that need no escape
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
