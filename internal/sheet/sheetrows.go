package sheet

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"
)

// sheetRows are the rows of a sheet of a workbook.
type sheetRows struct {
	book *workbook
	name string // of the part
	part io.ReadCloser
	xml  *xml.Decoder
	line int
}

// sheet returns the rows of a sheet.
func (b *workbook) sheet(name string) (*sheetRows, error) {
	part, err := b.part(name, maxSheet)
	if err != nil {
		return nil, err
	}
	return &sheetRows{book: b, name: name, part: part, xml: newDecoder(part)}, nil
}

// next returns the next row that the sheet has.
func (s *sheetRows) next() (row, error) {
	for {
		token, err := s.xml.Token()
		if errors.Is(err, io.EOF) {
			_ = s.part.Close() // it was read to its end
			return row{}, io.EOF
		}
		if err != nil {
			return row{}, s.damaged(s.line + 1)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "row" {
			s.line++
			if n, err := strconv.Atoi(attribute(start, "r")); err == nil && n >= s.line {
				s.line = n
			}
			return s.row()
		}
	}
}

func (s *sheetRows) damaged(line int) error {
	return &FileError{Line: line, Reason: fmt.Sprintf("is damaged (%s): open the workbook with a spreadsheet and save it again", s.name)}
}

// row reads the cells of a row.
func (s *sheetRows) row() (row, error) {
	out, at := row{line: s.line}, -1
	for {
		token, err := s.xml.Token()
		if err != nil {
			return row{}, s.damaged(s.line)
		}
		switch token := token.(type) {
		case xml.EndElement:
			return out, nil
		case xml.StartElement:
			if token.Name.Local != "c" {
				if err := s.xml.Skip(); err != nil {
					return row{}, s.damaged(s.line)
				}
				continue
			}
			at++
			if column, _, err := excelize.CellNameToCoordinates(attribute(token, "r")); err == nil {
				at = column - 1
			}
			c, err := s.cell(token)
			c.text = trim(c.text)
			switch {
			case err != nil:
				return row{}, s.damaged(s.line)
			case c == cell{}:
				continue
			case at >= maxColumns:
				return row{}, tooWide(s.line)
			}
			for len(out.cells) <= at {
				out.cells = append(out.cells, cell{})
			}
			out.cells[at] = c
		}
	}
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// sheetCell is a cell of a sheet.
type sheetCell struct {
	Value   *string  `xml:"v"`
	Formula *string  `xml:"f"`
	Inline  richText `xml:"is"`
}

// cell reads a cell.
func (s *sheetRows) cell(start xml.StartElement) (cell, error) {
	var c sheetCell
	if err := s.xml.DecodeElement(&c, &start); err != nil {
		return cell{}, err
	}
	kind := attribute(start, "t")
	switch {
	case kind == "inlineStr":
		return cell{text: c.Inline.String()}, nil
	case c.Value == nil && c.Formula != nil:
		return cell{reason: "has a formula without its result: open the file with a spreadsheet and save it again"}, nil
	case c.Value == nil || *c.Value == "":
		return cell{}, nil
	}
	switch kind {
	case "s":
		i, err := strconv.Atoi(strings.TrimSpace(*c.Value))
		if err != nil || i < 0 || i >= len(s.book.texts) {
			return cell{}, errors.New("a text that the workbook does not have")
		}
		return cell{text: s.book.texts[i]}, nil
	case "str":
		return cell{text: unescape(*c.Value)}, nil
	case "e":
		return cell{reason: "is the error of a formula (as #N/A)"}, nil
	case "b":
		return cell{text: map[string]string{"0": "FALSE", "1": "TRUE"}[*c.Value]}, nil
	case "d":
		return cell{text: *c.Value}, nil
	}
	number, err := strconv.ParseFloat(strings.TrimSpace(*c.Value), 64)
	if err != nil {
		return cell{}, err
	}
	var shown style
	if i, err := strconv.Atoi(attribute(start, "s")); err == nil && i >= 0 && i < len(s.book.styles) {
		shown = s.book.styles[i]
	}
	return s.book.number(number, shown), nil
}

// number returns the cell of a number.
func (b *workbook) number(n float64, shown style) cell {
	if shown.date {
		return b.date(n)
	}
	if !(math.Abs(n) <= maxExact) { // it may be NaN
		return cell{reason: "is a number of more than 15 digits, of which a spreadsheet keeps 15: " +
			"format the column as text and enter the numbers again"}
	}
	// A spreadsheet shows 15 digits, so 0.1+0.2 is 0.3.
	n, _ = strconv.ParseFloat(strconv.FormatFloat(n, 'g', 15, 64), 64)
	text := strconv.FormatFloat(n, 'f', -1, 64)
	if shown.pad > len(text) && digits.MatchString(text) {
		text = strings.Repeat("0", shown.pad-len(text)) + text
	}
	return cell{text: text}
}

// date returns the cell of a date, a time or both.
func (b *workbook) date(n float64) cell {
	const last = 2_958_466 // is the year 10000
	t, err := excelize.ExcelDateToTime(n, b.date1904)
	switch {
	case err != nil, !(n < last): // it may be NaN
		return cell{reason: "is not a date that a spreadsheet can have"}
	case n < 1: // a time only
		return cell{text: t.Format("15:04:05")}
	case n == math.Trunc(n):
		return cell{text: t.Format("2006-01-02")}
	}
	return cell{text: t.Format("2006-01-02 15:04:05")}
}
