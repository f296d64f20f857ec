package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/addcard/addcard/internal/shop"
)

// tillEntry books what the form of the till says, for a person, or for the script of
// the page, which asks for JSON.
func (c *Console) tillEntry(r *request) error {
	done, again, err := c.bookAtTill(r)
	if r.GetHeader("Accept") == "application/json" {
		return r.tellScript(done, again, err)
	}
	if err != nil {
		return r.again(err, func(r *request) error { return c.showTill(r, done, again) })
	}
	to := url.Values{"card_id": {done.CardID}, "code": {done.Code}, "entry": {done.ID}}
	if done.Order != "" {
		to.Set("order", done.Order)
	}
	if again {
		to.Set("again", "1")
	}
	return r.back("/till?" + to.Encode())
}

// tellScript answers the script with a text for the person, or with the error.
func (r *request) tellScript(done *tillEntry, again bool, err error) error {
	words := r.words()
	p := &problem{}
	switch {
	case errors.As(err, &p):
		r.JSON(p.Status, map[string]string{"code": p.Code, "text": strings.TrimSpace(words.Explain(p) + " " + p.Note)})
		return nil
	case err != nil:
		return err
	case again:
		r.JSON(http.StatusOK, map[string]string{"text": words.T("till.again") + " " + words.bookedBy(done.entry)})
	default:
		r.JSON(http.StatusOK, map[string]string{"text": words.T("till.sent", done.Code, words.sum(done.entry))})
	}
	return nil
}

// bookAtTill books an entry. If the order was booked before, it returns the entry of
// that and sets again; if that has other amounts, an error too.
func (c *Console) bookAtTill(r *request) (done *tillEntry, again bool, err error) {
	// What waited for the network must not be booked by another person.
	if who := r.PostForm("who"); who != "" && who != r.who().ID {
		return nil, false, &problem{Status: http.StatusConflict, Code: "other_person"}
	}
	var settings shop.Settings
	if err := r.get("/v1/settings", nil, &settings); err != nil {
		return nil, false, err
	}
	body, asked, err := c.tillBody(r, settings)
	if err != nil {
		return nil, false, err
	}
	cardID, code, err := r.tillCard()
	if err != nil {
		return nil, false, err
	}
	var answer struct{ Entry entry }
	err = r.call(http.MethodPost, entriesPath(cardID, code), map[string]string{"Idempotency-Key": r.PostForm("key")}, body, &answer)
	if p := (&problem{}); errors.As(err, &p) {
		switch p.Code {
		case "order_booked":
			return r.bookedBefore(p, cardID, code, asked)
		case "limit_per_entry", "limit_per_day":
			words, l := r.words(), settings.Cashier
			p.Note = words.T("till.limits", l.BonusPerEntry, words.Yuan(l.BalancePerEntry), l.BonusPerDay, words.Yuan(l.BalancePerDay))
		}
	}
	if err != nil {
		return nil, false, err
	}
	if r.PostForm("reverses") == "" {
		r.keepStore(r.text("store"))
	}
	return &tillEntry{bookedEntry: bookedEntry{cardID, code, answer.Entry}}, false, nil
}

// tillCard returns the card of the form. What was scanned while the network was away
// is looked for now.
func (r *request) tillCard() (cardID, code string, err error) {
	cardID, code, query := r.PostForm("card_id"), r.PostForm("code"), r.text("query")
	if code != "" || query == "" {
		return cardID, code, nil
	}
	cards, _, err := r.cardsOf(query, "")
	switch {
	case err != nil:
		return "", "", err
	case len(cards) == 0:
		return "", "", &problem{Status: http.StatusNotFound, Code: "till_unknown"}
	case len(cards) > 1:
		return "", "", &problem{Status: http.StatusConflict, Code: "till_choose"}
	}
	return cards[0].CardID, cards[0].Code, nil
}

// tillBody returns the body of the call that books what the form says, and the entry
// that it asks for. Points that are not given are those of the amount by the shop's
// rule.
func (c *Console) tillBody(r *request, s shop.Settings) (body map[string]any, asked entry, err error) {
	if id := r.text("reverses"); id != "" {
		return map[string]any{"reverses": id}, asked, nil
	}
	sums := map[string]int64{}
	for _, name := range []string{"amount", "points", "balance"} {
		if r.text(name) == "" {
			continue
		}
		if sums[name], err = r.amount(name, name != "points"); err != nil {
			return nil, asked, err
		}
	}
	sign, record := int64(1), "till.record"
	switch r.PostForm("direction") {
	case "give":
	case "take":
		sign, record = -1, "till.record_back"
	default:
		return nil, asked, invalid("invalid_input")
	}
	points, given := sums["points"]
	if !given {
		points = s.Points(sums["amount"])
	}
	if points == 0 && sums["balance"] == 0 {
		return nil, asked, invalid("till_nothing")
	}
	asked.AddBonus, asked.AddBalance, asked.Order = sign*points, sign*sums["balance"], r.text("order")
	body = map[string]any{"add_bonus": asked.AddBonus, "add_balance": asked.AddBalance}
	if fen := sums["amount"]; fen > 0 { // the holder reads it, so it is in the first language
		words := View{messages: c.languages[languages[0]]}
		body["record_bonus"] = words.T(record, words.Yuan(fen))
	}
	if store := r.text("store"); store != "" {
		body["store"] = store
	}
	if asked.Order != "" {
		body["order"], body["once_per_order"] = asked.Order, true
	}
	return body, asked, nil
}

// bookedBefore returns the entry of an order that was booked before, and the error if
// it has other amounts than asked. p is the error of the call.
func (r *request) bookedBefore(p *problem, cardID, code string, asked entry) (done *tillEntry, again bool, err error) {
	done, err = r.entryOn(cardID, code, "", asked.Order)
	switch {
	case err != nil:
		return nil, false, err
	case done == nil: // it was undone just now
		return nil, false, p
	case asked.AddBonus == done.AddBonus && asked.AddBalance == done.AddBalance:
		return done, true, nil
	}
	words := r.words()
	p.Note = words.bookedBy(done.entry) + " " + words.T("till.entered", words.sum(asked))
	return done, true, p
}

// sum says what an entry adds.
func (v View) sum(e entry) string {
	var parts []string
	if e.AddBonus != 0 {
		parts = append(parts, v.T("till.points", v.Signed(e.AddBonus)))
	}
	if e.AddBalance != 0 {
		parts = append(parts, v.T("till.yuan", v.SignedYuan(e.AddBalance)))
	}
	return strings.Join(parts, v.T("till.and"))
}

// Sum says what an entry of the till adds.
func (v View) Sum(e tillEntry) string { return v.sum(e.entry) }

// bookedBy says when and by whom an entry was booked, and what it adds.
func (v View) bookedBy(e entry) string {
	return v.T("till.booked_by", v.Time(e.CreatedAt), e.Actor, v.sum(e))
}
