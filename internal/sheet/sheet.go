// Package sheet writes tables that are opened with a spreadsheet, as CSV or XLSX: no
// text in them is run as a formula, and none that looks like a number becomes one in
// XLSX. It also reads them, as people have made them.
package sheet

import (
	"cmp"
	"fmt"
	"io"
	"time"
)

// Format is a format of files.
type Format string

// The formats.
const (
	CSV  Format = "csv"
	XLSX Format = "xlsx"
)

// ContentType returns the format's media type.
func (f Format) ContentType() string {
	if f == XLSX {
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	}
	return "text/csv; charset=utf-8"
}

// File is a file to write: for programs, or with Words for people.
type File struct {
	Format Format
	// Words has for a heading, and for each Key, the text that people read. What has
	// none stays. The text of "sheet" is the name of the sheet.
	Words map[string]string
}

// Key is a text for programs, of which Words may have another for people.
type Key string

// Fen is an amount in fen. In a file for people it is in yuan, with two decimals.
type Fen int64

// Row adds a row to a file. A cell is a number, an int64; a Fen; a text, a string; a
// Key; or a moment in its zone, a time.Time, of which the zero value is an empty cell.
type Row func(cells ...any) error

// Write writes a file with the rows that fill adds, of which the first is the head: its
// texts are keys. If fill returns an error, the file is not completed, and Write returns
// the error. CSV is written to w row by row. XLSX is kept in a temporary file and
// written at the end.
func Write(w io.Writer, f File, fill func(Row) error) error {
	if f.Format == XLSX {
		return writeBook(w, f.Words["sheet"], rowsPerSheet, func(add Row) error { return fill(f.row(add)) })
	}
	// Without a byte order mark spreadsheets misread Chinese.
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	csv := NewWriter(w)
	if err := fill(f.row(csv.Row)); err != nil {
		return err
	}
	return csv.Flush()
}

// row returns a Row that adds with add what is for the readers of the file.
func (f File) row(add Row) Row {
	head := true
	return func(cells ...any) error {
		shown := make([]any, len(cells))
		for i, cell := range cells {
			switch c := cell.(type) {
			case string:
				if shown[i] = c; head {
					shown[i] = f.word(c)
				}
			case Key:
				shown[i] = f.word(string(c))
			case Fen:
				if shown[i] = c; f.Words == nil {
					shown[i] = int64(c)
				}
			default:
				shown[i] = cell
			}
		}
		head = false
		return add(shown...)
	}
}

func (f File) word(key string) string { return cmp.Or(f.Words[key], key) }

// yuan returns an amount in yuan, with all of its digits.
func (fen Fen) yuan() string {
	text := fmt.Sprintf("%03d", int64(fen))
	if fen < 0 {
		text = fmt.Sprintf("%04d", int64(fen)) // the sign counts
	}
	return text[:len(text)-2] + "." + text[len(text)-2:]
}

// formatTime returns a moment as text, to the second.
func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// unknownCell is what a Row panics with.
const unknownCell = "sheet: a cell is an int64, a Fen, a string, a Key or a time.Time"
