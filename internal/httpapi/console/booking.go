package console

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// bookingOf returns the body of the entry that a form asks for.
func bookingOf(r *request) (body map[string]any, err error) {
	body = map[string]any{}
	for _, name := range []string{"add_bonus", "add_balance"} {
		if r.text(name) == "" {
			continue
		}
		n, err := r.amount(name, name == "add_balance")
		if err != nil {
			return nil, err
		}
		if r.PostForm("direction") == "take" {
			n = -n
		}
		body[name] = n
	}
	for _, name := range []string{"record_bonus", "order", "store", "reverses"} {
		if text := r.text(name); text != "" {
			body[name] = text
		}
	}
	if r.PostForm("partial") != "" {
		body["partial"] = true
	}
	if body["order"] != nil {
		body["once_per_order"] = true
	}
	return body, nil
}

// addEntry gives or takes points or balance, or reverses an entry. The key comes from
// the form, so a form that is sent twice counts once.
func (c *Console) addEntry(r *request) error {
	body, err := bookingOf(r)
	if err != nil {
		return r.again(err, c.member)
	}
	var answer struct {
		Entry struct {
			ID string `json:"id"`
		} `json:"entry"`
	}
	header := map[string]string{"Idempotency-Key": r.PostForm("key")}
	if err := r.call(http.MethodPost, r.formCode()+"/entries", header, body, &answer); err != nil {
		return r.again(r.withBooked(err), c.member)
	}
	done := "entry"
	if body["reverses"] != nil {
		done = "undone"
	}
	return r.back(r.memberPage() + "?done=" + done + "&entry=" + url.QueryEscape(answer.Entry.ID))
}

// withBooked adds to the error of a form whose order was booked before who has booked it.
func (r *request) withBooked(err error) error {
	if p := (&problem{}); errors.As(err, &p) && p.Code == "order_booked" {
		before, failed := r.entryOn(r.PostForm("card_id"), r.PostForm("code"), "", r.text("order"))
		if failed != nil {
			return failed
		}
		if before != nil { // it was not undone just now
			p.Note = r.words().bookedBy(before.entry)
		}
	}
	return err
}

// result is what a booking would do to a total.
type result struct {
	Name                     string // the key of a text, after "card."
	Sum, Total, Given, Taken string
	Short                    bool // there is less than would be taken
}

// previewEntry shows what the totals will be before anything is booked. It is for
// browsers without script; others show it beside the fields.
func (c *Console) previewEntry(r *request) error {
	body, err := bookingOf(r)
	if err != nil {
		return r.again(err, c.member)
	}
	var p person
	if err := r.get(r.memberPath(), nil, &p); err != nil {
		return err
	}
	var data struct {
		ID      string
		Fields  map[string]string
		Results []result
		Short   bool
	}
	for _, card := range p.Cards {
		if card.CardID != r.PostForm("card_id") || card.Code != r.PostForm("code") {
			continue
		}
		for _, of := range []struct {
			field, name string
			total       int64
			format      func(int64) string
		}{{"add_bonus", "bonus", card.Bonus, decimal}, {"add_balance", "balance", card.Balance, yuan}} {
			if n, given := body[of.field].(int64); given {
				data.Results = append(data.Results, result{
					of.name, of.format(n), of.format(of.total), of.format(of.total + n), of.format(of.total - n), n > of.total,
				})
				data.Short = data.Short || n > of.total
			}
		}
	}
	if len(data.Results) == 0 {
		return r.again(invalid("invalid_amount"), c.member)
	}
	data.ID, data.Fields = p.ID, map[string]string{}
	for _, name := range []string{"form", "card_id", "code", "key", "add_bonus", "add_balance", "record_bonus", "order", "store"} {
		data.Fields[name] = r.PostForm(name)
	}
	return r.render(http.StatusOK, "preview", data)
}

// mostAtOnce bounds an amount of a form, in points and in yuan. A card's code that is
// scanned into the wrong field is larger.
const mostAtOnce = 10_000_000

// amount returns the points in a field of a form, or of an amount in yuan its fen.
func (r *request) amount(field string, yuan bool) (int64, error) {
	n, ok := amount(r.text(field), yuan)
	switch {
	case !ok:
		return 0, invalid("invalid_amount")
	case n >= mostAtOnce && !yuan || n/100 >= mostAtOnce:
		return 0, invalid("till_too_much")
	}
	return n, nil
}

// amount returns a whole number above 0, or of an amount in yuan its fen.
func amount(text string, yuan bool) (n int64, ok bool) {
	whole, part, _ := strings.Cut(text, ".")
	if yuan {
		if len(part) > 2 || strings.ContainsAny(part, "+-") || whole == "" {
			return 0, false
		}
		text = whole + (part + "00")[:2]
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n > 0
}
