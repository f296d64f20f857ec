package command

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
)

// EncodingAESKey makes a key for the message push as WeChat's own button does:
// 32 bytes in base64, where the form takes letters and digits only. One in four
// has no others.
func EncodingAESKey() string {
	key := make([]byte, 32)
	for {
		_, _ = rand.Read(key) // never fails
		if text := base64.RawStdEncoding.EncodeToString(key); !strings.ContainsAny(text, "+/") {
			return text
		}
	}
}
