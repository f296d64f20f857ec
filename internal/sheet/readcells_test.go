package sheet_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"pgregory.net/rapid"

	"github.com/addcard/addcard/internal/sheet"
	"github.com/addcard/addcard/internal/sheet/sheettest"
)

// What addcard exports has the same texts when it is read, whatever protects them from
// being run as formulas.
func TestReader_ReadsWhatWasWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		format  sheet.Format
		letters string
	}{
		{sheet.CSV, "ab01'\"=+-@＝＋， ,;\t\n\r\u3000\u200b\u202e\ufeff\x01金é🐼`“_x41"},
		{sheet.XLSX, "ab01'\"=+-@＝， ,;\u3000\u200b金é🐼_x41<&>"},
	} {
		text := rapid.OneOf(rapid.StringOfN(rapid.RuneFrom([]rune(c.letters)), 0, 12, -1),
			rapid.SampledFrom([]string{"'0123", "'", "''1", "'=1", `="01"`, " '7"}))
		rapid.Check(t, func(t *rapid.T) {
			rows := rapid.SliceOfN(rapid.SliceOfN(text, 2, 2), 0, 5).Draw(t, "rows")
			var file bytes.Buffer
			err := sheet.Write(&file, sheet.File{Format: c.format}, func(add sheet.Row) error {
				err := add("code", "name")
				for _, r := range rows {
					err = cmp.Or(err, add(r[0], r[1]))
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			r, err := sheet.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()), people)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range rows {
				code, name := plain(want[0]), plain(want[1])
				if code == "" && name == "" {
					continue // a blank line
				}
				got, err := r.Next()
				if err != nil || got.Values["code"] != code || got.Values["name"] != name {
					t.Fatalf("%s: got %q, %v, want %q, %q", c.format, got.Values, err, code, name)
				}
			}
			if got := rest(r); got != "" {
				t.Fatalf("more lines: %s", got)
			}
		})
	}
}

// plain is a text as a Reader returns it.
func plain(text string) string {
	return sheet.Trim(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text))
}

func TestReader_CellsOfCSV(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"'0123": "0123", `="0123"`: "0123", `"=""0123"""`: "0123", "\u3000 0123\u00a0": "0123", "\u202d13800138000\u202c": "13800138000",
		"0\u200b1": "01", "１２３": "１２３", "'t Hooft": "'t Hooft", "'": "'", "=1+1": "=1+1", "1E5": "1E5", "1e10": "1e10", "-": "-",
		"👨\u200d👩": "👨\u200d👩", "1234567890123456": "1234567890123456", `"a, b"`: "a, b", `"a ""b"""`: `a "b"`, "O'Neil": "O'Neil",
		`"="""""`: "",
	} {
		file := "code,name\n" + in + ",x\n"
		if got, want := read(t, []byte(file), people), fmt.Sprintf("2 code=%q name=\"x\"", want); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
	// Two that are not quoted, beside one that is.
	if got := read(t, []byte(`code,name,bonus`+"\n"+`="01","a, ""b""",="02"`), people); got != `2 code="01" bonus="02" name="a, \"b\""` {
		t.Errorf("got %s", got)
	}
}

func TestReader_CellsOfAWorkbook(t *testing.T) {
	t.Parallel()
	styles := `<numFmts><numFmt numFmtId="164" formatCode="000000"/><numFmt numFmtId="165" formatCode="yyyy&quot;年&quot;m&quot;月&quot;d&quot;日&quot;"/>` +
		`<numFmt numFmtId="166" formatCode="[Red]&quot;days&quot;0.00"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="164"/>` +
		`<xf numFmtId="165"/><xf numFmtId="22"/><xf numFmtId="21"/><xf numFmtId="166"/><xf numFmtId="58"/></cellXfs>`
	for cell, want := range map[string]string{
		`<c><v>13800138000</v></c>`:  "13800138000",
		`<c><v>1.3800138E10</v></c>`: "13800138000", `<c><v>999999999999999</v></c>`: "999999999999999",
		`<c><v>-7</v></c>`: "-7", `<c><v>0.30000000000000004</v></c>`: "0.3", `<c><v>66.550000000000011</v></c>`: "66.55",
		`<c s="1"><v>123</v></c>`: "000123", `<c s="1"><v>-123</v></c>`: "-123", `<c s="2"><v>46355</v></c>`: "2026-11-29",
		`<c s="6"><v>46355</v></c>`:   "2026-11-29",
		`<c s="3"><v>46355.5</v></c>`: "2026-11-29 12:00:00", `<c s="4"><v>0.25</v></c>`: "06:00:00", `<c s="5"><v>1.5</v></c>`: "1.5",
		`<c s="99"><v>1</v></c>`: "1", `<c t="s"><v>0</v></c>`: "shared_x005F_", `<c t="str"><f>A1</f><v>0123</v></c>`: "0123",
		`<c><f>A1</f><v>7</v></c>`: "7", `<c t="str"><f>A1</f><v></v></c>`: "",
		`<c t="b"><v>1</v></c>`: "TRUE", `<c t="d"><v>2026-11-29</v></c>`: "2026-11-29",
		`<c t="inlineStr"><is><r><t>金</t></r><r><rPr/><t>卡</t></r><rPh><t>jin</t></rPh></is></c>`: "金卡",
		`<c t="inlineStr"><is><t xml:space="preserve"> '0123 </t></is></c>`:                       "'0123", `<c t="n"/>`: "", `<c r="A2" s="1"/>`: "",
	} {
		file := sheettest.Book(sheettest.Row(1, "code", "name")+sheettest.Row(2, cell, "x"), styles, "shared_x005F_")
		want = strings.ReplaceAll(want, "_x005F_", "_")
		got, want := read(t, file, people), fmt.Sprintf("2 code=%q name=\"x\"", want)
		if got != want {
			t.Errorf("%s: got %s, want %s", cell, got, want)
		}
	}
}

// Rows keep their numbers, titles and gaps are skipped, columns without a heading and
// those that are not known are ignored, whatever is in them.
func TestReader_RowsOfAWorkbook(t *testing.T) {
	t.Parallel()
	rows := sheettest.Row(1, `<c r="B1" t="inlineStr"><is><t>会员名单</t></is></c>`) + sheettest.Row(3, "手机号", "等级", "", "积分") +
		`<row r="5" hidden="1"><c r="D5"><v>7</v></c><c r="A5" t="str"><v>13800138000</v></c></row>` +
		sheettest.Row(6, "", "金卡") + sheettest.Row(8, "13800138001", `<c t="e"><v>#N/A</v></c>`, "x", `<c t="e"><v>#REF!</v></c>`, "y")
	file := sheettest.Book(rows, "")
	r, err := sheet.NewReader(bytes.NewReader(file), int64(len(file)), people)
	if err != nil {
		t.Fatal(err)
	}
	want := "5 phone=\"13800138000\" bonus=\"7\"\n6 phone=\"\"\nline 8, column 积分 (D8): it is the error of a formula (as #N/A)"
	if got := rest(r); got != want {
		t.Errorf("got %s", got)
	}
	if got := fmt.Sprint(r.Ignored()); got != "[等级]" {
		t.Errorf("ignored %s", got)
	}
}

// What excelize writes with shared texts, styles and several sheets is read; the first
// visible sheet is, unless another is named.
func TestReader_ChoosesASheet(t *testing.T) {
	t.Parallel()
	file := booksOfTwo(t)
	for name, want := range map[string]string{
		"":    "2 phone=\"13800138000\" bonus=\"66\" [旧]",
		"隐藏":  "2 phone=\"1\" [会员 旧]",
		"旧":   "2 phone=\"2\" [会员]",
		"not": "the file has no sheet not; it has 会员, 旧 []",
	} {
		o := people
		o.Sheet = name
		r, err := sheet.NewReader(bytes.NewReader(file), int64(len(file)), o)
		got := fmt.Sprint(err, " []")
		if err == nil {
			got = fmt.Sprint(rest(r), " ", r.OtherSheets())
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
}

func booksOfTwo(t *testing.T) []byte {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	_ = f.SetSheetName("Sheet1", "隐藏")
	for _, name := range []string{"会员", "旧"} {
		if _, err := f.NewSheet(name); err != nil {
			t.Fatal(err)
		}
	}
	err := errors.Join(f.SetSheetRow("隐藏", "A1", &[]any{"phone"}), f.SetSheetRow("隐藏", "A2", &[]any{"1"}),
		f.SetSheetRow("会员", "A1", &[]any{"手机号*", "积分（分）"}), f.SetSheetRow("会员", "A2", &[]any{13800138000, 66}),
		f.SetSheetRow("旧", "A1", &[]any{"phone"}), f.SetSheetRow("旧", "A2", &[]any{2}), f.MergeCell("会员", "A3", "B4"))
	f.SetActiveSheet(1)
	err = errors.Join(err, f.SetSheetVisible("隐藏", false))
	var out bytes.Buffer
	if err := errors.Join(err, f.Write(&out)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestReader_Headings(t *testing.T) {
	t.Parallel()
	for heading, want := range map[string]string{
		"phone": "phone", "PHONE": "phone", " 手机号 ": "phone", "手 机 号*": "phone", "*手机号": "phone", "手机号（必填）*": "phone",
		"手机号 (11 digits)": "phone", "手机号：": "phone", "ＰＨＯＮＥ": "phone", "\u200b会员_卡号[文本]": "code", "Phone-": "phone",
		"手机号2": "", "老手机号": "",
	} {
		got := read(t, []byte("x,"+heading+",积分\n,1,2\n"), people)
		want := "2 " + want + `="1" bonus="2"`
		if strings.HasPrefix(want, "2 =") {
			want = `2 bonus="2"`
		}
		if got != want {
			t.Errorf("%q: got %s, want %s", heading, got, want)
		}
	}
}

// The caller can say which column is which. What is unclear is asked, not guessed.
func TestReader_ColumnsByHandAndLists(t *testing.T) {
	t.Parallel()
	by := func(name, heading string) sheet.Options {
		o := people
		o.Headings = map[string]string{name: heading}
		return o
	}
	list := people
	list.Only = "code"
	for _, c := range []struct {
		file string
		o    sheet.Options
		want string
	}{
		{"会员电话,积分\n1,2\n", by("phone", "会员电话"), `2 phone="1" bonus="2"`},
		{"电话,会员电话\n1,2\n", by("phone", "会员电话"), `2 phone="2"`},
		{"电话,积分\n1,2\n", by("phone", "会员电话"), "line 1 has no heading 会员电话; it has 电话, 积分 (unclear)"},
		{"电话;积分\n1;2\n", by("code", "卡"), "line 1 has no heading 卡; it has 电话, 积分 (unclear)"},
		{"a,1\nb,2\n", by("code", "2"), "1 code=\"1\"\n2 code=\"2\""},
		{"a,1\nb\n", by("code", "2"), "1 code=\"1\"\nline 2 has 1 fields, and the headings have 2"},
		{"a,1\n", by("code", "0"), "the number of a column is from 1 to 256"},
		{"a,1\n", sheet.Options{Headings: map[string]string{"code": "1", "phone": "b"}},
			"name all columns by their headings, or, in a file without headings, all by their numbers"},
		{"A1\nB2\n", list, "1 code=\"A1\"\n2 code=\"B2\""},
		{"\ufeff\nA1\n\nB2", list, "2 code=\"A1\"\n4 code=\"B2\""},
		{"A1\nB2\n1\n2\n3\n4\n5,x\n6", list, "1 code=\"A1\"\n2 code=\"B2\"\n3 code=\"1\"\n4 code=\"2\"\n5 code=\"3\"\n6 code=\"4\"\n" +
			"line 7 has 2 fields, and the headings have 1\n8 code=\"6\""},
		{"卡号\nA1\n", list, `2 code="A1"`},
		{"卡号\nabc\n", list, `2 code="abc"`},
		{"ABC\nA1\n", list, "1 code=\"ABC\"\n2 code=\"A1\""},
		{"兑换码\nA1\n", list, "line 1 looks like a heading, but there is no known heading, such as phone, 手机号, code, 卡号, bonus, 积分, name, 姓名 (unclear)"},
		{"兑换码\nA1\n", by("code", "1"), "1 code=\"兑换码\"\n2 code=\"A1\""},
		{"A1\nB2\ncode\nC3\n", list, "line 3 is a heading, but is not the first line"},
		{"A1，B2\n", list, "line 1 is separated by full-width commas or semicolons (，；): use , or ;"},
		{"a1,b1\n", list, "line 1 has no known heading, such as phone, 手机号, code, 卡号, bonus, 积分, name, 姓名; it has a1, b1 (unclear)"},
		{"会员名单,\n手机号,积分\n1,2\n", people, `3 phone="1" bonus="2"`},
		{"会员名单\n手机号;积分\n1;2\n", people, `3 phone="1" bonus="2"`},
		{"sep=;\n手机号;积分\n1;2\n", people, `3 phone="1" bonus="2"`},
		{"手机号,积分,,\n1,2\n3,4,,\n5,6,7,\n,,,\n8,9,1,2,3\n", people, "2 phone=\"1\" bonus=\"2\"\n3 phone=\"3\" bonus=\"4\"\n" +
			"4 phone=\"5\" bonus=\"6\"\nline 6 has 5 fields, and the headings have 2"},
		{"{\"手机号\":13800138000,\"积分\":-1.50,\"x\":[1],\"姓名\":null}\n\n{\"Phone\":\" 1 \"}", people,
			"1 phone=\"13800138000\" bonus=\"-1.50\" name=\"\"\n3 phone=\"1\""},
	} {
		r, err := sheet.NewReader(strings.NewReader(c.file), int64(len(c.file)), c.o)
		var got string
		var bad *sheet.FileError
		switch {
		case errors.As(err, &bad) && bad.Unclear:
			got = err.Error() + " (unclear)"
		case err != nil:
			got = err.Error()
		default:
			got = rest(r)
		}
		if got != c.want {
			t.Errorf("%q: got %s, want %s", c.file, got, c.want)
		}
	}
}
