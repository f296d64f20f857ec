package sheet_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"

	"github.com/addcard/addcard/internal/sheet"
)

// rowsOf returns a fill that adds rows of one cell.
func rowsOf(cells ...any) func(sheet.Row) error {
	return func(row sheet.Row) error {
		for _, cell := range cells {
			if err := row(cell); err != nil {
				return err
			}
		}
		return nil
	}
}

// open reads a workbook.
func open(t *testing.T, text []byte) *excelize.File {
	t.Helper()
	f, err := excelize.OpenReader(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestXLSX_KeepsEachCellAsItIs(t *testing.T) {
	t.Parallel()
	const texts = "texts"
	cells := []any{
		texts, "0012345678901234", "12345678901234567890", "1e5", "TRUE", "2026-11-29", "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "＝1",
		"=HYPERLINK(\"https://evil.example\",\"a\")", "<b>&\"'</b>", "_x0041_", "a\x00b\x1fc", " two\nlines ", "金卡 🐼", strings.Repeat("é", 300),
	}
	numbers := []int64{0, 7, -7, 123_456_789_012, 999_999_999_999_999, -999_999_999_999_999}
	long := []int64{1_000_000_000_000_000, 1<<53 + 1, math.MaxInt64, math.MinInt64}
	for _, n := range slices.Concat(numbers, long) {
		cells = append(cells, n)
	}
	var out bytes.Buffer
	if err := sheet.Write(&out, sheet.File{Format: sheet.XLSX}, rowsOf(cells...)); err != nil {
		t.Fatal(err)
	}
	f := open(t, out.Bytes())
	for i, cell := range cells {
		name := fmt.Sprintf("A%d", i+1)
		got, err := f.GetCellValue("Sheet1", name)
		kind, kindErr := f.GetCellType("Sheet1", name)
		formula, formulaErr := f.GetCellFormula("Sheet1", name)
		if err := errors.Join(err, kindErr, formulaErr); err != nil {
			t.Fatal(err)
		}
		want, wantKind := strings.NewReplacer("\x00", "\ufffd", "\x1f", "\ufffd").Replace(fmt.Sprint(cell)), excelize.CellTypeInlineString
		if n, ok := cell.(int64); ok && slices.Contains(numbers, n) {
			wantKind = excelize.CellTypeUnset // a number
		}
		if got != want || kind != wantKind || formula != "" {
			t.Errorf("%v: got %q of type %d, formula %q", cell, got, kind, formula)
		}
		if style, err := f.GetCellStyle("Sheet1", name); err != nil || style == 0 {
			t.Errorf("%v has no style: %v", cell, err)
		} else if s, err := f.GetStyle(style); err != nil || (s.NumFmt == 49) != (wantKind == excelize.CellTypeInlineString) {
			t.Errorf("%v: format %d, %v", cell, s.NumFmt, err)
		}
	}
}

// A moment is a date with a time, so that a spreadsheet can sort and group it, and its
// zone is seen.
func TestXLSX_AMomentShowsItsZone(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 29, 12, 3, 4, 999, time.UTC)
	var out bytes.Buffer
	east, west := time.FixedZone("", 8*3600), time.FixedZone("", -9000)
	if err := sheet.Write(&out, sheet.File{Format: sheet.XLSX}, rowsOf(at, at.In(east), time.Time{}, at.In(west))); err != nil {
		t.Fatal(err)
	}
	f := open(t, out.Bytes())
	for name, want := range map[string]string{
		"A1": `46355.50212962 yyyy-mm-dd hh:mm:ss "Z"`, "A2": `46355.83546296 yyyy-mm-dd hh:mm:ss "+08:00"`,
		"A3": "", "A4": `46355.39796296 yyyy-mm-dd hh:mm:ss "-02:30"`,
	} {
		number, err := f.GetCellValue("Sheet1", name, excelize.Options{RawCellValue: true})
		if err != nil {
			t.Fatal(err)
		}
		style, err := f.GetCellStyle("Sheet1", name)
		if err != nil {
			t.Fatal(err)
		}
		s, err := f.GetStyle(style)
		if err != nil {
			t.Fatal(err)
		}
		got := number
		if s.CustomNumFmt != nil {
			got = number[:len("46355.50212962")] + " " + *s.CustomNumFmt
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}

// People read words, and yuan with two decimals that are exact; programs read neither.
func TestXLSX_IsForPeopleOrForPrograms(t *testing.T) {
	t.Parallel()
	amounts := []sheet.Fen{0, 5, -5, 6600, -6655, 999_999_999_999_999, 1_000_000_000_000_000, math.MinInt64}
	words := map[string]string{"sheet": "账目", "head": "余额", "key": "是"}
	for _, c := range []struct {
		words map[string]string
		sheet string
		want  []string
	}{
		{words, "账目", []string{"余额", "是", "head", "0.00", "0.05", "-0.05", "66.00", "-66.55", "9999999999999.99", "10000000000000.00",
			"-92233720368547758.08"}},
		{nil, "Sheet1", []string{"head", "key", "head", "0", "5", "-5", "6600", "-6655", "999999999999999", "1000000000000000",
			"-9223372036854775808"}},
	} {
		cells := []any{"head", sheet.Key("key"), "head"}
		for _, fen := range amounts {
			cells = append(cells, fen)
		}
		var book, text bytes.Buffer
		err := errors.Join(sheet.Write(&book, sheet.File{Format: sheet.XLSX, Words: c.words}, rowsOf(cells...)),
			sheet.Write(&text, sheet.File{Format: sheet.CSV, Words: c.words}, rowsOf(cells...)))
		if err != nil {
			t.Fatal(err)
		}
		if want := "\ufeff" + strings.Join(c.want, "\n") + "\n"; text.String() != want {
			t.Errorf("got %q, want %q", text.String(), want)
		}
		f := open(t, book.Bytes())
		if got, err := f.GetCols(c.sheet); err != nil || len(got) != 1 || !slices.Equal(got[0], c.want) {
			t.Errorf("got %q, want %q, %v", got, c.want, err)
		}
		if kind, err := f.GetCellType(c.sheet, "A7"); err != nil || kind != excelize.CellTypeUnset {
			t.Errorf("an amount has type %d, %v", kind, err)
		}
	}
}

// More rows than a sheet can have go on in the next, below the same head.
func TestXLSX_ContinuesOnAnotherSheet(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := sheet.WriteBook(&out, "", 3, rowsOf("head", "1", "2", "3", "4", "5")); err != nil {
		t.Fatal(err)
	}
	f := open(t, out.Bytes())
	for name, want := range map[string]string{"Sheet1": "[[head] [1] [2]]", "Sheet2": "[[head] [3] [4]]", "Sheet3": "[[head] [5]]"} {
		if rows, err := f.GetRows(name); err != nil || fmt.Sprint(rows) != want {
			t.Errorf("%s: got %v, %v", name, rows, err)
		}
	}
	if got := f.GetSheetList(); len(got) != 3 {
		t.Errorf("sheets: %v", got)
	}
}

func TestXLSX_LeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	for name, c := range map[string]struct {
		w    io.Writer
		err  error // of fill
		want error
	}{
		"written":             {io.Discard, nil, nil},
		"a broken connection": {broken{}, nil, errBroken}, "a broken table": {io.Discard, errBroken, errBroken},
	} {
		err := sheet.Write(c.w, sheet.File{Format: sheet.XLSX}, func(row sheet.Row) error { return errors.Join(row("head"), c.err) })
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v", name, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: %v is left, %v", name, left, err)
		}
	}
	t.Setenv("TMPDIR", dir+"/none")
	if err := sheet.Write(io.Discard, sheet.File{Format: sheet.XLSX}, rowsOf("head")); err == nil {
		t.Error("without a directory the rows would be kept in memory")
	}
}

// largest is a writer that remembers its largest write.
type largest int

func (l *largest) Write(b []byte) (int, error) {
	*l = max(*l, largest(len(b)))
	return len(b), nil
}

// The rows of a large table are in memory neither while they are added nor while they
// are sent.
func TestXLSX_NeedsLittleMemory(t *testing.T) {
	const rows, cell = 200, 32000
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	var sent largest
	random := make([]byte, cell/4*3)
	err := sheet.Write(&sent, sheet.File{Format: sheet.XLSX}, func(row sheet.Row) error {
		for range rows {
			_, _ = rand.Read(random) // it never fails
			if err := row(base64.StdEncoding.EncodeToString(random), strings.Repeat("y", cell), strings.Repeat("z", cell)); err != nil {
				return err
			}
		}
		files, err := filepath.Glob(dir + "/*/*")
		if err != nil || len(files) != 1 {
			t.Fatalf("temporary files: %v, %v", files, err)
		}
		if stored, err := os.Stat(files[0]); err != nil || stored.Size() < 3*rows*cell-excelize.StreamChunkSize {
			t.Errorf("of %d bytes the file has %d, %v", 3*rows*cell, stored.Size(), err)
		}
		return nil
	})
	if err != nil || sent == 0 || sent > 64<<10 {
		t.Errorf("%d bytes were sent at once, %v", sent, err)
	}
}
