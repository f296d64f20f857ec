package cardext

import "crypto/rand"

const (
	nonceLen    = 32 // the most that WeChat takes
	alphabet    = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	firstUneven = 256 / len(alphabet) * len(alphabet)
)

// NewNonce returns a fresh nonce_str: 32 letters and digits from crypto/rand,
// each of the 62 equally likely. It is safe for concurrent use.
func NewNonce() string {
	nonce := make([]byte, 0, nonceLen)
	var random [nonceLen + 8]byte // a byte is passed over once in 32 times
	for {
		rand.Read(random[:])
		for _, r := range random {
			if int(r) >= firstUneven { // bytes above would favour the first letters
				continue
			}
			nonce = append(nonce, alphabet[int(r)%len(alphabet)])
			if len(nonce) == nonceLen {
				return string(nonce)
			}
		}
	}
}
