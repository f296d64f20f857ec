package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// hostile are the characters with which a text could control a terminal, hide, or
// change what is read.
var hostile = []rune{
	'\x00', '\a', '\b', '\v', '\f', '\r', '\x1b', '\x7f', '\u0080', '\u0085', '\u009b', '\u009d', '\u009f', '\u00ad', '\u034f', '\u061c',
	'\u115f', '\u200b', '\u200c', '\u200d', '\u200e', '\u200f', '\u2028', '\u2029', '\u202a', '\u202b', '\u202c', '\u202d', '\u202e',
	'\u2060', '\u2066', '\u2067', '\u2068', '\u2069', '\u206f', '\u3164', '\ufeff', '\uffa0', '\U000e0001', '\U000e007f',
}

const harmless = "金卡 会员\u3000¥1.00 café ✓ 👍🏽 ❤️ (１２３) \ufffd"

func TestVisible_ReplacesWhatControlsATerminal(t *testing.T) {
	t.Parallel()
	for _, r := range hostile {
		if got := Visible("a" + string(r) + "b"); got != "a\ufffdb" {
			t.Errorf("%U: got %q", r, got)
		}
	}
	for text, want := range map[string]string{
		harmless: harmless, "": "", "a\nb\tc": "a b c", "\xff\x1b[2J": "\ufffd\ufffd[2J", "\x1b]0;title\a": "\ufffd]0;title\ufffd",
	} {
		if got := Visible(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestPrintf_OnlyTheFormatHasLineEnds(t *testing.T) {
	t.Parallel()
	type status string
	var out strings.Builder
	err := Printf(&out, "%s\t%s\t%v\t%d\n", "a\nb", status("c\td"), errors.New("e\x1bf\ng"), 7)
	if got, want := out.String(), "a b\tc d\te\ufffdf g\t7\n"; got != want || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestVisibleJSON_KeepsTheValue(t *testing.T) {
	t.Parallel()
	text := harmless + string(hostile)
	raw, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	shown := VisibleJSON(append(raw, "\r\n"...))
	var got string
	if err := json.Unmarshal(shown, &got); err != nil || got != text {
		t.Errorf("got %q, %v; want %q", got, err, text)
	}
	for _, r := range string(shown) {
		if r != '\n' && !isVisible(r) {
			t.Errorf("%U is not escaped", r)
		}
	}
}

func TestTerminal_PassesNothingThatControlsIt(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	in := "line\tcell\n" + harmless + string(hostile) + "\xc3\n"
	if n, err := (terminal{&out}).Write([]byte(in)); n != len(in) || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	want := "line\tcell\n" + harmless + strings.Repeat("\ufffd", len(hostile)+1) + "\n"
	if got := out.String(); got != want || !utf8.ValidString(got) {
		t.Errorf("got %q, want %q", got, want)
	}
}
