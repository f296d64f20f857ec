// Package sheet writes tables that are opened with a spreadsheet, as CSV or XLSX: no
// text in them is run as a formula, and none that looks like a number becomes one in
// XLSX. It does not read them.
package sheet

import (
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

// Row adds a row to a file. A cell is a number, an int64; a text, a string; or a
// moment in its zone, a time.Time, of which the zero value is an empty cell.
type Row func(cells ...any) error

// Write writes a file with the rows that fill adds, of which the first is the head. If
// fill returns an error, the file is not completed, and Write returns the error. CSV is
// written to w row by row. XLSX is kept in a temporary file and written at the end.
func Write(w io.Writer, f Format, fill func(Row) error) error {
	if f == XLSX {
		return writeBook(w, rowsPerSheet, fill)
	}
	// Without a byte order mark spreadsheets misread Chinese.
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	csv := NewWriter(w)
	if err := fill(csv.Row); err != nil {
		return err
	}
	return csv.Flush()
}

// formatTime returns a moment as text, to the second.
func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339)
}

// unknownCell is what a Row panics with.
const unknownCell = "sheet: a cell is an int64, a string or a time.Time"
