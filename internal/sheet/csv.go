package sheet

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Writer writes rows of cells as CSV.
type Writer struct{ csv *csv.Writer }

// NewWriter returns a Writer to w. The caller must call Flush.
func NewWriter(w io.Writer) *Writer { return &Writer{csv.NewWriter(w)} }

// Row adds a row; see the type Row. A text that a spreadsheet would take for a formula
// gets an apostrophe in front.
func (w *Writer) Row(cells ...any) error {
	row := make([]string, len(cells))
	for i, cell := range cells {
		switch cell := cell.(type) {
		case int64:
			row[i] = strconv.FormatInt(cell, 10)
		case Fen:
			row[i] = cell.yuan()
		case string:
			row[i] = escapeFormula(cell)
		case time.Time:
			row[i] = formatTime(cell)
		default:
			panic(unknownCell)
		}
	}
	return w.csv.Write(row)
}

// Flush writes what is buffered. It returns the first error of the Writer.
func (w *Writer) Flush() error {
	w.csv.Flush()
	return w.csv.Error()
}

// signs begin a formula. Spreadsheets for Chinese read the full-width and the small
// forms as the others.
const signs = "=+-@＝＋－＠﹦﹢﹣﹫−"

// escapeFormula disarms a text from outside, such as an outer_str or an errmsg.
// Some spreadsheets skip what is in front of a sign, or drop it when the file is
// imported: blanks, quotes and characters that are not visible. A text that begins with
// an apostrophe gets another, so that a Reader knows which one is its own.
func escapeFormula(cell string) string {
	skipped := func(r rune) bool {
		return !unicode.IsGraphic(r) || unicode.IsSpace(r) || strings.ContainsRune("'\"`‘’“”", r)
	}
	first, _ := utf8.DecodeRuneInString(strings.TrimLeftFunc(cell, skipped))
	switch {
	case cell == "":
		return cell
	case unicode.IsControl(rune(cell[0])), strings.HasPrefix(trim(cell), "'"), first != utf8.RuneError && strings.ContainsRune(signs, first):
		return "'" + cell
	}
	return cell
}
