// Package datakey encrypts personal data with the DATA_KEYS of the operator, so
// that the database alone does not reveal it, and indexes it by keyed hash, so
// that a phone number can be found without being stored. It does not store
// anything.
//
// Data is sealed with AES-256-GCM. The first key of the list seals, all keys
// open. To rotate keys, put the new key in front and keep the old one as long
// as there is data sealed with it, which `server data-keys rotate` ends.
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

// ErrSealed is returned by Open when no key of the list opens the data.
var ErrSealed = errors.New("datakey: no key opens this")

// Keys seal and open data. A nil *Keys has no keys; it must not be used to
// seal. Keys are safe for concurrent use.
type Keys struct {
	list []key // closures: fmt does not print their variables
}

type key struct {
	kid   string
	seal  func() cipher.AEAD
	index func(value string) string
}

// Parse parses a comma-separated list of kid:base64(32 bytes). It returns nil
// for an empty list. The error contains the position in the list and none of
// its text.
func Parse(list string) (*Keys, error) {
	if strings.TrimSpace(list) == "" {
		return nil, nil
	}
	keys := &Keys{}
	for i, entry := range strings.Split(list, ",") {
		kid, encoded, _ := strings.Cut(strings.TrimSpace(entry), ":")
		raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if err != nil || len(raw) != 32 || kid == "" {
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

// newKey derives a key for each purpose from the secret, so that the index of a
// value reveals nothing about the key that seals it.
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

// Seal encrypts plain and binds it to about, the name of what it belongs to. k
// must not be nil.
func (k *Keys) Seal(plain []byte, about string) string {
	first := k.list[0]
	aead := first.seal()
	nonce := make([]byte, aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return first.kid + "." + base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, plain, []byte(about)))
}

// Open decrypts what Seal returned for the same about. Errors: ErrSealed.
func (k *Keys) Open(sealed, about string) ([]byte, error) {
	end := strings.LastIndexByte(sealed, '.') // a kid may have dots, base64 has none
	if k == nil || end < 0 {
		return nil, ErrSealed
	}
	kid := sealed[:end]
	raw, err := base64.RawURLEncoding.DecodeString(sealed[end+1:])
	if err != nil {
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

// Newest reports whether sealed has the name of the first key.
func (k *Keys) Newest(sealed string) bool {
	return k != nil && strings.HasPrefix(sealed, k.list[0].kid+".") && strings.Count(sealed, ".") == strings.Count(k.list[0].kid, ".")+1
}

// Index returns the index of value under the first key, which is stored. It is
// empty for an empty value or nil Keys.
func (k *Keys) Index(value string) string {
	if k == nil || value == "" {
		return ""
	}
	return k.list[0].index(value)
}

// Indexes returns the indexes of value under all keys: any of them may be
// stored.
func (k *Keys) Indexes(value string) (all []string) {
	if k == nil || value == "" {
		return nil
	}
	for _, one := range k.list {
		all = append(all, one.index(value))
	}
	return all
}
