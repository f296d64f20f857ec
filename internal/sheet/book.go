package sheet

import (
	"archive/zip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
)

// The sizes of a workbook's parts, unzipped, in bytes. A sheet is not kept in memory.
const (
	maxSheet  = 1 << 30
	maxTexts  = 64 << 20
	maxIndex  = 16 << 20
	mostTexts = 2 << 20 // the largest number of texts
)

// workbook is a workbook that is being read. Not excelize reads it, because its Rows
// drop the types of cells, and end at broken XML as at the end of the sheet.
type workbook struct {
	files    *zip.Reader
	texts    []string // that cells share
	styles   []style
	date1904 bool
}

// style is how the number in a cell is shown.
type style struct {
	date bool
	pad  int // the least number of digits
}

// newBookReader is NewReader for XLSX.
func newBookReader(in io.ReaderAt, size int64, o Options) (*Reader, error) {
	files, err := zip.NewReader(in, size)
	if err != nil {
		return nil, &FileError{Reason: "is a damaged workbook (XLSX), perhaps cut: copy or download it again"}
	}
	if reason := foreignZip(files); reason != "" {
		return nil, &FileError{Reason: reason}
	}
	b := &workbook{files: files}
	part, others, err := b.open(o.Sheet)
	if err != nil {
		return nil, err
	}
	rows, err := b.sheet(part)
	if err != nil {
		return nil, err
	}
	table, err := newTable(rows, o)
	if err != nil {
		return nil, err
	}
	return &Reader{lines: table, sheets: others}, nil
}

// foreignZip returns what a zip archive is that is no XLSX.
func foreignZip(files *zip.Reader) string {
	reason := "is a zip archive without a workbook: unpack it first"
	for _, f := range files.File {
		switch {
		case f.Name == "xl/workbook.xml":
			return ""
		case strings.HasSuffix(f.Name, ".iwa"), f.Name == "Index.zip":
			reason = "is a document of Apple Numbers: export it as Excel (.xlsx) or CSV"
		case f.Name == "xl/workbook.bin":
			reason = "is a binary workbook (.xlsb): save it as .xlsx"
		case f.Name == "content.xml":
			reason = "is an OpenDocument (.ods): save it as .xlsx"
		case strings.HasPrefix(f.Name, "word/"):
			reason = "is a Word document: copy the table into a spreadsheet and save it as .xlsx"
		}
	}
	return reason
}

// damaged is the error for a part that is not as it must be.
func damaged(part string) error {
	return &FileError{Reason: fmt.Sprintf("is a damaged workbook (%s): open it with a spreadsheet and save it again", part)}
}

// part opens a part of the workbook. It checks the part's size and checksum first.
func (b *workbook) part(name string, most int64) (io.ReadCloser, error) {
	f, err := b.files.Open(name)
	if err != nil {
		return nil, damaged(name)
	}
	n, err := io.Copy(io.Discard, io.LimitReader(f, most+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, damaged(name)
	}
	if n > most {
		return nil, &FileError{Reason: fmt.Sprintf("is larger than %d MiB when it is unzipped (%s)", most>>20, name)}
	}
	return b.files.Open(name)
}

// decode decodes a part.
func (b *workbook) decode(name string, into any) error {
	f, err := b.part(name, maxIndex)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := newDecoder(f).Decode(into); err != nil {
		return damaged(name)
	}
	return nil
}

// open reads what cells refer to. It returns the part of a sheet, or that of the first
// visible one, and the names of the other visible sheets.
func (b *workbook) open(name string) (part string, others []string, err error) {
	var book struct {
		Properties struct {
			Date1904 bool `xml:"date1904,attr"`
		} `xml:"workbookPr"`
		Sheets []struct {
			Name  string `xml:"name,attr"`
			State string `xml:"state,attr"`
			ID    string `xml:"id,attr"`
		} `xml:"sheets>sheet"`
	}
	if err := b.decode("xl/workbook.xml", &book); err != nil {
		return "", nil, err
	}
	links, err := b.links()
	if err != nil {
		return "", nil, err
	}
	if err := b.readTexts(links["sharedStrings"]); err != nil {
		return "", nil, err
	}
	if err := b.readStyles(links["styles"]); err != nil {
		return "", nil, err
	}
	b.date1904 = book.Properties.Date1904
	id := ""
	for _, s := range book.Sheets {
		visible := s.State == "" || s.State == "visible"
		if id == "" && (s.Name == name || name == "" && visible) {
			id = s.ID
		} else if visible {
			others = append(others, s.Name)
		}
	}
	switch {
	case id == "" && name == "":
		return "", nil, &FileError{Reason: "has no visible sheet: name one", Unclear: true}
	case id == "":
		return "", nil, &FileError{Reason: fmt.Sprintf("has no sheet %s; it has %s", name, strings.Join(others, ", ")), Unclear: true}
	}
	if links[id] == "" {
		return "", nil, damaged(linksPart)
	}
	return links[id], others, nil
}

const linksPart = "xl/_rels/workbook.xml.rels"

// links returns the names of the parts, by their identifiers and by their types.
func (b *workbook) links() (map[string]string, error) {
	var list struct {
		Links []struct {
			ID     string `xml:"Id,attr"`
			Type   string `xml:"Type,attr"`
			Target string `xml:"Target,attr"`
		} `xml:"Relationship"`
	}
	if err := b.decode(linksPart, &list); err != nil {
		return nil, err
	}
	links := map[string]string{}
	for _, l := range list.Links {
		target, absolute := strings.CutPrefix(l.Target, "/")
		if !absolute {
			target = path.Join("xl", target)
		}
		links[path.Base(l.Type)], links[l.ID] = target, target
	}
	return links, nil
}

// readTexts reads the texts that cells share.
func (b *workbook) readTexts(name string) error {
	if name == "" {
		return nil
	}
	f, err := b.part(name, maxTexts)
	if err != nil {
		return err
	}
	defer f.Close()
	d := newDecoder(f)
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return damaged(name)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "si" {
			var t richText
			if err := d.DecodeElement(&t, &start); err != nil || len(b.texts) == mostTexts {
				return damaged(name)
			}
			b.texts = append(b.texts, t.String())
		}
	}
}

// richText is a text, perhaps of several runs.
type richText struct {
	Text string   `xml:"t"`
	Runs []string `xml:"r>t"`
}

// escaped is a character that XML cannot have, as a workbook writes it.
var escaped = regexp.MustCompile(`_x[0-9A-Fa-f]{4}_`)

func (t richText) String() string { return unescape(t.Text + strings.Join(t.Runs, "")) }

func unescape(text string) string {
	if !strings.Contains(text, "_x") {
		return text
	}
	return escaped.ReplaceAllStringFunc(text, func(code string) string {
		var r rune
		_, _ = fmt.Sscanf(code, "_x%04x_", &r) // it has the form
		return string(r)
	})
}

var (
	// noDate are the parts of a format that are text, colours or conditions.
	noDate = regexp.MustCompile(`"[^"]*"|\[[^\]]*\]|\\.|_.`)
	zeros  = regexp.MustCompile(`^0{2,}$`)
)

// readStyles reads how numbers are shown.
func (b *workbook) readStyles(name string) error {
	if name == "" {
		return nil
	}
	var sheet struct {
		Formats []struct {
			ID   int    `xml:"numFmtId,attr"`
			Code string `xml:"formatCode,attr"`
		} `xml:"numFmts>numFmt"`
		Styles []struct {
			Format int `xml:"numFmtId,attr"`
		} `xml:"cellXfs>xf"`
	}
	if err := b.decode(name, &sheet); err != nil {
		return err
	}
	codes := map[int]string{}
	for _, f := range sheet.Formats {
		codes[f.ID] = f.Code
	}
	for _, s := range sheet.Styles {
		code := codes[s.Format]
		st := style{date: strings.ContainsAny(noDate.ReplaceAllString(code, ""), "ymdhsYMDHS年月日")}
		if slices.Contains(dateFormats, s.Format) && code == "" {
			st.date = true
		}
		if zeros.MatchString(code) {
			st.pad = len(code)
		}
		b.styles = append(b.styles, st)
	}
	return nil
}

// dateFormats are the formats of dates and times that each spreadsheet has, with those
// of the Chinese ones.
var dateFormats = []int{
	14, 15, 16, 17, 18, 19, 20, 21, 22, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 45, 46, 47,
	50, 51, 52, 53, 54, 55, 56, 57, 58,
}
