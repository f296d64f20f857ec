package cardext_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/addcard/addcard/internal/cardext"
	"github.com/addcard/addcard/internal/testing/golden"
)

// example is a test of Explain as the explainer's page asks it. The tests of the
// page read the file in testdata/contract.
type example struct {
	Causes   []string `json:"causes"` // that must be named, in this order
	Verifies bool     `json:"verifies"`
	Question question `json:"question"`
}

type question struct {
	Text        string        `json:"text,omitzero"`
	APITicket   string        `json:"api_ticket,omitzero"`
	JSAPITicket string        `json:"jsapi_ticket,omitzero"`
	OldTickets  []string      `json:"old_tickets,omitzero"`
	Card        *exampleCard  `json:"card,omitzero"`
	Signed      exampleSigned `json:"signed,omitzero"`
	Now         int64         `json:"now,omitzero"`
}

type exampleCard struct {
	TakesCode   bool `json:"takes_code,omitzero"`
	NeedsOpenID bool `json:"needs_openid,omitzero"`
	FixTerm     bool `json:"fix_term,omitzero"`
}

type exampleSigned struct {
	CardID    string `json:"card_id,omitzero"`
	Code      string `json:"code,omitzero"`
	OpenID    string `json:"openid,omitzero"`
	NonceStr  string `json:"nonce_str,omitzero"`
	Timestamp string `json:"timestamp,omitzero"`
}

// TestExplain_ContractExamples writes and checks the tests of Explain for the
// tests of the page, which are not in Go. The causes are stable.
func TestExplain_ContractExamples(t *testing.T) {
	t.Parallel()
	list := []example{newExample(explainTest{cardExt: plain().signedRight(ticket, cardID, seconds, nonce)}, "")}
	for _, tt := range explainTests {
		if utf8.ValidString(tt.cardExt) { // JSON cannot carry another
			list = append(list, newExample(tt, ticket))
		}
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(list); err != nil {
		t.Fatal(err)
	}
	golden.Contract(t, "examples.json", text.String())
}

func newExample(tt explainTest, apiTicket string) example {
	f := tt.known()
	f.Now = cmp.Or(f.Now, time.Unix(when, 0))
	report := cardext.Explain(apiTicket, cardID, tt.cardExt, f)
	e := example{Causes: []string{}, Verifies: report.Verifies}
	if report.Cause != "" {
		e.Causes = append(e.Causes, report.Cause)
	}
	for _, also := range report.Also {
		e.Causes = append(e.Causes, also.Cause)
	}
	var cardExt any = tt.cardExt
	if f.NotString {
		cardExt = json.RawMessage(tt.cardExt)
	}
	item, _ := json.Marshal(map[string]any{"cardId": cardID, "cardExt": cardExt}) // cannot fail
	e.Question = question{
		Text: string(item), APITicket: apiTicket, JSAPITicket: f.JSAPITicket, OldTickets: f.OldTickets,
		Card: (*exampleCard)(f.Card), Signed: exampleSigned(f.Signed), Now: f.Now.Unix(),
	}
	return e
}
