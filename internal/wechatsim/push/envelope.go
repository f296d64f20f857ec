package push

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"fmt"
)

// envelopeBlock is the size of the padding block: 32 bytes, although AES has
// blocks of 16.
const envelopeBlock = 32

// sealMessage encrypts a message as WXBizMsgCrypt does: AES-256-CBC over 16
// random bytes, the length, the message and the AppID, in base64.
func sealMessage(encodingAESKey, random16, message, appID string) (string, error) {
	key, err := base64.StdEncoding.DecodeString(encodingAESKey + "=")
	if err != nil || len(key) != 32 {
		return "", fmt.Errorf("encoding_aes_key: not 43 characters of base64")
	}
	plain := []byte(random16)
	plain = binary.BigEndian.AppendUint32(plain, uint32(len(message)))
	plain = append(plain, message...)
	plain = append(plain, appID...)
	pad := envelopeBlock - len(plain)%envelopeBlock
	plain = append(plain, bytes.Repeat([]byte{byte(pad)}, pad)...)
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", err
	}
	cipher.NewCBCEncrypter(block, key[:aes.BlockSize]).CryptBlocks(plain, plain)
	return base64.StdEncoding.EncodeToString(plain), nil
}
