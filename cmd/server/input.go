package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tailscale/hujson"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/sheet"
)

// openInput opens the file at path, or standard input for "-". The caller must
// close it.
func openInput(path string, streams command.Streams) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(streams.In), nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, command.Usagef("%w", err)
	}
	return f, nil
}

// tableFile is the file of a table. The caller must close it.
type tableFile struct {
	io.ReaderAt
	io.Closer
	size int64
}

// openTable opens a file where it is. What is no file, such as a pipe or standard input
// for "-", it reads into memory, up to one byte more than a table may have.
func openTable(path string, streams command.Streams) (tableFile, error) {
	in, err := openInput(path, streams)
	if err != nil {
		return tableFile{}, err
	}
	if f, ok := in.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			return tableFile{f, f, info.Size()}, nil
		}
	}
	text, err := io.ReadAll(io.LimitReader(in, sheet.MaxSize+1))
	if err = errors.Join(err, in.Close()); err != nil {
		return tableFile{}, command.Usagef("read %s: %w", path, err)
	}
	return tableFile{bytes.NewReader(text), io.NopCloser(nil), int64(len(text))}, nil
}

// asTableError returns err as an error of usage if it is about the file at path.
func asTableError(path string, err error) error {
	var file *sheet.FileError
	switch {
	case errors.As(err, &file) && file.Unclear:
		return command.Usagef("read %s: %w; say which with --column or --sheet", path, err)
	case errors.As(err, &file):
		return command.Usagef("read %s: %w", path, err)
	}
	return err
}

// readText returns a text of at most 64 KiB without a byte order mark and without
// the line end after it.
func readText(r io.Reader) (string, error) {
	const maxSize = 64 << 10
	raw, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err == nil && len(raw) > maxSize {
		err = errors.New("it is longer than 64 KiB")
	}
	return strings.TrimRight(strings.TrimPrefix(string(raw), byteOrderMark), "\r\n"), err
}

const byteOrderMark = "\ufeff"

// checkUTF16 returns an error for a text in UTF-16, which Excel and PowerShell
// write.
func checkUTF16(text []byte) error {
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) || bytes.IndexByte(text, 0) >= 0 {
		return errors.New("it is UTF-16, or has NUL bytes: save it as UTF-8")
	}
	return nil
}

// checkUTF8 returns an error for a text that is not UTF-8.
func checkUTF8(text []byte) error {
	if err := checkUTF16(text); err != nil || utf8.Valid(text) {
		return err
	}
	line := 1
	for len(text) > 0 && utf8.FullRune(text) {
		r, size := utf8.DecodeRune(text)
		if r == utf8.RuneError && size == 1 {
			break
		}
		if r == '\n' {
			line++
		}
		text = text[size:]
	}
	return fmt.Errorf("line %d is not UTF-8; if the file is in GBK (ANSI), save it as UTF-8", line)
}

// readJSON returns the JSON at path, which may contain comments.
func readJSON(path string, streams command.Streams) (json.RawMessage, error) {
	const maxSize = 8 << 20
	in, err := openInput(path, streams)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	text, err := io.ReadAll(io.LimitReader(in, maxSize+1))
	if err == nil && len(text) > maxSize {
		err = errors.New("it is larger than 8 MiB")
	}
	if err == nil {
		err = checkUTF8(text)
	}
	if err != nil {
		return nil, command.Usagef("read %s: %w", path, err)
	}
	raw, err := hujson.Standardize(bytes.TrimPrefix(text, []byte(byteOrderMark)))
	if err != nil {
		return nil, command.Usagef("%s is not JSON: %w", path, err)
	}
	return raw, nil
}

// ticketFlag selects the api_ticket. It names a file, because all users of the
// machine can see the arguments of a process.
type ticketFlag struct {
	TicketFile string `help:"Use the api_ticket in this file (- is standard input), not the deployment's shared one." placeholder:"FILE"`
}

// read returns the ticket in the file.
func (f ticketFlag) read(streams command.Streams) (string, error) {
	in, err := openInput(f.TicketFile, streams)
	var ticket string
	if err == nil {
		defer func() { _ = in.Close() }()
		ticket, err = readText(in)
	}
	if err == nil && ticket == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", command.Usagef("read the ticket: %w", err)
	}
	return ticket, nil
}

// isText reports whether s is one line of at most most bytes.
func isText(s string, most int) bool {
	return len(s) <= most && utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// mayGoOn returns nil if a person at the terminal answers the question with yes. what
// is the reason for the question. Without a terminal the answer is no, and the error
// says how to confirm.
func mayGoOn(streams command.Streams, what, question, how string) error {
	if in, ok := streams.In.(*os.File); ok && command.IsTerminal(in) {
		streams.Messagef("%s", what)
		if confirm(streams, question) {
			return nil
		}
	}
	return command.Usagef("nothing was done: %s; %s", what, how)
}

// confirm asks a question and reports whether the answer is yes. No answer is no.
func confirm(streams command.Streams, question string) bool {
	_, _ = fmt.Fprintf(streams.Err, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(streams.In).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true
	}
	return false
}
