package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/importer"
	"github.com/addcard/addcard/internal/sheet"
)

type memberImportCmd struct {
	File        string            `arg:"" help:"CSV, XLSX or JSON lines, with headings in English or Chinese; - reads standard input."`
	Card        string            `help:"The card_id; may be omitted if the shop has one card." placeholder:"CARD_ID"`
	DryRun      bool              `help:"Say what would happen to each line, and change nothing."`
	SkipRefused bool              `help:"Import the other lines of a file of which some cannot be imported."`
	BalanceIn   importer.Unit     `enum:",yuan,fen" default:"" help:"The unit of the balances, if their heading does not say it: yuan or fen."`
	Column      map[string]string `help:"The heading of a column, as in --column phone=会员电话." placeholder:"COLUMN=HEADING"`
	Sheet       string            `help:"The sheet of a workbook; the first visible one by default." placeholder:"NAME"`
	Name        string            `help:"With the key of a line it identifies the line; the name of the file by default." placeholder:"NAME"`
	Report      string            `help:"The file for what became of each line; FILE.report.csv by default." type:"path" placeholder:"FILE"`
	Calls       int               `default:"50000" help:"The most calls of WeChat, for lines with openid and code, in this run."`
	JSON        bool              `name:"json" help:"Print the counts as JSON."`

	holders bool // each line is a card in a wallet
}

type cardAdoptCmd struct {
	ID      string            `arg:"" help:"The card_id."`
	Holders string            `required:"" help:"CSV, XLSX or JSON lines with the column code and, as a check, openid; - reads standard input." placeholder:"FILE"`
	DryRun  bool              `help:"Check the file, and neither call WeChat nor change anything."`
	Column  map[string]string `help:"The heading of a column, as in --column code=卡号." placeholder:"COLUMN=HEADING"`
	Sheet   string            `help:"The sheet of a workbook; the first visible one by default." placeholder:"NAME"`
	Name    string            `help:"With the code of a line it identifies the line; the name of the file by default." placeholder:"NAME"`
	Report  string            `help:"The file for what became of each line; FILE.report.csv by default." type:"path" placeholder:"FILE"`
	Calls   int               `default:"50000" help:"The most calls of WeChat in this run; one for each card."`
	JSON    bool              `name:"json" help:"Print the counts as JSON."`
}

func (c cardAdoptCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	return memberImportCmd{
		File: c.Holders, Card: c.ID, DryRun: c.DryRun, SkipRefused: true, Column: c.Column, Sheet: c.Sheet, Name: c.Name, Report: c.Report,
		Calls: c.Calls, JSON: c.JSON, holders: true,
	}.Run(ctx, g, streams)
}

func (c memberImportCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	if c.File == "-" && (c.Name == "" || c.Report == "") {
		return command.Usagef("--name and --report are required with standard input")
	}
	c.Name, c.Report = cmp.Or(c.Name, filepath.Base(c.File)), cmp.Or(c.Report, c.File+".report.csv")
	if c.Calls < 1 {
		return command.Usagef("--calls: must be 1 or more")
	}
	for column := range c.Column {
		if !isImported(column) {
			return command.Usagef("--column: there is no column %s", column)
		}
	}
	file, err := openTable(c.File, streams)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if c.DryRun {
		return g.withCore(ctx, streams, func(core *app.Core) error { return c.run(ctx, core, streams, file) })
	}
	return g.withRecord(ctx, streams, "importMembers", audit.Target{CardID: c.Card}, func(ctx context.Context, core *app.Core) error {
		return c.run(ctx, core, streams, file)
	})
}

func isImported(column string) bool {
	for _, c := range importer.Columns {
		if c.Name == column {
			return true
		}
	}
	return false
}

func (c memberImportCmd) run(ctx context.Context, core *app.Core, streams command.Streams, file tableFile) error {
	cardID, err := c.card(ctx, core)
	if err != nil {
		return err
	}
	var results []importer.Result
	var progress *progress
	counts, err := core.Imports.Import(ctx, file, file.size, importer.Options{
		Name: c.Name, CardID: cardID, Actor: cliActor(), DryRun: c.DryRun, SkipRefused: c.SkipRefused, Unit: c.BalanceIn,
		Headings: c.Column, Sheet: c.Sheet, Holders: c.holders, Calls: c.Calls,
	}, func(some []importer.Result, all int) {
		if progress == nil {
			progress = newProgress(streams, all)
		}
		progress.add(len(some))
		results = append(results, some...)
	})
	if progress == nil {
		if errors.Is(err, importer.ErrNoKeys) {
			return command.Usagef("%s: %w", c.File, err)
		}
		return asTableError(c.File, err)
	}
	progress.end()
	audit.Note(ctx, "imported", nil, counts.Waiting+counts.Joined)
	return c.finish(ctx, streams, counts, results, err)
}

// card returns the card that is imported to.
func (c memberImportCmd) card(ctx context.Context, core *app.Core) (string, error) {
	if c.Card != "" {
		return c.Card, nil
	}
	cards, err := core.Operator.List(ctx)
	if err != nil {
		return "", err
	}
	var ids []string
	for _, one := range cards {
		ids = append(ids, fmt.Sprintf("%s (%s)", one.ID, one.Title))
	}
	if len(cards) == 1 {
		return cards[0].ID, nil
	}
	return "", command.Usagef("--card is required: the shop has %d cards: %s", len(cards), strings.Join(ids, ", "))
}

// finish writes the report and returns what the command ends with. failed is the error
// that stopped the import, if any.
func (c memberImportCmd) finish(
	ctx context.Context, streams command.Streams, counts importer.Counts, results []importer.Result, failed error,
) error {
	err := replaceFile(c.Report, func(f *os.File) error {
		w := sheet.NewWriter(f)
		if err := w.Row("line", "outcome", "column", "reason", "account_id"); err != nil {
			return err
		}
		for _, r := range results {
			if err := w.Row(int64(r.Line), r.Outcome, r.Column, r.Reason, r.Account); err != nil {
				return err
			}
		}
		return w.Flush()
	})
	if err != nil {
		return errors.Join(failed, err)
	}
	streams.Messagef("wrote %s", c.Report)
	if err := c.print(streams, counts); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted; run it again to continue")
	case errors.Is(failed, importer.ErrRefused):
		return command.Usagef("%w; correct the lines, or import the others with --skip-refused", failed)
	case failed == nil && counts.Refused > 0:
		return command.ErrReported
	}
	return failed
}

func (c memberImportCmd) print(streams command.Streams, n importer.Counts) error {
	if c.JSON {
		return printJSON(streams.Out, map[string]any{
			"dry_run": c.DryRun, "lines": n.Lines, "waiting": n.Waiting, "joined": n.Joined, "unchanged": n.Unchanged,
			"refused": n.Refused, "report": c.Report,
		})
	}
	what := ""
	if c.DryRun {
		what = "nothing was changed; would be "
	}
	_, err := fmt.Fprintf(streams.Out, "%swaiting %d, joined %d, unchanged %d, refused %d\n",
		what, n.Waiting, n.Joined, n.Unchanged, n.Refused)
	return err
}
