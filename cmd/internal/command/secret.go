package command

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
)

// EncodingAESKey returns a new key for WeChat's message push, made as WeChat's own
// button makes one: 32 bytes in base64. WeChat's form accepts only letters and
// digits, so a key with another character, three of four, is dropped.
func EncodingAESKey() string {
	key := make([]byte, 32)
	for {
		_, _ = rand.Read(key) // never fails
		if text := base64.RawStdEncoding.EncodeToString(key); !strings.ContainsAny(text, "+/") {
			return text
		}
	}
}
