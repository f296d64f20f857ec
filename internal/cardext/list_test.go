package cardext_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

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
		items, _ := cardext.ReadItems(text)
		for _, i := range items {
			cardExt, isString := i.Ext()
			got = append(got, read{i.CardID, cardExt, isString})
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %+v, want %+v", text, got, want)
		}
	}
}

// What consoles and the JS-SDK print is read like the JSON that it stands for.
func TestReadItems_ReadsWhatConsolesPrint(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{code: '123', timestamp: 1700000000, nonce_str: "abc",}`:         `{"code":"123","timestamp":1700000000,"nonce_str":"abc"}`,
		`[{cardId: 'p1', cardExt: '{"timestamp":1,"code":"2"}'}]`:         `[{"cardId":"p1","cardExt":"{\"timestamp\":1,\"code\":\"2\"}"}]`,
		"{\n  cardList: [\n    { cardId: 'p1', cardExt: '{}' },\n  ],\n}": `{"cardList":[{"cardId":"p1","cardExt":"{}"}]}`,
		`'[{"cardId":"p1","cardExt":"{\\"timestamp\\":1}"}]'`:             `[{"cardId":"p1","cardExt":"{\"timestamp\":1}"}]`,
		`{cardId: 'p1', cardExt: {a$_1 : true, b:[1,2,] , } }`:            `{"cardId":"p1","cardExt":{"a$_1":true,"b":[1,2]}}`,
		`[{"card_id":"p1","card_ext":"{}"}]`:                              `[{"cardId":"p1","cardExt":"{}"}]`,
		`{"card_list":[{"card_id":"p1","card_ext":"{}"}]}`:                `[{"cardId":"p1","cardExt":"{}"}]`,
		`{card_id: 'p1', card_ext: '{"openid":""}'}`:                      `{"cardId":"p1","cardExt":"{\"openid\":\"\"}"}`,
		// What is in strings stays, whatever it looks like.
		`{a: ',}', b: ' c: ', d: "e',]", f: 'g\'h"i\\', j: '\u5e97店'}`: `{"a":",}","b":" c: ","d":"e',]","f":"g'h\"i\\","j":"店店"}`,
	} {
		got, readable := cardext.ReadItems(text)
		as, _ := cardext.ReadItems(want)
		if !readable || !same(got, as) {
			t.Errorf("%s: %v %s, want %s", text, readable, got, as)
		}
	}
}

// same reports whether items are equal; a cardExt may be spaced differently.
func same(a, b []cardext.Item) bool {
	return slices.EqualFunc(a, b, func(a, b cardext.Item) bool {
		return a.CardID == b.CardID && shown(a) == shown(b)
	})
}

func shown(i cardext.Item) string {
	text, isString := i.Ext()
	var v any
	_ = json.Unmarshal([]byte(text), &v)
	return fmt.Sprint(isString, v)
}

func TestReadItems_SaysWhatItCannotRead(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "签名错误", "wx.addCard({})", "{", `{"a":1`, "{a: '1}", `{a: "1'}`, "{a: '\\x41'}", "{a: 1 b: 2}", "{a: undefined}", "{a: 1,,}", "{“a”: 1}",
		"[{cardId: 'p', cardExt: …}]", `{"outer_str":"{"a":1}"}`, "[object Object]", "'", `"`, "'{'", `{a: '\`, "const a = {a: 1}",
	} {
		items, readable := cardext.ReadItems(text)
		if cardExt, isString := items[0].Ext(); readable || len(items) != 1 || !isString || cardExt != text {
			t.Errorf("%s: read as %s", text, items)
		}
	}
}

// JSON is read as it was before literals could be read.
func FuzzReadItems_ReadsJSONAsItIs(f *testing.F) {
	for _, text := range []string{
		`{"cardList":[{"cardId":"p1","cardExt":"{}"}]}`, `[null]`, `{"cardId":"p","cardExt":"{\"a\":\"b,}'\"}","a":[1 , -2.5e3]}`,
		`"{\"a\":1}"`, "{a: 'b', c: [1,],}", `{"a":"\u0027:\\"}`, `{a: 'b\`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		items, readable := cardext.ReadItems(text)
		if len(items) == 0 {
			t.Error("no item")
		}
		for _, i := range items {
			if cardExt, isString := i.Ext(); !isString && cardExt != "" && !json.Valid([]byte(cardExt)) {
				t.Errorf("%q is neither a string nor JSON", cardExt)
			}
		}
		if !json.Valid([]byte(text)) {
			return
		}
		if as := cardext.FromLiteral(text); !readable || as != text {
			t.Errorf("%q became %q", text, as)
		}
	})
}

// A string is read as JavaScript reads it, whatever is in it.
func FuzzReadItems_KeepsStrings(f *testing.F) {
	f.Add(`it's ,} "a": \ 店`)
	f.Fuzz(func(t *testing.T, value string) {
		if !utf8.ValidString(value) {
			return
		}
		inDouble, _ := json.Marshal(value)
		inSingle := strings.ReplaceAll(strings.ReplaceAll(string(inDouble[1:len(inDouble)-1]), `\"`, `"`), "'", `\'`)
		items, readable := cardext.ReadItems("{cardId: 'p', cardExt: '" + inSingle + "',}")
		if cardExt, isString := items[0].Ext(); !readable || !isString || cardExt != value {
			t.Errorf("%s: got %q, want %q", inSingle, cardExt, value)
		}
	})
}
