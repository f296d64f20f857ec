package wechatsim

import (
	crand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
)

// Every random secret and identity of a Sim has one of these marks, so that a test
// can search logs, answers and files for leaks.
const (
	MarkAccessToken = "SIMTOKEN_"
	MarkTicket      = "SIMTICKET_"
	MarkSecret      = "5ec2e75ec2e7"
	MarkLoginCode   = "SIMCODE"
	MarkPhoneCode   = "SIMPHONE"
	MarkPageToken   = "SIMPAGE_"
	MarkSessionKey  = "c2lta2V5" // base64 of "simkey", and a session_key is base64 anyhow
	MarkMiniOpenID  = "oSimM"
	MarkOpenID      = "oSimO"
	MarkUnionID     = "oSimU"
)

const (
	digits       = "0123456789"
	hexDigits    = "0123456789abcdef"
	alphanumeric = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	urlSafe      = alphanumeric + "_-"
)

// newRand returns a generator that repeats itself for the same seed, except for 0.
// Its values protect nothing.
func newRand(seed uint64) *rand.Rand {
	var key [32]byte
	if seed == 0 {
		crand.Read(key[:])
	}
	binary.LittleEndian.PutUint64(key[24:], seed^binary.LittleEndian.Uint64(key[24:]))
	return rand.New(rand.NewChaCha8(key))
}

// randomString returns n characters of the alphabet.
func (s *Sim) randomString(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[s.rng.IntN(len(alphabet))]
	}
	return string(b)
}
