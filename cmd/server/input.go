package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/tailscale/hujson"

	"github.com/addcard/addcard/cmd/internal/command"
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

// readText returns a text of at most 64 KiB without the line end after it.
func readText(r io.Reader) (string, error) {
	const maxSize = 64 << 10
	raw, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err == nil && len(raw) > maxSize {
		err = errors.New("it is longer than 64 KiB")
	}
	return strings.TrimRight(string(raw), "\r\n"), err
}

var byteOrderMark = []byte("\ufeff")

// readJSON returns the JSON at path, which may contain comments. When the JSON is
// an object with the single field wrapper, readJSON returns that field's value, so
// that a whole body of WeChat's is accepted, too.
func readJSON(path, wrapper string, streams command.Streams) (json.RawMessage, error) {
	const maxSize = 8 << 20
	in, err := openInput(path, streams)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }()
	text, err := io.ReadAll(io.LimitReader(in, maxSize+1))
	if err != nil {
		return nil, command.Usagef("read %s: %w", path, err)
	}
	raw, err := hujson.Standardize(bytes.TrimPrefix(text, byteOrderMark))
	if err != nil || len(text) > maxSize {
		return nil, command.Usagef("%s is not JSON of at most 8 MiB: %w", path, err)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, command.Usagef("%s must contain a JSON object: %w", path, err)
	}
	if inner, ok := fields[wrapper]; ok && len(fields) == 1 {
		return inner, nil
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
