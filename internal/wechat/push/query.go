package push

import (
	"crypto/sha1" // WeChat's choice; the exact forms below make it usable
	"crypto/subtle"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
)

const (
	digits       = "0123456789"
	alphanumeric = digits + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// signedQuery has the parameters of a push's query that are signed or sign. Other
// parameters are the URL's own, or not signed, as openid.
type signedQuery struct {
	timestamp, nonce        string
	signature, msgSignature string // either may be empty
	encryptType             string
}

// parseQuery refuses every form that WeChat does not send: otherwise the same hash
// would fit other values. ("Message push" page, 消息推送.)
func parseQuery(query url.Values) (signedQuery, error) {
	var q signedQuery
	for name, into := range map[string]*string{"timestamp": &q.timestamp, "nonce": &q.nonce,
		"signature": &q.signature, "msg_signature": &q.msgSignature, "encrypt_type": &q.encryptType} {
		var err error
		if *into, err = single(query, name); err != nil {
			return signedQuery{}, err
		}
	}
	if !matches(q.timestamp, 10, 10, digits) || !matches(q.nonce, 1, 32, alphanumeric) ||
		!isHash(q.signature) || !isHash(q.msgSignature) || !slices.Contains([]string{"", "raw", "aes"}, q.encryptType) {
		return signedQuery{}, ErrForged
	}
	return q, nil
}

// single returns the value of a parameter, or "" if there is none. More than one value
// or an empty one is an error.
func single(query url.Values, name string) (string, error) {
	switch values := query[name]; {
	case len(values) == 0:
		return "", nil
	case len(values) > 1 || values[0] == "":
		return "", ErrForged
	default:
		return values[0], nil
	}
}

// matches reports whether s has least to most bytes, all of them in alphabet.
func matches(s string, least, most int, alphabet string) bool {
	return len(s) >= least && len(s) <= most && strings.Trim(s, alphabet) == ""
}

func isHash(s string) bool { return s == "" || matches(s, 40, 40, "0123456789abcdef") }

// signatureValid reports whether signature is right; it does not cover the body.
func (q signedQuery) signatureValid(token string) bool {
	return equal(q.signature, hashSorted(token, q.timestamp, q.nonce))
}

// sealedSignatureValid reports whether msg_signature is right, which covers the encrypted
// body.
func (q signedQuery) sealedSignatureValid(token, encrypt string) bool {
	return equal(q.msgSignature, hashSorted(token, q.timestamp, q.nonce, encrypt))
}

func equal(given, right string) bool {
	return subtle.ConstantTimeCompare([]byte(given), []byte(right)) == 1
}

func hashSorted(values ...string) string {
	slices.Sort(values)
	sum := sha1.Sum([]byte(strings.Join(values, "")))
	return hex.EncodeToString(sum[:])
}
