package console

import (
	"cmp"
	"net/http"
	"strings"
	"time"

	"github.com/addcard/addcard/internal/cardext"
)

// signedCard is an item of a cardList, with what the API says about it.
type signedCard struct {
	cardext.Item

	Report report
}

// report is an answer of POST /v1/explain.
type report struct {
	finding

	Verifies  bool      `json:"verifies"`
	Also      []finding `json:"also"`
	Values    []string  `json:"values"`
	Timestamp time.Time `json:"timestamp"`
}

type finding struct {
	Cause  string `json:"cause"`
	Detail string `json:"detail"`
}

// Findings returns all that is wrong, the first cause first.
func (r report) Findings() []finding {
	if r.Cause == "" {
		return nil
	}
	return append([]finding{r.finding}, r.Also...)
}

// Joined returns the text that should have been hashed, with the ticket masked.
func (r report) Joined() string { return strings.Join(r.Values, "") }

// signedFields are the values of a cardExt that the form asks for beside it.
var signedFields = []string{"code", "openid", "nonce_str", "timestamp", "card_id"}

// exampleList is an example of WeChat's documentation in which the keys were sorted.
const exampleList = `{"cardList":[{"cardId":"pjZ8Yt1XGILfi-FUsewpnnolGgZk","cardExt":"{\"code\":\"1434008071\",` +
	`\"timestamp\":1404896688,\"nonce_str\":\"123\",\"signature\":\"51deb509ad5b93968c4d5789d0c7f30f4368fd62\"}"}]}`

// explained is what the page of /explain shows.
type explained struct {
	Text, CardID string // as they were pasted
	Signed       [][2]string
	Example      string
	Cards        []signedCard
}

// explained returns the page with what the form has.
func (r *request) explained() explained {
	data := explained{Text: strings.TrimSpace(r.PostForm("text")), CardID: strings.TrimSpace(r.PostForm("card_id")), Example: exampleList}
	for _, name := range signedFields {
		data.Signed = append(data.Signed, [2]string{name, strings.TrimSpace(r.PostForm("signed_" + name))})
	}
	return data
}

// explainPage asks for a cardExt or a cardList.
func (c *Console) explainPage(r *request) error {
	data := r.explained()
	r.offer(http.MethodPost, "/v1/explain", "", map[string]string{"card_id": "p…", "cardExt": "{…}"})
	return r.render(http.StatusOK, "explain", data)
}

// explain says what is wrong with each cardExt that was pasted.
func (c *Console) explain(r *request) error {
	data := r.explained()
	items, readable := cardext.ReadItems(data.Text)
	for _, item := range items {
		data.Cards = append(data.Cards, signedCard{Item: item})
	}
	const most = 10 // as many as a mini-program asks for
	switch {
	case data.Text == "":
		return r.again(invalid("nothing_pasted"), c.explainPage)
	case len(data.Cards) > most:
		return r.again(invalid("too_many_cards"), c.explainPage)
	}
	signed := map[string]string{}
	for _, field := range data.Signed {
		if field[1] != "" {
			signed[field[0]] = field[1]
		}
	}
	for i := range data.Cards {
		card := &data.Cards[i]
		card.CardID = cmp.Or(card.CardID, data.CardID)
		switch {
		case card.CardID != "":
		case readable:
			return r.again(invalid("card_id_missing"), c.explainPage)
		default:
			return r.again(invalid("not_json"), c.explainPage)
		}
		body := map[string]any{"card_id": card.CardID, "cardExt": card.CardExt, "signed": signed}
		if err := r.call(http.MethodPost, "/v1/explain", nil, body, &card.Report); err != nil {
			return r.again(err, c.explainPage)
		}
		if !readable && card.Report.Cause == cardext.CauseMalformed { // no known mistake is the reason
			return r.again(invalid("not_json"), c.explainPage)
		}
	}
	return r.render(http.StatusOK, "explain", data)
}
