package console

import (
	"net/http"
	"slices"
	"strings"
	"time"
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
		return r.again(invalid("code_works_once"), c.card)
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
		QR    qrCode
	}{card, p, made.URL, until, code})
}
