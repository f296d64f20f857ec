package cardext

import "crypto/rand"

const (
	nonceLen    = 32 // the maximum that WeChat accepts
	alphabet    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	firstUneven = 256 / len(alphabet) * len(alphabet)
)

// NewNonce returns a new nonce_str: 32 letters and digits from crypto/rand,
// each of the 62 equally likely. It is safe for concurrent use.
func NewNonce() string {
	nonce := make([]byte, 0, nonceLen)
	var random [nonceLen + 8]byte // about one byte in 32 is skipped
	for {
		rand.Read(random[:])
		for _, r := range random {
			if int(r) >= firstUneven { // these bytes would make the first letters more likely
				continue
			}
			nonce = append(nonce, alphabet[int(r)%len(alphabet)])
			if len(nonce) == nonceLen {
				return string(nonce)
			}
		}
	}
}
