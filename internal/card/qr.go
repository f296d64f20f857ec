package card

import (
	"context"
	"fmt"
	"strings"

	"rsc.io/qr"

	"github.com/addcard/addcard/internal/audit"
)

// QRCode asks for a QR code that leads to a card (投放二维码).
type QRCode struct {
	CardID, Code, OpenID string
	OuterStr             string
	ExpireSeconds        int64 // 60 to 1800; 0 means WeChat's default, a year
}

// QRTicket is a QR code: URL is its content, ShowURL is a picture of it at WeChat.
type QRTicket struct {
	Ticket, URL, ShowURL string
	ExpireSeconds        int64
}

// QR creates a QR code that leads to the card. For a card that assigns codes in
// real time it needs a code and works once, so a QR code in print needs a card
// with system or deposited codes.
func (o *Operator) QR(ctx context.Context, q QRCode) (QRTicket, error) {
	c, err := o.catalogue.GetUnlimited(ctx, q.CardID)
	if err != nil {
		return QRTicket{}, err
	}
	if err := checkQRCode(c, q); err != nil {
		return QRTicket{}, err
	}
	audit.Note(ctx, "outer_str", nil, q.OuterStr)
	return o.account.CreateQRCode(ctx, q)
}

func checkQRCode(c Card, q QRCode) error {
	v := &validation{}
	switch {
	case c.TakesCode() && q.Code == "":
		v.add("code", "is required: this card assigns its codes in real time, so the QR code works once")
	case !c.TakesCode() && q.Code != "":
		v.add("code", "must be empty: WeChat picks the code of this card")
	case len(q.Code) > maxCode:
		v.add("code", "is longer than %d characters", maxCode)
	case !alphanumeric(q.Code):
		v.add("code", "must have only letters and digits")
	}
	if c.BindOpenID && q.OpenID == "" {
		v.add("openid", "is required: the card is bound to its holder's openid in the Official Account")
	}
	if q.ExpireSeconds != 0 && (q.ExpireSeconds < 60 || q.ExpireSeconds > 1800) {
		v.add("expire_seconds", "must be 60 to 1800")
	}
	return v.err()
}

// PNG draws the QR code for printing: each module has eight pixels.
func (t QRTicket) PNG() ([]byte, error) {
	code, err := qr.Encode(t.URL, qr.M)
	if err != nil {
		return nil, fmt.Errorf("draw a QR code: %w", err)
	}
	return code.PNG(), nil
}

// Text draws the QR code for a terminal with a dark background, two rows of
// modules in each line.
func (t QRTicket) Text() (string, error) {
	code, err := qr.Encode(t.URL, qr.M)
	if err != nil {
		return "", fmt.Errorf("draw a QR code: %w", err)
	}
	const margin = 2 // modules
	var b strings.Builder
	for y := -margin; y < code.Size+margin; y += 2 {
		for x := -margin; x < code.Size+margin; x++ {
			b.WriteString(halfBlocks[isDark(code, x, y)][isDark(code, x, y+1)])
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}

// halfBlocks has the character for two modules, by whether the upper and the lower
// one are dark. On a dark terminal the ink of a character is light.
var halfBlocks = map[bool]map[bool]string{
	false: {false: "█", true: "▀"},
	true:  {false: "▄", true: " "},
}

func isDark(code *qr.Code, x, y int) bool {
	return x >= 0 && y >= 0 && x < code.Size && y < code.Size && code.Black(x, y)
}
