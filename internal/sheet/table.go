package sheet

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
)

// mostTitles is the largest number of lines above the headings.
const mostTitles = 5

// table is the lines of rows below headings.
type table struct {
	rows    rows
	pending []row // that were read in search of the headings
	columns []tableColumn
	unknown []string
	width   int // the number of columns with a heading, or of numbered ones
	fields  int // the number of fields of the headings
}

// tableColumn is a column that is read.
type tableColumn struct {
	at            int // from 0
	name, heading string
}

// newTable returns the table of rows. It reads the headings.
func newTable(rows rows, o Options) (*table, error) {
	t := &table{rows: rows}
	numbered, err := t.number(o)
	if err != nil || numbered {
		return t, err
	}
	for len(t.pending) <= mostTitles {
		row, err := rows.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if row.last() == 0 {
			continue
		}
		if err := t.head(row, o); err != nil {
			return nil, err
		}
		if len(t.columns) > 0 {
			if len(t.pending) > 0 && row.filled() == 1 { // the lines above may be values
				return nil, &FileError{Line: row.line, Reason: "is a heading, but is not the first line"}
			}
			t.pending = nil
			return t, nil
		}
		t.pending = append(t.pending, row)
		if row.filled() > 1 {
			break
		}
	}
	return t, t.headless(o)
}

// number sets the columns if the caller numbers them. All rows are lines then.
func (t *table) number(o Options) (bool, error) {
	for name, heading := range o.Headings {
		n, err := strconv.Atoi(heading)
		if err != nil {
			continue
		}
		if n < 1 || n > maxColumns {
			return false, fmt.Errorf("the number of a column is from 1 to %d", maxColumns)
		}
		t.columns = append(t.columns, tableColumn{n - 1, name, heading})
		t.width = max(t.width, n)
	}
	if len(t.columns) > 0 && len(t.columns) < len(o.Headings) {
		return false, errors.New("name all columns by their headings, or, in a file without headings, all by their numbers")
	}
	t.fields = maxColumns
	return len(t.columns) > 0, nil
}

// head sets the columns if one of a row's cells is a known heading.
func (t *table) head(r row, o Options) error {
	t.unknown = nil
	for i, cell := range r.cells {
		heading := cell.text
		name := o.name(heading)
		if name == "" {
			if heading != "" {
				t.unknown = append(t.unknown, heading)
			}
			continue
		}
		if k := slices.IndexFunc(t.columns, func(c tableColumn) bool { return c.name == name }); k >= 0 {
			return &FileError{Line: r.line, Unclear: true,
				Reason: fmt.Sprintf("has the column %s twice, as %s and as %s", name, t.columns[k].heading, heading)}
		}
		t.columns = append(t.columns, tableColumn{i, name, heading})
	}
	if len(t.columns) == 0 {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(o.Headings)) {
		if heading := o.Headings[name]; !slices.ContainsFunc(t.columns, func(c tableColumn) bool { return c.name == name }) {
			return &FileError{Line: r.line, Unclear: true, Reason: fmt.Sprintf("has no heading %s; it has %s", heading, headings(r))}
		}
	}
	t.width, t.fields = r.last(), max(r.fields, r.last())
	return nil
}

// headless sets the column of a file without headings.
func (t *table) headless(o Options) error {
	if len(t.pending) == 0 {
		return &FileError{Reason: "is empty"}
	}
	for _, r := range t.pending {
		if r.filled() == 1 && strings.ContainsAny(r.cells[r.last()-1].text, "，；") {
			return &FileError{Line: r.line, Reason: "is separated by full-width commas or semicolons (，；): use , or ;"}
		}
	}
	first, last := t.pending[0], t.pending[len(t.pending)-1]
	list := last.last() == 1 && first.last() == 1
	switch {
	case !list || o.Only == "" || len(o.Headings) > 0:
		if list {
			last = first
		}
		return &FileError{Line: last.line, Unclear: true,
			Reason: fmt.Sprintf("has no %s; it has %s", o.known(), headings(last))}
	case len(t.pending) > 1 && likeHeading(first.cells[0].text, t.pending[1].cells[0].text):
		return &FileError{Line: first.line, Unclear: true,
			Reason: "looks like a heading, but there is no " + o.known()}
	}
	t.columns, t.width, t.fields, t.unknown = []tableColumn{{0, o.Only, ""}}, 1, 1, nil
	return nil
}

var (
	digit   = regexp.MustCompile(`[0-9]`)
	capital = regexp.MustCompile(`^[A-Z]*$`)
	figures = regexp.MustCompile(`[0-9]{5}`)
)

// likeHeading reports whether the first line of a list is rather a heading.
func likeHeading(first, second string) bool {
	return digit.MatchString(second) && !digit.MatchString(first) && !capital.MatchString(first)
}

// headings returns a row for an error's text. A row of data has figures, and perhaps
// personal data, which a text does not show.
func headings(r row) string {
	var all []string
	for _, cell := range r.cells {
		if figures.MatchString(cell.text) {
			return "data"
		}
		if text := []rune(cell.text); len(text) > 0 && len(all) < 20 {
			all = append(all, string(text[:min(len(text), 30)]))
		}
	}
	return strings.Join(all, ", ")
}

func (t *table) ignored() []string { return t.unknown }

func (t *table) headings() map[string]string {
	all := make(map[string]string, len(t.columns))
	for _, c := range t.columns {
		all[c.name] = c.heading
	}
	return all
}

// next is Reader.Next.
func (t *table) next() (Line, error) {
	for {
		r, err := t.row()
		if err != nil {
			return Line{}, err
		}
		last := r.last()
		switch {
		case last == 0:
			continue
		case r.fields > 0 && (last > t.fields || r.fields < t.width):
			return Line{}, &LineError{Line: r.line, Reason: fmt.Sprintf("has %d fields, and the headings have %d", r.fields, t.width)}
		}
		line := Line{r.line, make(map[string]string, len(t.columns))}
		for _, c := range t.columns {
			if c.at >= len(r.cells) {
				continue
			}
			text, reason := r.cells[c.at].value()
			if reason != "" {
				bad := &LineError{Line: r.line, Column: c.heading, Reason: reason}
				if r.fields == 0 {
					bad.Cell, _ = excelize.CoordinatesToCellName(c.at+1, r.line) // both are in their bounds
				}
				return Line{}, bad
			}
			line.Values[c.name] = text
		}
		return line, nil
	}
}

func (t *table) row() (row, error) {
	if len(t.pending) > 0 {
		r := t.pending[0]
		t.pending = t.pending[1:]
		return r, nil
	}
	return t.rows.next()
}
