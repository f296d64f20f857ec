package seed

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"time"

	"github.com/google/uuid"
)

// Everything happened in these two years; the last members came a day before
// their end.
var (
	begin = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	end   = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli()
	last  = end - 24*3_600_000
)

// weights is how much each ten members in a row come back: one is a regular, one
// never took the card whose code was issued.
var activity = [...]int{35, 20, 14, 10, 8, 6, 4, 2, 1, 0}

// The members with these places in their ten are special.
const (
	submittedForm = 4 // filled in the one-click form
	deletedCard   = 5 // deleted the card from the wallet
	viaQRCode     = 6 // took the card from a QR code and never opened the mini-program
	neverClaimed  = 9
)

// person is the k-th member who came.
type person struct {
	k              int
	id             string
	miniOpenID     string // openid, empty for whom only the Official Account knows
	officialOpenID string // openid, empty for who took no card
	unionID        string
	code           string
	joinedAt       int64
}

func (p person) segment() int     { return p.k % len(activity) }
func (p person) hasClaimed() bool { return p.segment() != neverClaimed }
func (p person) hasForm() bool    { return p.segment() == submittedForm }

// blockSize is within how many people in a row names are shuffled.
const blockSize = 2048

// person makes the k-th member. Names are random but for their beginning, which
// goes up from one block of members to the next: an index then grows at its end
// and a million rows take no minute, while people who came together still lie on
// pages of their own, as those with quite random names do.
func (o Options) person(k int) person {
	first := k / blockSize * blockSize
	size := min(blockSize, o.Members-first)
	const prime = 104729 // larger than a block, so every place is taken once
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

// random is the source of what is random about a member, one for each use.
func (o Options) random(k int, use uint64) *rand.Rand {
	return rand.New(rand.NewPCG(o.Seed, uint64(k)<<8|use))
}

// nameOf makes an openid or unionid of 28 characters.
func openIDOf(prefix string, hi uint64, random *rand.Rand) string {
	var b [13]byte
	binary.BigEndian.PutUint64(b[:], hi)
	binary.BigEndian.PutUint64(b[5:], random.Uint64())
	return prefix + hex.EncodeToString(b[:])
}

// uuidOf makes a UUID of the random kind that sorts by hi.
func uuidOf(hi, lo uint64) string {
	var u uuid.UUID
	binary.BigEndian.PutUint64(u[:], hi)
	binary.BigEndian.PutUint64(u[8:], lo)
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u.String()
}

// withCheckDigit makes a card code of 15 digits.
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
