package ticket

import (
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// sealVersion is the prefix of each sealed value. It allows for another method
// of sealing later.
const sealVersion = "s1."

// Seal wraps store so that values leave the process only encrypted, with
// AES-256-GCM under a key derived by HKDF-SHA-256 from secret. The secret is
// the Official Account's AppSecret: a program that has it can fetch the value
// anyway. The key under which a copy is saved and its fence are authenticated,
// so a copy that was moved to another key, or put back under a later fence,
// does not open. A copy that does not open is reported as [ErrUnreadable].
// Leases get a SecretID, a keyed hash that is derived from secret likewise. Seal
// returns an error only for an empty secret and from the cipher itself.
func Seal(store Store, secret string) (Store, error) {
	if secret == "" {
		return nil, errors.New("ticket: seal without a secret")
	}
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "addcard shared ticket", 32)
	if err != nil {
		return nil, fmt.Errorf("derive the sealing key: %w", err)
	}
	id, err := hkdf.Key(sha256.New, []byte(secret), nil, "addcard back-off", 8)
	if err != nil {
		return nil, fmt.Errorf("derive the identifier of the secret: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("make the sealing cipher: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("make the sealing cipher: %w", err)
	}
	return &sealed{Store: store, aead: aead, secretID: hex.EncodeToString(id)}, nil
}

type sealed struct {
	Store
	aead     cipher.AEAD
	secretID string
}

func (s *sealed) Acquire(ctx context.Context, key string, req LeaseRequest) (Lease, error) {
	req.SecretID = cmp.Or(req.SecretID, s.secretID)
	return s.Store.Acquire(ctx, key, req)
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
	value, err := s.aead.Open(nil, nil, box, additionalData(key, rec.Fence))
	if err != nil {
		return Record{}, ErrUnreadable
	}
	rec.Value = string(value)
	return rec, nil
}

func (s *sealed) Save(ctx context.Context, lease Lease, v FetchedValue) error {
	box := s.aead.Seal(nil, nil, []byte(v.Value), additionalData(lease.Key, v.Fence))
	v.Value = sealVersion + base64.RawStdEncoding.EncodeToString(box)
	return s.Store.Save(ctx, lease, v)
}

// additionalData returns the authenticated data of a seal: where the copy
// belongs.
func additionalData(key string, fence int64) []byte {
	return strconv.AppendInt(append([]byte(key), 0), fence, 10)
}
