package sheettest

import (
	"bytes"
	"slices"
	"strings"
)

// Broken is a file that cannot be read, or has a line that cannot. Its headings are
// phone, code, bonus and name, or 手机号, 卡号, 积分 and 姓名. Each phone number in it
// begins with 138.
type Broken struct {
	Name string
	File []byte
	Line int    // of the first error; 0 for the whole file
	Word string // that the error's text has
}

const (
	head = "phone,code,bonus,name\n"
	good = "13800138000,0001,66,张三\n"
)

// BrokenFiles returns the broken files.
func BrokenFiles() []Broken {
	return slices.Concat(encodings(), tables(), spoiled(), foreign(), books(), objects())
}

func csv(name, text string, line int, word string) Broken {
	return Broken{name + ".csv", []byte(text), line, word}
}

func encodings() []Broken {
	wide := utf16LE(head + good)
	return []Broken{
		csv("no-encoding", head+"13800138000,0001,66,Li\n13800138001,0002,7,\xff\xff\n", 3, "neither UTF-8 nor GBK"),
		csv("latin1", head+"13800138000,0001,66,Jos\xe9\n", 2, "neither UTF-8 nor GBK"),
		csv("gbk-line-in-utf8", head+good+good+"13800138001,0002,7,\xc0\xee\n", 4, "not UTF-8"),
		csv("gbk-behind-a-mark", "\ufeff"+head+"13800138001,0002,7,\xc0\xee\n", 2, "not UTF-8"),
		csv("utf8-cut-in-a-character", head+good+good[:len(good)-2], 3, "not UTF-8"),
		{"utf16-cut-in-a-character.csv", wide[:len(wide)-1], 2, "UTF-16"},
		{"utf16-half-a-pair.csv", append(utf16LE(head+"13800138000,0001,66,"), 0x00, 0xd8, '\n', 0), 2, "UTF-16"},
		{"utf32.csv", []byte("\xff\xfe\x00\x00p\x00\x00\x00h\x00\x00\x00"), 1, "UTF-16"},
		csv("nul", head+good+"13800138001,00\x0002,7,李四\n", 3, "NUL"),
		csv("replaced-character", head+"13800138000,0001,66,张\ufffd\n", 2, "U+FFFD"),
	}
}

func tables() []Broken {
	return []Broken{
		csv("empty", "", 0, "empty"),
		csv("blank", "\n  \r\n\u3000\n", 0, "empty"),
		csv("only-a-mark", "\ufeff", 0, "empty"),
		csv("only-separators", ",,,\n,,,\n", 0, "empty"),
		csv("no-known-heading", "会员,等级\n张三,金卡\n", 1, "no known heading"),
		csv("no-headings", good, 1, "it has data"),
		csv("numbers-without-heading", "13800138000\n13800138001\n", 1, "it has data"),
		csv("bars", "phone|code|bonus\n13800138000|0001|66\n", 1, "no known heading"),
		csv("full-width-commas", "手机号，卡号，积分\n13800138000，0001，66\n", 1, "full-width commas"),
		csv("full-width-semicolons", "手机号；卡号\n13800138000；0001\n", 1, "full-width commas"),
		csv("heading-twice", "手机号,姓名,phone\n13800138000,张三,13800138001\n", 1, "twice, as 手机号 and as phone"),
		csv("same-heading-twice", "phone,name,phone\n13800138000,张三,13800138001\n", 1, "twice"),
		csv("two-lines-of-headings", "会员,,积分与余额,\n姓氏,号码,余量,数\n李,13800138000,1,2\n", 1, "积分与余额"),
		csv("title-above-unknown-headings", "会员名单\n会员,等级\n张三,金卡\n", 2, "会员, 等级"),
		csv("too-many-fields", head+good+"13800138001,0002,7,李四,5\n", 3, "has 5 fields, and the headings have 4"),
		csv("comma-in-a-number", head+good+"13800138001,0002,1,066,李四\n", 3, "has 5 fields"),
		csv("too-few-fields", head+good+"13800138001,0002\n", 3, "has 2 fields"),
		csv("another-separator", head+good+"13800138001;0002;7;李四\n", 3, "has 1 fields"),
		csv("quote-not-closed", head+"13800138000,\"0001,66,张三\n"+good+good, 2, "not closed"),
		csv("quote-not-closed-at-the-end", head+good+"13800138001,0002,7,\"李四\n", 3, "not closed"),
		csv("quote-not-closed-in-a-large-file", head+"13800138000,\"0001,66,张三\n"+strings.Repeat(good, 4000), 2, "not closed"),
		csv("quotes-in-a-field", head+good+"13800138001,0002,7,李\"小\"四\n", 3, "inside of a field"),
		csv("text-behind-quotes", head+"13800138000,\"0001\"x,66,张三\n", 2, "inside of a field"),
		csv("long-line", head+good+"13800138001,0002,7,"+strings.Repeat("李", 30_000)+"\n", 3, "longer than 64 KiB"),
		csv("many-columns", "phone"+strings.Repeat(",x", 300)+"\n13800138000\n", 1, "more than 256 columns"),
		csv("many-columns-in-a-line", head+good+"13800138001"+strings.Repeat(",x", 10_000)+"\n", 3, "more than 256 columns"),
	}
}

func spoiled() []Broken {
	return []Broken{
		csv("rounded-phone", head+good+"1.38E+10,0002,7,李四\n", 3, "column phone: it was rounded"),
		csv("rounded-code", "手机号,卡号\n13800138000,6.22848E+18\n", 2, "column 卡号: it was rounded"),
		csv("no-result", head+"13800138000,#N/A,66,张三\n", 2, "column code: it is the error of a formula"),
		csv("broken-reference", head+"13800138000,0001,#REF!,张三\n", 2, "column bonus: it is the error of a formula"),
		csv("narrow-column", head+"###########,0001,66,张三\n", 2, "narrow column"),
	}
}

func foreign() []Broken {
	ole := "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + strings.Repeat("\x00", 504)
	of := func(name, text, word string) Broken { return Broken{name, []byte(text), 0, word} }
	in := func(name, part, word string) Broken { return Broken{name, Zip(Part{part, "x"}), 0, word} }
	return []Broken{
		of("old.xls", ole+"W\x00o\x00r\x00k\x00b\x00o\x00o\x00k\x00", ".xls"),
		of("with-a-password.xlsx", ole+"E\x00n\x00c\x00r\x00y\x00p\x00t\x00e\x00d\x00", "password"),
		of("web-page.xls", "<html><table><tr><td>手机号</td></tr></table></html>", "HTML"),
		of("web-page-behind-blank-lines.xls", "\ufeff\r\n\r\n <!DOCTYPE html><table><tr><td>手机号</td></tr></table>", "HTML"),
		of("xml.xls", "<?xml version=\"1.0\"?><Workbook/>", "XML"),
		of("members.pdf", "%PDF-1.7\n\x00\x00", "PDF"),
		of("members.rtf", "{\\rtf1 phone}", "RTF"),
		of("members.csv.gz", "\x1f\x8b\x08\x00\x00\x00\x00\x00", "gzip"),
		of("members.rar", "Rar!\x1a\x07\x01\x00", "RAR"),
		of("members.7z", "7z\xbc\xaf\x27\x1c\x00\x04", "7z"),
		of("members.db", "SQLite format 3\x00\x10\x00", "SQLite"),
		of("screen.png", "\x89PNG\r\n\x1a\n\x00\x00", "picture"),
		of("screen.jpg", "\xff\xd8\xff\xe0\x00\x10JFIF", "picture"),
		of("array.json", "[{\"phone\":\"13800138000\"}]", "JSON array"),
		in("members.numbers", "Index/Document.iwa", "Numbers"),
		in("members.ods", "content.xml", "OpenDocument"),
		in("members.xlsb", "xl/workbook.bin", "xlsb"),
		in("members.docx", "word/document.xml", "Word"),
		in("members.zip", "members.csv", "zip archive without a workbook"),
	}
}

func books() []Broken {
	rows := Row(1, "手机号", "卡号") + Row(2, "13800138000", "0001")
	of := func(name, row3 string, line int, word string) Broken {
		return Broken{name + ".xlsx", Book(rows+row3, `<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs>`, "shared"), line, word}
	}
	whole := Book(rows, "")
	parts := Parts(rows, "")
	hidden := Parts(rows, "")
	hidden[0].Text = strings.Replace(hidden[0].Text, "sheetId", `state="hidden" sheetId`, 1)
	bomb := Parts(rows, "")
	bomb[2].Text = strings.Repeat(" ", 65<<20)
	return []Broken{
		{"half.xlsx", whole[:len(whole)/2], 0, "damaged"},
		{"flipped.xlsx", flip(whole), 0, "damaged"},
		{"without-sheet.xlsx", Zip(parts[:4]...), 0, "damaged"},
		{"hidden-sheets.xlsx", Zip(hidden...), 0, "no visible sheet"},
		{"bomb.xlsx", Zip(bomb...), 0, "larger than 64 MiB"},
		{"empty-sheet.xlsx", Book("", ""), 0, "empty"},
		{"two-headings.xlsx", Book(Row(1, "手机号", "phone"), ""), 1, "twice"},
		of("broken-xml", `<row r="3"><c><v>1</c></row>`, 3, "damaged"),
		of("cut-xml", `<row r="3"><c t="inlineStr"><is><t>`, 3, "damaged"),
		of("shared-text-missing", Row(3, `<c t="s"><v>1</v></c>`), 3, "damaged"),
		of("no-number", Row(3, `<c><v>abc</v></c>`), 3, "damaged"),
		of("no-finite-number", Row(3, `<c><v>NaN</v></c>`), 3, "(A3): it is a number of more than 15 digits"),
		of("long-number", Row(3, "13800138001", `<c><v>6228480012345678</v></c>`), 3, "column 卡号 (B3): it is a number of more than 15 digits"),
		of("rounded-text", Row(3, "1.38E+10"), 3, "column 手机号 (A3): it was rounded"),
		of("no-result", Row(3, `<c t="e"><v>#N/A</v></c>`), 3, "column 手机号 (A3): it is the error of a formula"),
		of("formula-without-result", Row(3, `<c><f>A2+1</f></c>`), 3, "column 手机号 (A3): it has a formula without its result"),
		of("no-date", Row(3, `<c s="1"><v>99999999</v></c>`), 3, "(A3): it is not a date"),
		of("far-cell", Row(3, `<c r="XFD3"><v>1</v></c>`), 3, "more than 256 columns"),
	}
}

// flip returns a zip archive in which a byte of the sheet is wrong.
func flip(archive []byte) []byte {
	out := slices.Clone(archive)
	out[bytes.LastIndex(out, []byte("PK\x03\x04"))+60] ^= 0xff
	return out
}

func objects() []Broken {
	const line1 = `{"phone":"13800138000","bonus":66}` + "\n"
	of := func(name, line2, word string) Broken { return Broken{name + ".jsonl", []byte(line1 + line2), 2, word} }
	return []Broken{
		of("no-json", "phone: 13800138001\n", "not one JSON object"),
		of("cut", `{"phone":"1380013`, "not one JSON object"),
		of("two-objects", `{"phone":"13800138001"}{"phone":"13800138002"}`, "not one JSON object"),
		of("comma-at-the-end", `{"phone":"13800138001"},`, "not one JSON object"),
		of("single-quotes", `{'phone':'13800138001'}`, "not one JSON object"),
		of("array-in-a-line", `["13800138001"]`, "not one JSON object"),
		of("null", "null", "not one JSON object"),
		of("half-a-pair", `{"phone":"13800138001","name":"\ud800"}`, "not one JSON object"),
		of("key-twice", `{"phone":"13800138001","phone":"13800138002"}`, "the key phone twice"),
		of("column-twice", `{"phone":"13800138001","手机号":"13800138002"}`, "the column phone twice, as phone and as 手机号"),
		of("object-in-a-value", `{"phone":{"number":"13800138001"}}`, "column phone: it must be a text or a number"),
		of("truth-value", `{"phone":"13800138001","bonus":true}`, "column bonus: it must be a text or a number"),
		of("exponent", `{"phone":1.3800138e10}`, "column phone: it is a number with an exponent"),
		of("rounded", `{"phone":"1.38E+10"}`, "column phone: it was rounded"),
		{"indented.jsonl", []byte("{\n  \"phone\": \"13800138000\"\n}\n"), 1, "not one JSON object"},
	}
}
