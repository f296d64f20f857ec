package sheet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	// MaxSize is the size of the largest file, in bytes.
	MaxSize = 128 << 20
	// maxLine is the length of the longest line of a text, and of the longest record of a
	// CSV, in bytes of UTF-8.
	maxLine = 64 << 10
	// maxColumns is the largest number of columns.
	maxColumns = 256
)

// Column is a column that a Reader looks for.
type Column struct {
	Name string   // the column's name for programs, such as phone; it is a heading too
	Also []string // other headings that people use, such as 手机号
}

// Options say what to read.
type Options struct {
	// Columns are the columns that are read. All others are ignored.
	Columns []Column
	// Headings has for the name of a column its heading in the file, which then is its
	// only one. A number, such as 2, is the number of a column in a file without headings.
	Headings map[string]string
	// Only is the name of the column that a file of one column has if its first line is
	// no heading. Without it a file must have headings.
	Only string
	// Sheet is the name of the sheet of a workbook; the first visible one by default.
	Sheet string
}

// Line is a line of a table: a record of a CSV, an object of JSON lines, or a row of a
// sheet.
type Line struct {
	// Number is the number of the line in the file, from 1; of a record of several lines
	// that of the first.
	Number int
	// Values has for the names of the columns what the line has in them. A column without
	// a value is "" or absent.
	Values map[string]string
}

// LineError says why a line cannot be read. The lines after it can. Its text has nothing
// of the line's values.
type LineError struct {
	Line   int
	Column string // the heading in the file; "" if the whole line is wrong
	Cell   string // in a workbook the name of the cell, such as C7
	Reason string
}

// Error returns the line, the column and the reason.
func (e *LineError) Error() string {
	switch {
	case e.Cell != "":
		return fmt.Sprintf("line %d, column %s (%s): it %s", e.Line, e.Column, e.Cell, e.Reason)
	case e.Column != "":
		return fmt.Sprintf("line %d, column %s: it %s", e.Line, e.Column, e.Reason)
	}
	return fmt.Sprintf("line %d %s", e.Line, e.Reason)
}

// FileError says why a file cannot be read any further. Its text has nothing of the
// file's values.
type FileError struct {
	Line   int // where; 0 for the whole file
	Reason string
	// Unclear reports that it is unclear which columns the file has: Options.Headings and
	// Options.Sheet can say it.
	Unclear bool
}

// Error returns the line, if any, and the reason.
func (e *FileError) Error() string {
	if e.Line == 0 {
		return "the file " + e.Reason
	}
	return fmt.Sprintf("line %d %s", e.Line, e.Reason)
}

// Reader reads a table from a file that a person has: CSV, JSON lines or XLSX, which it
// recognises by the content. It needs little memory: of a CSV or JSON lines one line, of
// a workbook its shared texts. A Reader is not safe for concurrent use.
//
// A text is UTF-8, UTF-16 or GBK (GB18030). The separator of a CSV is a comma, a
// semicolon or a tab. Of a workbook one sheet is read, with its hidden rows and columns.
//
// Headings are compared without regard to case, width, spaces, hyphens and underscores,
// to a * and to what is in parentheses at the end. Lines with one cell above the headings
// are titles, and skipped. So are lines without a value.
//
// Values have no white space and no invisible characters around them, and no zero-width
// spaces and marks of direction (U+202A…) in them. In CSV an apostrophe that keeps a text
// from becoming a formula or a number is removed, as is ="…". A value that a spreadsheet
// has spoiled, such as 1.38E+10 or #N/A, is a LineError.
type Reader struct {
	lines  lines
	ended  error // by which the lines ended
	sheets []string
}

// lines are the lines of a table.
type lines interface {
	next() (Line, error)
	ignored() []string
	headings() map[string]string
}

// NewReader returns a Reader of the size bytes of in. It checks the encoding of the
// whole file, and finds the columns. The error is a FileError or one of in.
func NewReader(in io.ReaderAt, size int64, o Options) (*Reader, error) {
	if size > MaxSize {
		return nil, &FileError{Reason: fmt.Sprintf("is larger than %d MiB", MaxSize>>20)}
	}
	head := make([]byte, min(size, 4096))
	if _, err := in.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	if bytes.HasPrefix(head, []byte("PK")) {
		return newBookReader(in, size, o)
	}
	if reason := foreign(head); reason != "" {
		return nil, &FileError{Reason: reason}
	}
	text, err := newText(io.NewSectionReader(in, 0, size), head)
	if err != nil {
		return nil, err
	}
	first, err := text.first()
	if err != nil {
		return nil, err
	}
	if reason := foreign(first); reason != "" {
		return nil, &FileError{Reason: reason}
	}
	r := &Reader{}
	if first[0] == '{' {
		r.lines = newObjects(text, o)
	} else {
		r.lines, err = newTable(newRecords(text), o)
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

// foreign returns what a file is that has no table for a Reader, by its first bytes.
func foreign(head []byte) string {
	for _, f := range []struct{ magic, reason string }{
		{"\xd0\xcf\x11\xe0", "is an old Excel file (.xls), or a workbook with a password: save it as .xlsx without a password"},
		{"%PDF", "is a PDF: export the table as .xlsx or .csv"},
		{"{\\rtf", "is a text with formats (RTF): save it as .xlsx or .csv"},
		{"<", "is a web page (HTML) or XML, whatever its name is: open it with a spreadsheet and save it as .xlsx"},
		{"[", "is a JSON array: write one JSON object on each line"},
		{"\x1f\x8b", "is compressed (gzip): unpack it first"},
		{"Rar!", "is compressed (RAR): unpack it first"},
		{"7z\xbc\xaf", "is compressed (7z): unpack it first"},
		{"SQLite format 3", "is a database (SQLite): export the table as .csv"},
		{"\x89PNG", "is a picture"}, {"\xff\xd8\xff", "is a picture"}, {"GIF8", "is a picture"},
	} {
		if bytes.HasPrefix(head, []byte(f.magic)) {
			return f.reason
		}
	}
	return ""
}

// Next returns the next line. The error is io.EOF at the end, a LineError, after which
// the next call returns the next line, or another, after which each call returns it.
func (r *Reader) Next() (Line, error) {
	if r.ended != nil {
		return Line{}, r.ended
	}
	line, err := r.lines.next()
	var bad *LineError
	if err != nil && !errors.As(err, &bad) {
		r.ended = err
	}
	return line, err
}

// Headings returns the headings of the columns that are read, by their names; of JSON
// lines, the keys of the lines so far.
func (r *Reader) Headings() map[string]string { return r.lines.headings() }

// Ignored returns the headings of the columns that are not read; of JSON lines, those of
// the lines so far.
func (r *Reader) Ignored() []string { return slices.Clone(r.lines.ignored()) }

// OtherSheets returns the names of the visible sheets that are not read.
func (r *Reader) OtherSheets() []string { return slices.Clone(r.sheets) }
