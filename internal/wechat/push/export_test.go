package push

// OpenSealed decrypts an Encrypt as a Receiver does. The published vectors contain JSON,
// which a Receiver does not accept.
func OpenSealed(encodingAESKey, appID, encrypt string) (message string, ok bool) {
	s, err := newEnvelopeKey(encodingAESKey, appID)
	if err != nil {
		return "", false
	}
	sealed, ok := decodeSealed(encrypt)
	if !ok {
		return "", false
	}
	opened, ok := s.open(sealed)
	return string(opened), ok
}

// HashSorted is exported for the published vectors.
func HashSorted(values ...string) string { return hashSorted(values...) }
