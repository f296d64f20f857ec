package ticket

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// sealVersion stands before every sealed value, so that another method can be
// told apart one day.
const sealVersion = "s1."

// Seal wraps store so that values leave the process only encrypted: AES-256-GCM
// under a key drawn by HKDF-SHA-256 from secret (the Official Account's
// AppSecret, which whoever may read the value has anyway). The key's name and
// the fence are bound in: a copy that was moved to another key, or brought back
// under a later fence, does not open. A copy that does not open is reported as
// [ErrUnreadable]. The only errors of Seal are those of an empty secret and of
// the cipher itself.
func Seal(store Store, secret string) (Store, error) {
	if secret == "" {
		return nil, errors.New("ticket: seal without a secret")
	}
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "addcard shared ticket", 32)
	if err != nil {
		return nil, fmt.Errorf("draw the sealing key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make the sealing cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make the sealing cipher: %w", err)
	}
	return &sealed{Store: store, aead: aead}, nil
}

type sealed struct {
	Store
	aead cipher.AEAD
}

func (s *sealed) Load(ctx context.Context, key string) (Record, error) {
	rec, err := s.Store.Load(ctx, key)
	if err != nil {
		return Record{}, err
	}
	text, ok := strings.CutPrefix(rec.Value, sealVersion)
	if !ok {
		return Record{}, ErrUnreadable
	}
	box, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return Record{}, ErrUnreadable
	}
	value, err := s.aead.Open(nil, nil, box, bound(key, rec.Fence))
	if err != nil {
		return Record{}, ErrUnreadable
	}
	rec.Value = string(value)
	return rec, nil
}

func (s *sealed) Save(ctx context.Context, lease Lease, issue Issue) error {
	box := s.aead.Seal(nil, nil, []byte(issue.Value), bound(lease.Key, issue.Fence))
	issue.Value = sealVersion + base64.RawStdEncoding.EncodeToString(box)
	return s.Store.Save(ctx, lease, issue)
}

// bound is the additional data of a seal: where the copy belongs.
func bound(key string, fence int64) []byte {
	return strconv.AppendInt(append([]byte(key), 0), fence, 10)
}
