// Package sheettest has files for tests of what reads them: workbooks made by hand, and
// broken files of all kinds.
package sheettest

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
)

// Part is a file of a zip archive.
type Part struct{ Name, Text string }

// Zip returns a zip archive.
func Zip(parts ...Part) []byte {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, p := range parts {
		w, err := z.Create(p.Name)
		if err == nil {
			_, err = io.WriteString(w, p.Text)
		}
		if err != nil {
			panic(err) // a buffer has none
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// Book returns a workbook with one sheet. rows is the content of its sheetData, texts are
// the texts that cells share (t="s"), and styles is the content of its styleSheet.
func Book(rows, styles string, texts ...string) []byte { return Zip(Parts(rows, styles, texts...)...) }

// Parts returns the parts of a Book; the last is the sheet.
func Parts(rows, styles string, texts ...string) []Part {
	const (
		head = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
		main = ` xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"`
		kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	)
	shared := ""
	for _, t := range texts {
		shared += "<si><t>" + t + "</t></si>"
	}
	return []Part{
		{"xl/workbook.xml", head + `<workbook` + main + ` xmlns:r="` + kind + `">` +
			`<sheets><sheet name="会员" sheetId="1" r:id="rId1"/></sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", head + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` +
			`<Relationship Id="rId1" Type="` + kind + `/worksheet" Target="worksheets/sheet1.xml"/>` +
			`<Relationship Id="rId2" Type="` + kind + `/sharedStrings" Target="sharedStrings.xml"/>` +
			`<Relationship Id="rId3" Type="` + kind + `/styles" Target="/xl/styles.xml"/></Relationships>`},
		{"xl/sharedStrings.xml", head + `<sst` + main + `>` + shared + `</sst>`},
		{"xl/styles.xml", head + `<styleSheet` + main + `>` + styles + `</styleSheet>`},
		{"xl/worksheets/sheet1.xml", head + `<worksheet` + main + `><sheetData>` + rows + `</sheetData></worksheet>`},
	}
}

// Row returns a row of a sheet. Its cells are elements, or texts, which become inline
// strings.
func Row(number int, cells ...string) string {
	var out strings.Builder
	fmt.Fprintf(&out, `<row r="%d">`, number)
	for _, c := range cells {
		if !strings.HasPrefix(c, "<c") {
			c = `<c t="inlineStr"><is><t>` + c + `</t></is></c>`
		}
		out.WriteString(c)
	}
	out.WriteString("</row>")
	return out.String()
}

// utf16LE returns a text in UTF-16 with a byte order mark.
func utf16LE(text string) []byte {
	out := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, unit)
	}
	return out
}
