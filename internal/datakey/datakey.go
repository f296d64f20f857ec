// Package datakey keeps what people wrote about themselves unreadable to who
// holds the database alone. The operator's DATA_KEYS seal it (AES-256-GCM), and
// index it by keyed hash so that a phone number can be looked for without being
// stored.
//
// The first key of the list seals, all open: a new key is put in front, and an
// old one stays as long as something is sealed with it.
package datakey

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// ErrSealed is returned by Open for what no key of the list opens.
var ErrSealed = errors.New("datakey: no key opens this")

// Keys seal and open. Nil Keys are none: they seal nothing. It is safe for
// concurrent use.
type Keys struct {
	list []key // a slice of closures: no printer looks into them
}

type key struct {
	kid   string
	seal  func() cipher.AEAD
	index func(value string) string
}

// Parse reads a comma-separated list of kid:base64(32 bytes). An empty list
// gives nil. The error names the position in the list and none of the text.
func Parse(list string) (*Keys, error) {
	if strings.TrimSpace(list) == "" {
		return nil, nil
	}
	keys := &Keys{}
	for i, entry := range strings.Split(list, ",") {
		kid, encoded, _ := strings.Cut(strings.TrimSpace(entry), ":")
		raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if err != nil || len(raw) != 32 || kid == "" || strings.Contains(kid, ".") {
			return nil, fmt.Errorf("datakey: key %d is not kid:base64 of 32 bytes", i+1)
		}
		k, err := newKey(kid, raw)
		if err != nil {
			return nil, fmt.Errorf("datakey: key %d: %w", i+1, err)
		}
		keys.list = append(keys.list, k)
	}
	return keys, nil
}

// newKey draws one key for each use from the secret, so that an index says
// nothing about what is sealed.
func newKey(kid string, secret []byte) (key, error) {
	sealing, err := hkdf.Key(sha256.New, secret, nil, "addcard data seal", 32)
	if err != nil {
		return key{}, err
	}
	indexing, err := hkdf.Key(sha256.New, secret, nil, "addcard data index", 32)
	if err != nil {
		return key{}, err
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return key{}, err
	}
	aead, err := cipher.NewGCM(block)
	return key{kid, func() cipher.AEAD { return aead }, func(value string) string {
		mac := hmac.New(sha256.New, indexing)
		mac.Write([]byte(value))
		return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
	}}, err
}

// Seal encrypts plain, bound to about: what it belongs to. It needs Keys.
func (k *Keys) Seal(plain []byte, about string) string {
	first := k.list[0]
	aead := first.seal()
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // does not fail
	return first.kid + "." + base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, plain, []byte(about)))
}

// Open decrypts what Seal gave for the same about, or returns ErrSealed.
func (k *Keys) Open(sealed, about string) ([]byte, error) {
	kid, encoded, _ := strings.Cut(sealed, ".")
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if k == nil || err != nil {
		return nil, ErrSealed
	}
	for _, one := range k.list {
		aead := one.seal()
		if one.kid != kid || len(raw) < aead.NonceSize() {
			continue
		}
		if plain, err := aead.Open(nil, raw[:aead.NonceSize()], raw[aead.NonceSize():], []byte(about)); err == nil {
			return plain, nil
		}
	}
	return nil, ErrSealed
}

// Index is what a value is stored as to be found by: the first key's. An empty
// value, or no Keys, gives an empty one.
func (k *Keys) Index(value string) string {
	if k == nil || value == "" {
		return ""
	}
	return k.list[0].index(value)
}

// Indexes are all that a value may be stored as.
func (k *Keys) Indexes(value string) (all []string) {
	if k == nil || value == "" {
		return nil
	}
	for _, one := range k.list {
		all = append(all, one.index(value))
	}
	return all
}
