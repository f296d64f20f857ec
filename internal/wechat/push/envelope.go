package push

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
)

const (
	keyChars  = 43
	padBlock  = 32 // though AES has blocks of 16
	random    = 16
	header    = random + 4 // with the length of the message
	minBase64 = 88         // of 64 bytes: a header, an AppID and a message are never shorter
)

// envelopeKey opens envelopes of WXBizMsgCrypt: AES-256-CBC over 16 random bytes, the
// length of the message, the message, and the AppID. ("Message push" page, 消息推送.)
type envelopeKey struct {
	block cipher.Block
	iv    []byte
	appID []byte
}

// newEnvelopeKey accepts keys with extra bits in the last character, which belong to no
// byte: some generators set them.
func newEnvelopeKey(encodingAESKey, appID string) (envelopeKey, error) {
	key, err := base64.StdEncoding.DecodeString(encodingAESKey + "=")
	if err != nil || len(encodingAESKey) != keyChars || len(key) != 32 {
		return envelopeKey{}, errors.New("not 43 characters of base64")
	}
	block, err := aes.NewCipher(key)
	return envelopeKey{block: block, iv: key[:aes.BlockSize], appID: []byte(appID)}, err
}

// decodeSealed decodes the element Encrypt. It accepts only the form that WeChat writes.
func decodeSealed(encrypt string) ([]byte, bool) {
	if !matches(encrypt, minBase64, MaxBody, alphanumeric+"+/=") {
		return nil, false // Go's decoder skips line ends
	}
	sealed, err := base64.StdEncoding.Strict().DecodeString(encrypt)
	return sealed, err == nil && len(sealed)%aes.BlockSize == 0
}

// open returns the message in the bytes of decodeSealed, which are long enough for
// padding and header. It does not say why it fails: that would be an oracle.
func (k envelopeKey) open(sealed []byte) (message []byte, ok bool) {
	plain := make([]byte, len(sealed))
	cipher.NewCBCDecrypter(k.block, k.iv).CryptBlocks(plain, sealed)
	plain, ok = unpad(plain)
	if !ok {
		return nil, false
	}
	size, rest := binary.BigEndian.Uint32(plain[random:header]), plain[header:]
	if uint64(size) > uint64(len(rest)) {
		return nil, false
	}
	message, appID := rest[:size], rest[size:]
	return message, subtle.ConstantTimeCompare(appID, k.appID) == 1
}

func unpad(plain []byte) ([]byte, bool) {
	pad := int(plain[len(plain)-1])
	if pad < 1 || pad > padBlock {
		return nil, false
	}
	text, padding := plain[:len(plain)-pad], plain[len(plain)-pad:]
	return text, subtle.ConstantTimeCompare(padding, bytes.Repeat(padding[:1], pad)) == 1
}
