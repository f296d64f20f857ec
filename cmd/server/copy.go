package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/sqldb"
)

// copyCmd names databases also by files, because all users of the machine can see the
// arguments of a process.
type copyCmd struct {
	From     string `help:"The database to copy, in the form of DATABASE_URL, which is the default." placeholder:"URL" xor:"from"`
	FromFile string `help:"The file that has this URL (- is standard input)." placeholder:"FILE" xor:"from"`
	To       string `help:"The database to copy to, in the form of DATABASE_URL. It must be empty." placeholder:"URL" xor:"to" required:""`
	ToFile   string `help:"The file that has this URL, if it has a password (- is standard input)." placeholder:"FILE" xor:"to" required:""`
}

func (c copyCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	from, to, err := c.urls(g, streams)
	if err != nil {
		return err
	}
	began := time.Now()
	tables, err := sqldb.Copy(ctx, from, to, showCopy(streams))
	switch {
	case err != nil && ctx.Err() != nil:
		return errors.New("interrupted; repeat the command to continue")
	case err != nil:
		return err
	}
	streams.Messagef("both databases have the same rows, after %s; set DATABASE_URL to the new one and start the server",
		time.Since(began).Round(time.Second))
	return printCopied(streams.Out, tables)
}

// urls returns the URLs of both databases. An error quotes neither.
func (c copyCmd) urls(g *globals, streams command.Streams) (from, to string, err error) {
	if c.FromFile == "-" && c.ToFile == "-" {
		return "", "", command.Usagef("the two URLs cannot both come from standard input")
	}
	if from, err = urlOf("--from", c.From, c.FromFile, streams); err != nil {
		return "", "", err
	}
	if to, err = urlOf("--to", c.To, c.ToFile, streams); err != nil {
		return "", "", err
	}
	if from == "" {
		cfg, err := g.config()
		if err != nil {
			return "", "", err
		}
		from = string(cfg.DatabaseURL)
	}
	if from == to {
		return "", "", command.Usagef("--from and --to are the same database")
	}
	return from, to, nil
}

func urlOf(flag, value, file string, streams command.Streams) (string, error) {
	if file != "" {
		in, err := openInput(file, streams)
		if err != nil {
			return "", err
		}
		defer func() { _ = in.Close() }()
		if value, err = readText(in); err != nil {
			return "", command.Usagef("read %s-file: %w", flag, err)
		}
		value = cmp.Or(value, "an empty file")
	}
	if value != "" && sqldb.CheckURL(value) != nil {
		return "", command.Usagef("%s must be sqlite:PATH or postgres://user:password@host:port/database", flag)
	}
	return value, nil
}

// showCopy returns a function that prints how far a copy is, every few seconds.
func showCopy(streams command.Streams) func(sqldb.CopyStep) {
	show := doing(streams)
	return func(s sqldb.CopyStep) {
		what := "copied"
		if s.Comparing {
			what = "compared"
		}
		show(fmt.Sprintf("%s: %d of %d rows %s", s.Table, s.Done, s.Total, what))
	}
}

func printCopied(w io.Writer, tables []sqldb.CopiedTable) error {
	t := newTable(w)
	var rows int64
	for _, c := range tables {
		rows += c.Rows
		switch {
		case c.Name == "entry" || c.Name == "member_card":
			t.row("%s\t%d rows\tbonus %d, balance %s", c.Name, c.Rows, c.Bonus, yuan(c.Balance))
		case c.Rows > 0:
			t.row("%s\t%d rows", c.Name, c.Rows)
		}
	}
	t.row("all\t%d rows", rows)
	return t.flush()
}
