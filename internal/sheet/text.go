package sheet

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

const byteOrderMark = "\xef\xbb\xbf"

// text reads the lines of a text, which end with LF, CR LF or CR.
type text struct {
	lines   *bufio.Scanner
	number  int    // of the last line, from 1
	pending string // the first line that is not blank, before it is read
}

// newText returns a text in UTF-8 of the bytes of in, which begins with head. It reads
// all of in to check it.
func newText(in *io.SectionReader, head []byte) (*text, error) {
	if bytes.HasPrefix(head, []byte(byteOrderMark)) {
		in = io.NewSectionReader(in, int64(len(byteOrderMark)), in.Size())
	}
	encoding, err := detect(in, head)
	if err != nil {
		return nil, err
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	var out io.Reader = in
	if encoding != nil {
		out = transform.NewReader(in, encoding.NewDecoder())
	}
	t := &text{lines: bufio.NewScanner(out)}
	t.lines.Buffer(make([]byte, 0, 4096), maxLine)
	t.lines.Split(splitLine)
	return t, nil
}

// splitLine is a bufio.SplitFunc.
func splitLine(data []byte, atEOF bool) (advance int, line []byte, err error) {
	i := bytes.IndexAny(data, "\r\n")
	switch {
	case i < 0 && atEOF && len(data) > 0:
		return len(data), data, nil
	case i < 0, data[i] == '\r' && i+1 == len(data) && !atEOF:
		return 0, nil, nil // more is needed
	case data[i] == '\r' && i+1 < len(data) && data[i+1] == '\n':
		return i + 2, data[:i], nil
	}
	return i + 1, data[:i], nil
}

// next returns the next line, without its end. The error is io.EOF, a FileError or one
// of the file.
func (t *text) next() (string, error) {
	if line := t.pending; line != "" {
		t.pending = ""
		return line, nil
	}
	if t.lines.Scan() {
		t.number++
		return t.lines.Text(), nil
	}
	switch err := t.lines.Err(); {
	case err == nil:
		return "", io.EOF
	case errors.Is(err, bufio.ErrTooLong):
		return "", &FileError{Line: t.number + 1, Reason: fmt.Sprintf("is longer than %d KiB", maxLine>>10)}
	default:
		return "", fmt.Errorf("read the file: %w", err)
	}
}

// first returns the first line that is not blank, which next will return.
func (t *text) first() ([]byte, error) {
	for {
		line, err := t.next()
		if errors.Is(err, io.EOF) {
			return nil, &FileError{Reason: "is empty"}
		}
		if err != nil {
			return nil, err
		}
		if trimmed := trim(line); trimmed != "" {
			t.pending = line
			return []byte(trimmed), nil
		}
	}
}

// detect returns the encoding of in, or nil for UTF-8.
func detect(in io.Reader, head []byte) (encoding.Encoding, error) {
	name, enc := "UTF-16", encoding.Encoding(nil)
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		enc = unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM)
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		enc = unicode.UTF16(unicode.BigEndian, unicode.ExpectBOM)
	case highZeros(head, 1):
		enc = unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM)
	case highZeros(head, 0):
		enc = unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM)
	default:
		found, err := survey(in)
		switch {
		case err != nil:
			return nil, err
		case found.nul > 0:
			return nil, &FileError{Line: found.nul, Reason: "has NUL bytes: it is no text"}
		case found.invalid == 0:
			return nil, nil //nolint:nilnil // UTF-8
		case found.wide >= found.invalid, bytes.HasPrefix(head, []byte(byteOrderMark)):
			return nil, &FileError{Line: found.bad, Reason: "is not UTF-8, and other lines are: the file is damaged, or was put together from two"}
		}
		name, enc = "neither UTF-8 nor GBK", simplifiedchinese.GB18030
		if _, err := in.(io.Seeker).Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
	}
	found, err := survey(transform.NewReader(in, enc.NewDecoder()))
	if err != nil {
		return nil, err
	}
	if line := max(found.replaced, found.nul); line > 0 {
		if name == "UTF-16" {
			name = "not valid UTF-16"
		}
		return nil, &FileError{Line: line, Reason: "is " + name + ": save the file as UTF-8"}
	}
	return enc, nil
}

// highZeros reports whether head is UTF-16 without a mark: a tenth of its bytes and more
// are 0, as the high bytes of Latin letters and digits, which are at offsets that are all
// even (0) or all odd (1).
func highZeros(head []byte, odd int) bool {
	zeros := 0
	for i, b := range head {
		if b != 0 {
			continue
		}
		if i%2 != odd {
			return false
		}
		zeros++
	}
	return zeros > 0 && zeros >= len(head)/10
}

// findings are what a survey of a text in UTF-8 found. Those that are lines are the
// first, or 0.
type findings struct {
	bad, replaced, nul int // lines with invalid UTF-8, with U+FFFD or a private character, and with NUL
	invalid, wide      int // the numbers of invalid bytes, and of characters of 3 bytes and more
}

// survey reads a text to its end.
func survey(in io.Reader) (findings, error) {
	var f findings
	note := func(first *int, line int) {
		if *first == 0 {
			*first = line
		}
	}
	text, line, last := bufio.NewReader(in), 1, rune(0)
	for {
		r, size, err := text.ReadRune()
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		if err != nil {
			return f, fmt.Errorf("read the file: %w", err)
		}
		switch {
		case r == '\r', r == '\n' && last != '\r':
			line++
		case r == 0:
			note(&f.nul, line)
		case r == utf8.RuneError && size == 1:
			f.invalid++
			note(&f.bad, line)
		case r == utf8.RuneError, r >= 0xe000 && r <= 0xf8ff: // GBK has no character there
			note(&f.replaced, line)
		}
		if size >= 3 {
			f.wide++
		}
		last = r
	}
}
