package explain_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/addcard/addcard/web/explain"
)

// example is one of package cardext's examples.
type example struct {
	Causes   []string
	Verifies bool
	Question explain.Question
}

func examples(t testing.TB) (list []example) {
	t.Helper()
	text, err := os.ReadFile("../../internal/cardext/testdata/contract/examples.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	if len(list) < 80 {
		t.Fatalf("only %d examples", len(list))
	}
	return list
}

func TestJSON_NamesTheCausesOfEachExample(t *testing.T) {
	t.Parallel()
	for _, e := range examples(t) {
		question, err := json.Marshal(e.Question)
		if err != nil {
			t.Fatal(err)
		}
		text := explain.JSON(string(question))
		var got explain.Answer
		if err := json.Unmarshal([]byte(text), &got); err != nil || len(got.Cards) != 1 || got.Problem != "" {
			t.Fatalf("%s: %v", text, err)
		}
		causes := []string{}
		for _, f := range got.Cards[0].Findings {
			causes = append(causes, f.Cause)
		}
		if !slices.Equal(causes, e.Causes) || got.Cards[0].Verifies != e.Verifies {
			t.Errorf("%s: %s, want %v verifies %v", question, text, e.Causes, e.Verifies)
		}
		for _, secret := range append(e.Question.OldTickets, e.Question.APITicket, e.Question.JSAPITicket) {
			if secret != "" && strings.Contains(text, secret) {
				t.Errorf("a ticket is in %s", text)
			}
		}
	}
}

const (
	ticket = "ojZ8YtyVyr30HheH3CM73y7h4jJE"
	right  = `{"code":"1434008071","timestamp":1404896688,"nonce_str":"123","signature":"f137ab68b7f8112d20ee528ab6074564e2796250"}`
	cardID = "pjZ8Yt1XGILfi-FUsewpnnolGgZk"
)

func TestExplain_ShowsWhatIsHashedAndTheRightSignature(t *testing.T) {
	t.Parallel()
	got := explain.Explain(explain.Question{Text: "\n" + right, CardID: " " + cardID, APITicket: ticket})
	if len(got.Cards) != 1 || !got.Cards[0].Verifies {
		t.Fatalf("%+v", got)
	}
	card := got.Cards[0]
	if want := []string{"123", "1404896688", "1434008071", "***", cardID}; !slices.Equal(card.Values, want) {
		t.Errorf("values %q, want %q", card.Values, want)
	}
	if card.Signature != "f137ab68b7f8112d20ee528ab6074564e2796250" || card.Timestamp != 1404896688 || card.CardID != cardID {
		t.Errorf("%+v", card)
	}
}

func TestExplain_OfTwoCardsOneIsWrong(t *testing.T) {
	t.Parallel()
	list, err := json.Marshal([]map[string]string{{"cardId": cardID, "cardExt": right}, {"cardId": "pOther", "cardExt": right}})
	if err != nil {
		t.Fatal(err)
	}
	got := explain.Explain(explain.Question{Text: string(list), APITicket: ticket, Signed: explain.Signed{CardID: cardID}})
	if len(got.Cards) != 2 || !got.Cards[0].Verifies || got.Cards[1].Findings[0].Cause != "card_id_differs" {
		t.Errorf("%+v", got)
	}
}

// What a console printed, or the JS-SDK sent, is explained like the JSON.
func TestExplain_ReadsWhatConsolesPrint(t *testing.T) {
	t.Parallel()
	literal := strings.NewReplacer(`"code"`, "code", `"123"`, "'123'", "}", ",}").Replace(right)
	for _, text := range []string{
		literal,
		"[{cardId: '" + cardID + "', cardExt: '" + right + "'}]",
		"[{card_id: '" + cardID + "', card_ext: '" + right + "'}]",
		"{card_list: [{card_id: '" + cardID + "', card_ext: '" + right + "'}]}",
	} {
		got := explain.Explain(explain.Question{Text: text, CardID: cardID, APITicket: ticket})
		if len(got.Cards) != 1 || !got.Cards[0].Verifies || got.Cards[0].CardID != cardID {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

func TestExplain_SaysWhatIsWrongWithTheQuestion(t *testing.T) {
	t.Parallel()
	item := `{"cardId":"p","cardExt":"{}"}`
	for text, want := range map[string]string{
		" \n":                    explain.ProblemEmpty,
		right:                    explain.ProblemCardIDMissing,
		`[{"cardExt":"{}"}]`:     explain.ProblemCardIDMissing,
		"wx.addCard({})":         explain.ProblemNotJSON,
		"{":                      explain.ProblemNotJSON,
		right[:40]:               explain.ProblemNotJSON,
		"{code: '1'}":            explain.ProblemCardIDMissing,
		"签名错误":                   explain.ProblemNotJSON,
		`{"outer_str":"{"a":1}"`: "",
		"[object Object]":        "",
		item:                     "",
		"[" + strings.Repeat(item+",", 9) + item + "]":  "",
		"[" + strings.Repeat(item+",", 10) + item + "]": explain.ProblemTooMany,
	} {
		got := explain.Explain(explain.Question{Text: text})
		if got.Problem != want || (got.Problem == "") == (len(got.Cards) == 0) {
			t.Errorf("%s: %+v, want the problem %q", text, got, want)
		}
	}
	if got := explain.Explain(explain.Question{Text: right[:40], CardID: cardID}); got.Problem != explain.ProblemNotJSON {
		t.Errorf("cut off: %+v", got)
	}
	if got := explain.JSON("{"); got != `{"problem":"nothing_pasted"}` {
		t.Error(got)
	}
}

func FuzzExplain_NeverPanicsNorTellsATicket(f *testing.F) {
	for _, e := range examples(f) {
		f.Add(e.Question.Text, e.Question.CardID)
	}
	f.Fuzz(func(t *testing.T, text, cardID string) {
		if strings.Contains(cardID, ticket) || strings.Contains(text, ticket) {
			return // the answer quotes what was pasted, which has the ticket itself
		}
		answer := explain.Explain(explain.Question{Text: text, CardID: cardID, APITicket: ticket, Now: 1700000000})
		if (answer.Problem == "") == (len(answer.Cards) == 0) {
			t.Errorf("%+v", answer)
		}
		if raw, err := json.Marshal(answer); err != nil || strings.Contains(string(raw), ticket) {
			t.Errorf("%s: %v", raw, err)
		}
	})
}
