package wechatsim

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
)

const maxCodeLength = 20 // "code: string(20)"

// sealCode encrypts a code into 64 characters of base64, as many as WeChat's.
func sealCode(key []byte, nonce, code string) string {
	padded := make([]byte, maxCodeLength)
	copy(padded, code)
	return base64.StdEncoding.EncodeToString(sealer(key).Seal([]byte(nonce), []byte(nonce), padded, nil))
}

func openCode(key []byte, sealed string) (string, bool) {
	raw, err := base64.StdEncoding.DecodeString(sealed)
	gcm := sealer(key)
	if err != nil || len(raw) < gcm.NonceSize() {
		return "", false
	}
	plain, err := gcm.Open(nil, raw[:gcm.NonceSize()], raw[gcm.NonceSize():], nil)
	return string(bytes.TrimRight(plain, "\x00")), err == nil
}

func sealer(key []byte) cipher.AEAD {
	block, _ := aes.NewCipher(key) // the key always has 32 bytes
	gcm, _ := cipher.NewGCM(block)
	return gcm
}
