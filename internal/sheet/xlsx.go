package sheet

import (
	"archive/zip"
	"cmp"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/xuri/excelize/v2"
)

const (
	// rowsPerSheet is the most that a sheet can have. The next row begins another.
	rowsPerSheet = excelize.TotalRows
	// maxExact is the largest number of which a spreadsheet keeps all digits.
	maxExact    = 999_999_999_999_999
	columnWidth = 20
)

// book is a workbook that is being written.
type book struct {
	file         *excelize.File
	name         string // of the first sheet, or ""
	rowsPerSheet int
	sheets, rows int // rows are those of the last sheet
	head         []any
	stream       *excelize.StreamWriter // of the last sheet
	text, number int                    // styles
	money        int                    // a style
	zones        map[string]int         // the styles of moments, by their formats
}

// writeBook is Write for XLSX.
func writeBook(w io.Writer, name string, rowsPerSheet int, fill func(Row) error) (err error) {
	// Without a directory excelize would keep all rows in memory.
	dir, err := os.MkdirTemp("", "addcard-sheet-")
	if err != nil {
		return fmt.Errorf("write a workbook: %w", err)
	}
	defer func() { err = cmp.Or(err, os.RemoveAll(dir)) }()
	b := &book{file: excelize.NewFile(excelize.Options{TmpDir: dir}), name: name, rowsPerSheet: rowsPerSheet, zones: map[string]int{}}
	defer func() { err = cmp.Or(err, b.file.Close()) }()
	// excelize would collect the whole file in memory first.
	b.file.ZipWriter = func(io.Writer) excelize.ZipWriter { return zip.NewWriter(w) }
	if err := b.addStyles(); err != nil {
		return fmt.Errorf("write a workbook: %w", err)
	}
	if err := b.addSheet(); err != nil {
		return fmt.Errorf("write a workbook: %w", err)
	}
	if err := fill(b.row); err != nil {
		return err
	}
	if err := b.stream.Flush(); err != nil {
		return fmt.Errorf("write a workbook: %w", err)
	}
	return b.file.Write(io.Discard)
}

// addStyles makes the styles of cells. A text stays one when its cell is edited, and a
// long number has all of its digits.
func (b *book) addStyles() (err error) {
	const wholeNumber, twoDecimals, text = 1, 2, 49 // of the formats that each spreadsheet has
	if b.number, err = b.file.NewStyle(&excelize.Style{NumFmt: wholeNumber}); err != nil {
		return err
	}
	if b.money, err = b.file.NewStyle(&excelize.Style{NumFmt: twoDecimals}); err != nil {
		return err
	}
	b.text, err = b.file.NewStyle(&excelize.Style{NumFmt: text})
	return err
}

// addSheet begins the next sheet, with the head of the first.
func (b *book) addSheet() (err error) {
	b.sheets++
	name := cmp.Or(b.name, "Sheet") + strconv.Itoa(b.sheets)
	if b.sheets == 1 && b.name != "" {
		name = b.name
	}
	if b.sheets > 1 {
		if err := b.stream.Flush(); err != nil {
			return err
		}
		if _, err := b.file.NewSheet(name); err != nil {
			return err
		}
	} else if err := b.file.SetSheetName("Sheet1", name); err != nil { // which a new file has
		return err
	}
	if b.stream, err = b.file.NewStreamWriter(name); err != nil {
		return err
	}
	b.rows = 0
	if err := b.stream.SetColWidth(1, excelize.MaxColumns, columnWidth); err != nil {
		return err
	}
	if err := b.stream.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return err
	}
	if b.head == nil {
		return nil
	}
	return b.add(b.head)
}

// row is a Row.
func (b *book) row(cells ...any) error {
	values := make([]any, len(cells))
	for i, cell := range cells {
		value, err := b.cell(cell)
		if err != nil {
			return fmt.Errorf("write a workbook: %w", err)
		}
		values[i] = value
	}
	if b.rows == b.rowsPerSheet {
		if err := b.addSheet(); err != nil {
			return fmt.Errorf("write a workbook: %w", err)
		}
	}
	if b.head == nil {
		b.head = values
	}
	return b.add(values)
}

func (b *book) add(values []any) error {
	b.rows++
	return b.stream.SetRow("A"+strconv.Itoa(b.rows), values)
}

// cell returns a cell as excelize takes it. Its texts are never formulas.
func (b *book) cell(value any) (any, error) {
	switch value := value.(type) {
	case int64:
		if !exact(value) {
			return excelize.Cell{StyleID: b.text, Value: strconv.FormatInt(value, 10)}, nil
		}
		return excelize.Cell{StyleID: b.number, Value: value}, nil
	case Fen:
		if !exact(int64(value)) {
			return excelize.Cell{StyleID: b.text, Value: value.yuan()}, nil
		}
		// A number of 15 digits is the nearest float64, and is written with these digits.
		return excelize.Cell{StyleID: b.money, Value: float64(value) / 100}, nil
	case string:
		if value == "" {
			return nil, nil //nolint:nilnil // no cell
		}
		return excelize.Cell{StyleID: b.text, Value: value}, nil
	case time.Time:
		if value.IsZero() {
			return nil, nil //nolint:nilnil // no cell
		}
		style, err := b.moment(value)
		return excelize.Cell{StyleID: style, Value: value.Truncate(time.Second)}, err
	}
	panic(unknownCell)
}

// exact reports whether a spreadsheet keeps all digits of a number.
func exact(n int64) bool { return n <= maxExact && n >= -maxExact }

// moment returns the style of a moment. The cell is a date and time, which has no zone
// in a spreadsheet, so its format has the difference from UTC.
func (b *book) moment(t time.Time) (style int, err error) {
	format := `yyyy-mm-dd hh:mm:ss "` + t.Format("Z07:00") + `"`
	style, ok := b.zones[format]
	if !ok {
		if style, err = b.file.NewStyle(&excelize.Style{CustomNumFmt: &format}); err != nil {
			return 0, err
		}
		b.zones[format] = style
	}
	return style, nil
}
