package console

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"rsc.io/qr"
)

// sizes are the sizes of paper, as ISO 216 names them.
var sizes = []string{"a4", "a6"}

// printing is what the form for printing asks for.
type printing struct {
	CardID, Channel, Size string
	Sizes                 []string
}

// printCard shows a page with the QR code of a card, for paper. The channel is in the
// code: each card that is taken with it carries the channel.
func (c *Console) printCard(r *request) error {
	card, err := r.readCard()
	if err != nil {
		return err
	}
	if card.Codes() == "custom" {
		return r.again(&problem{Status: http.StatusUnprocessableEntity, Code: "code_works_once"}, c.card)
	}
	p := printing{CardID: card.ID, Channel: strings.TrimSpace(r.Query("channel")), Size: r.Query("size"), Sizes: sizes}
	if !slices.Contains(sizes, p.Size) {
		p.Size = sizes[0]
	}
	body := map[string]any{}
	if p.Channel != "" {
		body["outer_str"] = p.Channel
	}
	var made struct {
		URL           string `json:"url"`
		ExpireSeconds int64  `json:"expire_seconds"`
	}
	if err := r.call(http.MethodPost, "/v1"+r.cardPath()+"/qrcode", nil, body, &made); err != nil {
		return r.again(err, c.card)
	}
	code, err := drawQR(made.URL)
	if err != nil {
		return err
	}
	var until time.Time
	if made.ExpireSeconds > 0 {
		until = time.Now().Add(time.Duration(made.ExpireSeconds) * time.Second)
	}
	return r.render(http.StatusOK, "print", struct {
		shownCard

		Print printing
		URL   string
		Until time.Time
		QR    qrPicture
	}{card, p, made.URL, until, code})
}

// quiet is the width of the light margin that a scanner needs, in modules.
const quiet = 4

// qrPicture is a QR code as a path of SVG, in modules.
type qrPicture struct {
	Size int // with the margin
	Path string
}

// drawQR draws a QR code that can be read if 15 % of it are covered.
func drawQR(text string) (qrPicture, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return qrPicture{}, fmt.Errorf("draw a QR code: %w", err)
	}
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if x > from {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x-from, x-from)
			}
		}
	}
	return qrPicture{code.Size + 2*quiet, path.String()}, nil
}
