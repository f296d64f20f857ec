package sheet_test

import (
	"encoding/csv"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/sheet"
)

func TestWriter_RunsNoTextAsAFormula(t *testing.T) {
	t.Parallel()
	dangerous := []string{
		"=1+1", "+1", "-1", "@SUM(A1)", "＝1", "＋1", "－1", "＠a", "﹢1", "﹦1", "﹣1", "﹫1", "−1", "\t=1", "\r=1", "\n=1", "\ttext", "\rtext",
		" =1", "\u3000@a", "\u00a0-1", "\"=1", "'=1", "“=1", " ' \"+1", "\u200b=1", "\ufeff=1", "\x00=1", "\u202e@a", "=", "@", "'", "'0123",
	}
	harmless := []string{
		"", "table 7", "金卡", "a=b", "1-2", "@\u200b"[1:], "\"quoted\"", " ", "门店,一号", "two\nlines", "é", "\ufffd", "a\tb",
	}
	var out strings.Builder
	w := sheet.NewWriter(&out)
	for _, cell := range slices.Concat(dangerous, harmless) {
		if err := w.Row(cell, int64(-5)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	got, err := csv.NewReader(strings.NewReader(out.String())).ReadAll()
	if err != nil || len(got) != len(dangerous)+len(harmless) {
		t.Fatalf("got %d rows, %v", len(got), err)
	}
	for i, row := range got {
		want := ""
		if i < len(dangerous) {
			want = "'" + dangerous[i]
		} else {
			want = harmless[i-len(dangerous)]
		}
		want = strings.ReplaceAll(want, "\r\n", "\n") // as csv.Reader reads them
		if row[0] != want || row[1] != "-5" {
			t.Errorf("got %q, want %q and a number", row, want)
		}
	}
}

type broken struct{}

var errBroken = errors.New("broken")

func (broken) Write([]byte) (int, error) { return 0, errBroken }

func TestWriter_FlushReturnsAnError(t *testing.T) {
	t.Parallel()
	w := sheet.NewWriter(broken{})
	if err := w.Row("cell"); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}
