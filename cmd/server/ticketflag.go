package main

import (
	"errors"
	"io"
	"os"
	"strings"

	"github.com/addcard/addcard/cmd/internal/command"
)

// ticketFlag says where the api_ticket comes from. It is a file and not a
// value, because arguments can be seen by everybody on the machine.
type ticketFlag struct {
	TicketFile string `help:"Use the api_ticket in this file (- is standard input) instead of the one this deployment shares." placeholder:"FILE"`
}

// read returns the ticket without the line end behind it.
func (f ticketFlag) read(streams command.Streams) (string, error) {
	in := streams.In
	if f.TicketFile != "-" {
		file, err := os.Open(f.TicketFile)
		if err != nil {
			return "", command.Usagef("read the ticket: %w", err)
		}
		defer func() { _ = file.Close() }()
		in = file
	}
	ticket, err := readText(in)
	if err == nil && ticket == "" {
		err = errors.New("it is empty")
	}
	if err != nil {
		return "", command.Usagef("read the ticket: %w", err)
	}
	return ticket, nil
}

// readText reads a short text and drops the line end behind it.
func readText(r io.Reader) (string, error) {
	const most = 64 << 10
	raw, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && len(raw) > most {
		err = errors.New("it is longer than 64 KiB")
	}
	return strings.TrimRight(string(raw), "\r\n"), err
}
