package seed

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// All data is from these two years. The last members joined a day before the end.
var (
	begin = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	end   = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	last  = end - 24*3_600_000
)

// activity is the relative number of entries of each ten members in a row: one
// of them is a regular customer, and one never claimed the card.
var activity = [...]int{35, 20, 14, 10, 8, 6, 4, 2, 1, 0}

// Special members, by their position among ten.
const (
	submittedForm = 4 // submitted the one-click form
	deletedCard   = 5 // deleted the card from the wallet
	viaQRCode     = 6 // claimed the card from a QR code and never used the mini-program
	neverClaimed  = 9
)

// person is the k-th member.
type person struct {
	k              int
	id             string
	miniOpenID     string // "" for a member that is known only in the Official Account
	officialOpenID string // "" for a member that never claimed the card
	unionID        string
	code           string
	joinedAt       int64
}

func (p person) segment() int     { return p.k % len(activity) }
func (p person) hasClaimed() bool { return p.segment() != neverClaimed }
func (p person) hasForm() bool    { return p.segment() == submittedForm }

// blockSize is the number of consecutive members in which IDs are shuffled.
const blockSize = 2048

// person returns the k-th member. IDs are random except for their beginning,
// which increases from one block of members to the next. So an index grows at
// its end, and a million rows take less than a minute, while members that
// joined together still are on different pages, as with random IDs.
func (o Options) person(k int) person {
	first := k / blockSize * blockSize
	size := min(blockSize, o.Members-first)
	const prime = 104729 // a prime larger than a block: each position is used once
	rank := uint64(first + (k-first)*prime%size)
	random := o.random(k, 0)
	p := person{k: k, joinedAt: begin + int64(float64(last-begin)*float64(k)/float64(o.Members))}
	hi := rank*(1<<63/uint64(o.Members)*2) | 1
	p.id = uuidOf(hi, random.Uint64())
	p.officialOpenID = openIDOf("oS", hi, random)
	p.miniOpenID = openIDOf("oM", hi, random)
	p.unionID = openIDOf("uN", hi, random)
	span := 9e14 / uint64(o.Members)
	digits := 1e14 + rank*span + random.Uint64N(span)
	p.code = withCheckDigit(digits)
	switch p.segment() {
	case viaQRCode:
		p.miniOpenID = ""
	case neverClaimed:
		p.officialOpenID = ""
	}
	return p
}

// random returns a source of random numbers for one purpose of a member.
func (o Options) random(k int, use uint64) *rand.Rand {
	return rand.New(rand.NewPCG(o.Seed, uint64(k)<<8|use))
}

// openIDOf returns an openid or unionid of 28 characters.
func openIDOf(prefix string, hi uint64, random *rand.Rand) string {
	var b [13]byte
	binary.BigEndian.PutUint64(b[:], hi)
	binary.BigEndian.PutUint64(b[5:], random.Uint64())
	return prefix + hex.EncodeToString(b[:])
}

// uuidOf returns a random UUID that sorts by hi.
func uuidOf(hi, lo uint64) string {
	var u uuid.UUID
	binary.BigEndian.PutUint64(u[:], hi)
	binary.BigEndian.PutUint64(u[8:], lo)
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u.String()
}

// withCheckDigit returns a card code: 15 digits and a check digit.
func withCheckDigit(digits uint64) string {
	var b [16]byte
	sum := uint64(0)
	for i := range 15 {
		d := digits % 10
		digits /= 10
		b[14-i] = byte('0' + d)
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	b[15] = byte('0' + (10-sum%10)%10)
	return string(b[:])
}
