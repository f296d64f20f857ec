package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/sqldb"
)

type backupCmd struct {
	To string `arg:"" optional:"" default:"." help:"A new file, or a directory, in which the name has the time." placeholder:"FILE|DIR"`
}

func (c backupCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	cfg, err := g.config()
	if err != nil {
		return err
	}
	began, path := time.Now(), sqldb.BackupName(c.To, time.Now())
	tables, err := sqldb.Backup(ctx, string(cfg.DatabaseURL), path, doing(streams))
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted; nothing was written")
	case errors.Is(err, os.ErrExist):
		return command.Usagef("%w: name another file, or a directory", err)
	case err != nil:
		return err
	}
	streams.Messagef("backed up, and checked, after %s", time.Since(began).Round(time.Second/10))
	if err := printCopied(streams.Err, tables); err != nil {
		return err
	}
	_, err = fmt.Fprintln(streams.Out, path)
	return err
}

// doing returns a function that prints what a command is doing, every few seconds.
func doing(streams command.Streams) func(doing string) {
	shown := time.Now()
	return func(doing string) {
		if time.Since(shown) > 2*time.Second {
			shown = time.Now()
			streams.Messagef("%s", doing)
		}
	}
}

type restoreCmd struct {
	File string `arg:"" help:"The backup, or another copy of a SQLite database of addcard."`
	Yes  bool   `help:"Replace a database without a question."`
}

func (c restoreCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	cfg, err := g.config()
	if err != nil {
		return err
	}
	if path, ok := strings.CutPrefix(string(cfg.DatabaseURL), "sqlite:"); ok && !c.Yes {
		if _, err := os.Stat(path); err == nil {
			return command.Usagef("nothing was done: there is a database at %s; confirm with --yes that it is replaced, "+
				"and kept under another name", path)
		}
	}
	r, err := sqldb.Restore(ctx, c.File, string(cfg.DatabaseURL), doing(streams))
	if ctx.Err() != nil {
		return errors.New("interrupted; the database is as it was")
	}
	if err != nil {
		return err
	}
	if err := printCopied(streams.Out, r.Tables); err != nil {
		return err
	}
	if !r.Summed {
		streams.Messagef("the file has no sums, because server backup did not write it: only its structure was checked")
	}
	if !r.CopiedAt.IsZero() {
		streams.Messagef("it was made at %s, %s ago", r.CopiedAt.Format(time.DateTime), time.Since(r.CopiedAt).Round(time.Second))
	}
	if r.Replaced != "" {
		streams.Messagef("the database that was there is now %s", r.Replaced)
	}
	streams.Messagef("restored; start the server, which begins the recovery, and run server recover status")
	return nil
}
