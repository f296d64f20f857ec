package auth

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Keys are the secrets that sign sessions. The first key signs, all keys
// verify. To rotate keys without ending a session, append the new key on every
// replica, then move it to the front, and remove the old key two hours later.
type Keys struct {
	signer string // kid
	// byKID returns the key, or nil for an unknown kid. It is a function
	// because fmt, log/slog and encoding/json do not print the variables of a
	// closure.
	byKID func(kid string) []byte
}

// minKey is the minimum of RFC 7518 §3.2 for HS256: the length of the hash.
const minKey = 32

var kidForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,32}$`)

// ParseKeys parses a comma-separated list of kid:base64(at least 32 bytes). The
// error lists everything that is wrong, by position in the list and without any
// of its text.
func ParseKeys(list string) (*Keys, error) {
	var signer string
	keys := map[string][]byte{}
	var errs []error
	for i, entry := range strings.Split(list, ",") {
		kid, key, err := parseKey(strings.TrimSpace(entry))
		if _, used := keys[kid]; err == nil && used {
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
		return "", nil, errors.New("not standard base64") // err would reveal the position
	}
	if len(key) < minKey {
		return "", nil, fmt.Errorf("shorter than %d bytes", minKey)
	}
	return kid, key, nil
}
