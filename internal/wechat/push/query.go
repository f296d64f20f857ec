package push

import (
	"crypto/sha1" // WeChat's choice; the forms below are what makes it usable
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

// signedQuery is what a push's query says of the push: values of the right form,
// each given once. Other parameters are the URL's own, or unsigned as openid.
type signedQuery struct {
	timestamp, nonce        string
	signature, msgSignature string // either may be empty
	encryptType             string
}

// parseQuery refuses every form that WeChat does not send: with looser ones the
// same hash fits other values. ("Message push" page, 消息推送.)
func parseQuery(query url.Values) (signedQuery, error) {
	var s signedQuery
	for name, into := range map[string]*string{"timestamp": &s.timestamp, "nonce": &s.nonce,
		"signature": &s.signature, "msg_signature": &s.msgSignature, "encrypt_type": &s.encryptType} {
		var err error
		if *into, err = single(query, name); err != nil {
			return signedQuery{}, err
		}
	}
	if !matches(s.timestamp, 10, 10, digits) || !matches(s.nonce, 1, 32, alphanumeric) ||
		!isHash(s.signature) || !isHash(s.msgSignature) || !slices.Contains([]string{"", "raw", "aes"}, s.encryptType) {
		return signedQuery{}, ErrForged
	}
	return s, nil
}

// single returns the value of a parameter, "" if it is not there.
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

// matches reports whether s has least to most bytes, all of them of alphabet.
func matches(s string, least, most int, alphabet string) bool {
	return len(s) >= least && len(s) <= most && strings.Trim(s, alphabet) == ""
}

func isHash(s string) bool { return s == "" || matches(s, 40, 40, "0123456789abcdef") }

// signatureValid tells whether signature is right; it covers no body.
func (s signedQuery) signatureValid(token string) bool {
	return equal(s.signature, hashSorted(token, s.timestamp, s.nonce))
}

// sealedSignatureValid tells whether msg_signature is right, which covers the sealed body.
func (s signedQuery) sealedSignatureValid(token, encrypt string) bool {
	return equal(s.msgSignature, hashSorted(token, s.timestamp, s.nonce, encrypt))
}

func equal(given, right string) bool {
	return subtle.ConstantTimeCompare([]byte(given), []byte(right)) == 1
}

func hashSorted(values ...string) string {
	slices.Sort(values)
	sum := sha1.Sum([]byte(strings.Join(values, "")))
	return hex.EncodeToString(sum[:])
}
