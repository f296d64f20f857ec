package cardext_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/addcard/addcard/internal/cardext"
)

func TestReadItems_FindsThemInWhateverWasPasted(t *testing.T) {
	t.Parallel()
	const item = `{"cardId":"p1","cardExt":"{\"timestamp\":1}"}`
	type read struct {
		cardID, cardExt string
		isString        bool
	}
	good := read{"p1", `{"timestamp":1}`, true}
	for text, want := range map[string][]read{
		`{"cardList":[` + item + `]}`:                      {good},
		`{"cardList":[` + item + `],"success":1}`:          {good},
		"\n[" + item + "," + item + "] ":                   {good, good},
		item:                                               {good},
		`{"cardId":"p1","cardExt":{"timestamp":1}}`:        {{"p1", `{"timestamp":1}`, false}},
		`[{"cardId":"p1","cardExt":null},{"cardId":"p1"}]`: {{"p1", "null", false}, {"p1", "", false}},
		`{"timestamp":1}`:                                  {{"", `{"timestamp":1}`, true}},
		`{"cardList":[]}`:                                  {{"", `{"cardList":[]}`, true}},
		"{\"outer_str\":\"{\"a\":1}\"}":                    {{"", "{\"outer_str\":\"{\"a\":1}\"}", true}},
		"":                                                 {{"", "", true}},
		"[object Object]":                                  {{"", "[object Object]", true}},
	} {
		var got []read
		for _, i := range cardext.ReadItems(text) {
			cardExt, isString := i.Ext()
			got = append(got, read{i.CardID, cardExt, isString})
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

func FuzzReadItems_NeverPanics(f *testing.F) {
	f.Add(`{"cardList":[{"cardId":"p1","cardExt":"{}"}]}`)
	f.Add(`[null]`)
	f.Fuzz(func(t *testing.T, text string) {
		items := cardext.ReadItems(text)
		if len(items) == 0 {
			t.Error("no item")
		}
		for _, i := range items {
			if cardExt, isString := i.Ext(); !isString && cardExt != "" && !json.Valid([]byte(cardExt)) {
				t.Errorf("%q is neither a string nor JSON", cardExt)
			}
		}
	})
}
