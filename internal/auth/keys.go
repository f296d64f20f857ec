package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Keys are the secrets that sign sessions. The first signs, all verify. So a
// new key is added behind the old one on every replica, then put in front, and
// the old one removed two hours later: no session breaks.
type Keys struct {
	signer string // kid
	// byKID returns the key, nil for an unknown kid. It is a function because
	// that is the one kind of value no printer looks into.
	byKID func(kid string) []byte
}

// minKey is what RFC 7518 §3.2 asks of HS256: as many bytes as the hash has.
const minKey = 32

var kidForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,32}$`)

// ParseKeys reads a comma-separated list of kid:base64(at least 32 bytes). The
// error tells everything that is wrong, by position in the list and without
// any of the text.
func ParseKeys(list string) (*Keys, error) {
	var signer string
	keys := map[string][]byte{}
	var errs []error
	for i, entry := range strings.Split(list, ",") {
		kid, key, err := parseKey(strings.TrimSpace(entry))
		if _, taken := keys[kid]; err == nil && taken {
			err = errors.New("kid is used twice")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("auth: session key %d: %w", i+1, err))
			continue
		}
		if len(keys) == 0 {
			signer = kid
		}
		keys[kid] = key
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return &Keys{signer: signer, byKID: func(kid string) []byte { return keys[kid] }}, nil
}

func parseKey(entry string) (kid string, key []byte, err error) {
	kid, encoded, ok := strings.Cut(entry, ":")
	if !ok {
		return "", nil, errors.New("not of the form kid:base64")
	}
	if !kidForm.MatchString(kid) {
		return "", nil, errors.New("kid is not 1 to 32 of A-Z a-z 0-9 . _ -")
	}
	key, err = base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return "", nil, errors.New("not standard base64") // err would tell where
	}
	if len(key) < minKey {
		return "", nil, fmt.Errorf("shorter than %d bytes", minKey)
	}
	return kid, key, nil
}
