package push

// OpenSealed is what a Receiver does with an Encrypt that it has proved; the
// published vectors hold JSON, which no Receiver takes.
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

// HashSorted is the hash of signatures.
func HashSorted(values ...string) string { return hashSorted(values...) }
