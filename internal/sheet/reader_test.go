package sheet_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"pgregory.net/rapid"

	"github.com/addcard/addcard/internal/sheet"
	"github.com/addcard/addcard/internal/sheet/sheettest"
)

var people = sheet.Options{Columns: []sheet.Column{
	{Name: "phone", Also: []string{"手机号", "手机", "电话", "mobile"}},
	{Name: "code", Also: []string{"卡号", "会员卡号"}},
	{Name: "bonus", Also: []string{"积分"}},
	{Name: "name", Also: []string{"姓名"}},
}}

// read returns the lines of a file, one after another, with their errors.
func read(t *testing.T, file []byte, o sheet.Options) string {
	t.Helper()
	r, err := sheet.NewReader(bytes.NewReader(file), int64(len(file)), o)
	if err != nil {
		return err.Error()
	}
	return rest(r)
}

func rest(r *sheet.Reader) string {
	var out []string
	for {
		line, err := r.Next()
		var bad *sheet.LineError
		switch {
		case err == io.EOF: //nolint:errorlint // it is no other
			return strings.Join(out, "\n")
		case errors.As(err, &bad):
			out = append(out, err.Error())
			continue
		case err != nil:
			return strings.Join(append(out, "stopped: "+err.Error()), "\n")
		}
		text := fmt.Sprint(line.Number)
		for _, name := range []string{"phone", "code", "bonus", "name"} {
			if v, ok := line.Values[name]; ok {
				text += fmt.Sprintf(" %s=%q", name, v)
			}
		}
		out = append(out, text)
	}
}

const (
	members = "手机号,卡号,积分,姓名\r\n13800138000,0001,66,张三\r\n\r\n13800138001,0002,-7,\"李\n四\"\r\n13800138002,0003,,🐼\r\n"
	lines   = "2 phone=\"13800138000\" code=\"0001\" bonus=\"66\" name=\"张三\"\n" +
		"4 phone=\"13800138001\" code=\"0002\" bonus=\"-7\" name=\"李\\n四\"\n" +
		"6 phone=\"13800138002\" code=\"0003\" bonus=\"\" name=\"🐼\""
)

// What programs for spreadsheets write in China is read alike.
func TestReader_EncodingsSeparatorsAndLineEnds(t *testing.T) {
	t.Parallel()
	encodings := map[string]encoding.Encoding{
		"UTF-8": encoding.Nop, "UTF-8 with a mark": unicode.UTF8BOM, "GB18030": simplifiedchinese.GB18030,
		"UTF-16LE with a mark": unicode.UTF16(unicode.LittleEndian, unicode.UseBOM),
		"UTF-16BE with a mark": unicode.UTF16(unicode.BigEndian, unicode.UseBOM),
		"UTF-16LE":             unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM),
		"UTF-16BE":             unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM),
	}
	for name, enc := range encodings {
		for _, separator := range []string{",", ";", "\t"} {
			for _, end := range []string{"\r\n", "\n", "\r"} {
				text := strings.ReplaceAll(strings.ReplaceAll(members, ",", separator), "\r\n", end)
				file, err := enc.NewEncoder().Bytes([]byte(text))
				if err != nil {
					t.Fatal(err)
				}
				if got := read(t, file, people); got != lines {
					t.Errorf("%s, %q, %q: got %s", name, separator, end, got)
				}
			}
		}
	}
}

// A file in GBK is not taken for a damaged one in UTF-8, whatever names it has.
func TestReader_RecognisesGBK(t *testing.T) {
	t.Parallel()
	var common []rune // 一级汉字 of GB 2312
	for lead := 0xb0; lead <= 0xd7; lead++ {
		for trail := 0xa1; trail <= 0xfe; trail++ {
			text, err := simplifiedchinese.GBK.NewDecoder().Bytes([]byte{byte(lead), byte(trail)})
			if r := []rune(string(text)); err == nil && r[0] < 0xe000 {
				common = append(common, r[0])
			}
		}
	}
	name := rapid.StringOfN(rapid.RuneFrom(common), 1, 4, -1)
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfN(name, 1, 8).Draw(t, "names")
		file, err := simplifiedchinese.GBK.NewEncoder().Bytes([]byte("姓名\n" + strings.Join(names, "\n")))
		if err != nil {
			t.Fatal(err)
		}
		r, err := sheet.NewReader(bytes.NewReader(file), int64(len(file)), people)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range names {
			if line, err := r.Next(); err != nil || line.Values["name"] != want {
				t.Fatalf("got %q, %v, want %s", line.Values, err, want)
			}
		}
	})
}

// No broken file is read to its end as if it were whole, and no error has a value of it.
func TestReader_RefusesBrokenFilesByLineAndWord(t *testing.T) {
	t.Parallel()
	for _, b := range sheettest.BrokenFiles() {
		t.Run(b.Name, func(t *testing.T) {
			t.Parallel()
			err := firstError(b.File)
			var line *sheet.LineError
			var file *sheet.FileError
			at := -1
			switch {
			case errors.As(err, &line):
				at = line.Line
			case errors.As(err, &file):
				at = file.Line
			}
			if at != b.Line || !strings.Contains(err.Error(), b.Word) || strings.Contains(err.Error(), "138") {
				t.Errorf("got %v at line %d, want line %d and %q", err, at, b.Line, b.Word)
			}
		})
	}
}

// firstError reads a file up to its first error.
func firstError(file []byte) error {
	r, err := sheet.NewReader(bytes.NewReader(file), int64(len(file)), people)
	for err == nil {
		_, err = r.Next()
	}
	return err
}
