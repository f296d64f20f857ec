package sheet_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/addcard/addcard/internal/sheet"
	"github.com/addcard/addcard/internal/sheet/sheettest"
)

// FuzzReader reads any bytes: it ends, the lines ascend, each value is one that trimming
// does not change, and after the error that ends the file it stays.
func FuzzReader(f *testing.F) {
	for _, b := range sheettest.BrokenFiles() {
		if len(b.File) < 64<<10 {
			f.Add(b.File)
		}
	}
	f.Add([]byte(members))
	rows := sheettest.Row(1, "手机号", "积分") + sheettest.Row(2, "13800138000", `<c s="1"><v>46355.5</v></c>`)
	f.Add(sheettest.Book(rows, `<cellXfs><xf/><xf numFmtId="22"/></cellXfs>`))
	o := people
	o.Only = "code"
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := sheet.NewReader(bytes.NewReader(file), int64(len(file)), o)
		if err != nil {
			if err.Error() == "" || !utf8.ValidString(err.Error()) {
				t.Errorf("%q", err)
			}
			return
		}
		last := 0
		for {
			line, err := r.Next()
			var bad *sheet.LineError
			if errors.As(err, &bad) {
				line.Number = bad.Line
			} else if err != nil {
				if _, again := r.Next(); again != err { //nolint:errorlint // the same
					t.Errorf("a line after %v", err)
				}
				return
			}
			if line.Number <= last {
				t.Fatalf("line %d after %d", line.Number, last)
			}
			last = line.Number
			for name, value := range line.Values {
				if value != sheet.Trim(value) || !utf8.ValidString(value) ||
					!slices.ContainsFunc(o.Columns, func(c sheet.Column) bool { return c.Name == name }) {
					t.Fatalf("%s=%q", name, value)
				}
			}
		}
	})
}
