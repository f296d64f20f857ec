// Package explain is what the page of the explainer does besides showing texts:
// it reads what a person has pasted, and explains each cardExt in it. The page
// calls it as WebAssembly (package wasm); package build makes the page. Nothing
// here does I/O, so nothing that is pasted leaves the page.
package explain

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	"github.com/addcard/addcard/internal/cardext"
)

// Question is what the form of the page has. Only Text is required.
type Question struct {
	Text        string   `json:"text"`    // a cardList, or one cardExt
	CardID      string   `json:"card_id"` // of a cardExt that was pasted without one
	APITicket   string   `json:"api_ticket"`
	JSAPITicket string   `json:"jsapi_ticket"`
	OldTickets  []string `json:"old_tickets"`
	Card        *Card    `json:"card"` // nil: unknown
	Signed      Signed   `json:"signed"`
	Now         int64    `json:"now"` // in Unix seconds; 0: unknown
}

// Card is a [cardext.Card] in JSON.
type Card struct {
	TakesCode   bool `json:"takes_code"`
	NeedsOpenID bool `json:"needs_openid"`
	FixTerm     bool `json:"fix_term"`
}

// Signed is a [cardext.Signed] in JSON.
type Signed struct {
	CardID    string `json:"card_id"`
	Code      string `json:"code"`
	OpenID    string `json:"openid"`
	NonceStr  string `json:"nonce_str"`
	Timestamp string `json:"timestamp"`
}

// Answer has either a Problem with the question or a report for each card.
type Answer struct {
	Problem string   `json:"problem,omitempty"`
	Cards   []Report `json:"cards,omitempty"`
}

// Report is a [cardext.Report] in JSON. It contains no ticket.
type Report struct {
	CardID    string    `json:"card_id"`
	Verifies  bool      `json:"verifies"`
	Findings  []Finding `json:"findings"` // the first cause first
	Values    []string  `json:"values"`
	Signature string    `json:"signature"`
	Timestamp int64     `json:"timestamp"` // in Unix seconds; 0: none
}

// Finding is a [cardext.Finding] in JSON.
type Finding struct {
	Cause  string `json:"cause"`
	Detail string `json:"detail"`
}

// The problems of a question.
const (
	ProblemEmpty         = "nothing_pasted"
	ProblemNotJSON       = "not_json"
	ProblemCardIDMissing = "card_id_missing"
	ProblemTooMany       = "too_many_cards"
)

// maxCards bounds the time that an answer takes: each card takes up to a second
// on a slow phone.
const maxCards = 10

// JSON answers a [Question] in JSON with an [Answer] in JSON. It is safe for
// concurrent use.
func JSON(question string) string {
	var q Question
	answer := Answer{Problem: ProblemEmpty}
	if json.Unmarshal([]byte(question), &q) == nil {
		answer = Explain(q)
	}
	text, _ := json.Marshal(answer) // cannot fail: it has texts and numbers only
	return string(text)
}

// Explain answers q. It takes up to 0.1 s for each card, several times that as
// WebAssembly. It is safe for concurrent use.
func Explain(q Question) Answer {
	text, cardID := strings.TrimSpace(q.Text), strings.TrimSpace(q.CardID)
	if text == "" {
		return Answer{Problem: ProblemEmpty}
	}
	items, readable := cardext.ReadItems(text)
	if len(items) > maxCards {
		return Answer{Problem: ProblemTooMany}
	}
	var answer Answer
	for _, item := range items {
		item.CardID = cmp.Or(item.CardID, cardID)
		if item.CardID == "" && readable {
			return Answer{Problem: ProblemCardIDMissing}
		}
		report := q.explain(item)
		if !readable && len(report.Findings) > 0 && report.Findings[0].Cause == cardext.CauseMalformed { // no known mistake is the reason
			return Answer{Problem: ProblemNotJSON}
		}
		answer.Cards = append(answer.Cards, report)
	}
	return answer
}

func (q Question) explain(item cardext.Item) Report {
	cardExt, isString := item.Ext()
	r := cardext.Explain(q.APITicket, item.CardID, cardExt, q.facts(!isString))
	out := Report{CardID: item.CardID, Verifies: r.Verifies, Values: r.Values, Signature: r.Signature}
	if r.Cause != "" {
		out.Findings = append(out.Findings, Finding{r.Cause, r.Detail})
	}
	for _, f := range r.Also {
		out.Findings = append(out.Findings, Finding(f))
	}
	if !r.Timestamp.IsZero() {
		out.Timestamp = r.Timestamp.Unix()
	}
	return out
}

func (q Question) facts(notString bool) cardext.Facts {
	f := cardext.Facts{
		NotString: notString, JSAPITicket: q.JSAPITicket, OldTickets: q.OldTickets, Signed: cardext.Signed(q.Signed),
	}
	if q.Card != nil {
		card := cardext.Card(*q.Card)
		f.Card = &card
	}
	if q.Now != 0 {
		f.Now = time.Unix(q.Now, 0)
	}
	return f
}
