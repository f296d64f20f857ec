package console

import (
	"net/http"
	"net/url"
	"strings"
	"time"
)

// printing is what the form for printing asks for.
type printing struct{ CardID, Channel string }

// poster is what the page for printing shows: a QR code, or without a URL only the form.
type poster struct {
	shownCard

	Print printing
	Form  url.Values // the query with which the page shows the same form
	URL   string
	Until time.Time
	QR    qrCode
}

// newPoster returns the poster of the card of the path, without a QR code.
func (r *request) newPoster(channel string) (poster, error) {
	card, err := r.readCard()
	if err != nil {
		return poster{}, err
	}
	if card.Codes() == "custom" {
		return poster{}, invalid("code_works_once")
	}
	channel = strings.TrimSpace(channel)
	return poster{shownCard: card, Print: printing{card.ID, channel}, Form: with(nil, "channel", channel)}, nil
}

// printPage shows the form for a QR code on paper. It makes none: it may be loaded again.
func (c *Console) printPage(r *request) error {
	p, err := r.newPoster(r.Query("channel"))
	if err != nil {
		return r.again(err, c.card)
	}
	return r.render(http.StatusOK, "print", p)
}

// printCard makes a QR code of a card and shows it for paper. The channel is in the
// code: each card that is taken with it carries the channel.
func (c *Console) printCard(r *request) error {
	p, err := r.newPoster(r.PostForm("channel"))
	if err != nil {
		return r.again(err, c.card)
	}
	body := map[string]any{}
	if p.Print.Channel != "" {
		body["outer_str"] = p.Print.Channel
	}
	var made struct {
		URL           string `json:"url"`
		ExpireSeconds int64  `json:"expire_seconds"`
	}
	if err := r.call(http.MethodPost, "/v1"+r.cardPath()+"/qrcode", nil, body, &made); err != nil {
		return r.again(err, c.card)
	}
	p.URL = made.URL
	if p.QR, err = drawQR(made.URL); err != nil {
		return err
	}
	if made.ExpireSeconds > 0 {
		p.Until = time.Now().Add(time.Duration(made.ExpireSeconds) * time.Second)
	}
	return r.render(http.StatusOK, "print", p)
}
