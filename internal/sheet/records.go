package sheet

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// row is a row of a table, or the headings. A row without cells is blank.
type row struct {
	line   int
	cells  []cell
	fields int // the number of fields of a CSV, in which each row has all; else 0
}

// last returns the number of the last cell that is not empty.
func (r row) last() int {
	for i := len(r.cells); i > 0; i-- {
		if r.cells[i-1] != (cell{}) {
			return i
		}
	}
	return 0
}

// filled returns the number of cells that are not empty.
func (r row) filled() (n int) {
	for _, c := range r.cells {
		if c != (cell{}) {
			n++
		}
	}
	return n
}

// rows are the rows of a table, with the headings.
type rows interface {
	next() (row, error)
}

// records are the rows of a CSV.
type records struct {
	text   *text
	record strings.Reader // the lines of the record that csv reads
	csv    *csv.Reader
	comma  rune // 0 until a line has one
}

func newRecords(text *text) *records { return &records{text: text} }

var (
	// separator is the line with which a file tells a spreadsheet its separator.
	separator = regexp.MustCompile(`^sep=([,;\t])$`)
	// quoted is a part of a record in which a separator is text.
	quoted = regexp.MustCompile(`"[^"]*"`)
	// bare is a field ="…" that is not quoted.
	bare = regexp.MustCompile(`(^|[,;\t])="([^"\n]*)"`)
)

// next returns the next record.
func (r *records) next() (row, error) {
	record, line, err := r.join()
	if err != nil || trim(record) == "" {
		return row{line: line}, err
	}
	if r.comma == 0 {
		if sep := separator.FindStringSubmatch(record); sep != nil {
			r.comma = rune(sep[1][0])
			return row{line: line}, nil
		}
		r.choose(record)
	}
	fields, err := r.parse(record)
	if err != nil && strings.Contains(record, `="`) {
		fields, err = r.parse(bare.ReplaceAllString(record, `$1"=""$2"""`))
	}
	if err != nil {
		return row{}, &FileError{Line: line, Reason: `has a quote (") inside of a field: put the field into quotes, and double the quote`}
	}
	out := row{line: line, cells: make([]cell, len(fields)), fields: len(fields)}
	for i, field := range fields {
		out.cells[i].text = trim(unwrap(field))
	}
	if out.last() > maxColumns {
		return row{}, tooWide(line)
	}
	return out, nil
}

// join returns the lines of a record, and the number of the first. A line in which a
// quote is open goes on: quotes in quotes are doubled, so the number of all is odd.
func (r *records) join() (record string, line int, err error) {
	record, err = r.text.next()
	line = r.text.number
	for quotes := strings.Count(record, `"`); err == nil && quotes%2 == 1; {
		var more string
		more, err = r.text.next()
		if errors.Is(err, io.EOF) || len(record)+len(more) > maxLine {
			return "", line, &FileError{Line: line, Reason: `has a quote (") that is not closed`}
		}
		quotes += strings.Count(more, `"`)
		record += "\n" + more
	}
	return record, line, err
}

// choose chooses the separator by a record.
func (r *records) choose(record string) {
	record, most := quoted.ReplaceAllString(record, ""), 0
	for _, c := range ",\t;" {
		if n := strings.Count(record, string(c)); n > most {
			r.comma, most = c, n
		}
	}
}

func (r *records) parse(record string) ([]string, error) {
	comma := cmp.Or(r.comma, ',')
	if r.csv == nil || r.csv.Comma != comma {
		r.csv = csv.NewReader(&r.record)
		r.csv.Comma, r.csv.FieldsPerRecord, r.csv.ReuseRecord = comma, -1, true
	}
	r.record.Reset(record + "\n")
	fields, err := r.csv.Read()
	if err != nil {
		r.csv = nil // it may keep a part of the record
	}
	return fields, err
}

func tooWide(line int) error {
	return &FileError{Line: line, Reason: fmt.Sprintf("has more than %d columns", maxColumns)}
}
