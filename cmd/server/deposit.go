package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/sheet"
)

type cardDepositCmd struct {
	ID      string `arg:"" help:"The card_id of a card with deposited codes."`
	File    string `arg:"" help:"CSV, XLSX, JSON lines, or one code in each line; - reads standard input."`
	Column  string `help:"The heading of the column with the codes; its number in a file without headings." placeholder:"HEADING"`
	Sheet   string `help:"The sheet of a workbook; the first visible one by default." placeholder:"NAME"`
	Results string `help:"The file for the result of each code; FILE.results.csv by default." type:"path" placeholder:"FILE"`
	JSON    bool   `name:"json" help:"Print the counts as JSON."`
}

func (c cardDepositCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	codes, err := c.codes(streams)
	if err != nil {
		return err
	}
	if c.Results == "" && c.File == "-" {
		return command.Usagef("--results is required with standard input")
	}
	c.Results = cmp.Or(c.Results, c.File+".results.csv")
	progress := newProgress(streams, len(codes))
	var results []card.CodeResult
	on := audit.Target{CardID: c.ID}
	err = g.changing(ctx, streams, "deposit", on, func(ctx context.Context, o *card.Operator) (err error) {
		results, err = o.Deposit(ctx, c.ID, codes, func(batch []card.CodeResult) { progress.add(len(batch)) })
		return err
	})
	if results == nil {
		return err
	}
	progress.end()
	return c.finish(ctx, streams, results, err)
}

// finish writes the results and returns what the command ends with. failed is the
// error that stopped the deposit, if any.
func (c cardDepositCmd) finish(ctx context.Context, streams command.Streams, results []card.CodeResult, failed error) error {
	if err := writeResults(c.Results, results); err != nil {
		return err
	}
	streams.Messagef("wrote %s", c.Results)
	count := map[string]int{}
	for _, r := range results {
		count[r.Result]++
	}
	if err := c.print(streams, count); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted; run it again to continue and to raise the stock")
	case failed == nil && count[card.Refused]+count[card.Failed] > 0:
		return command.ErrReported
	}
	return failed
}

func (c cardDepositCmd) print(streams command.Streams, count map[string]int) error {
	if c.JSON {
		return printJSON(streams.Out, map[string]any{
			"deposited": count[card.Deposited], "duplicate": count[card.Duplicate],
			"refused": count[card.Refused], "failed": count[card.Failed], "results": c.Results,
		})
	}
	_, err := fmt.Fprintf(streams.Out, "deposited %d, duplicate %d, refused %d, failed %d\n",
		count[card.Deposited], count[card.Duplicate], count[card.Refused], count[card.Failed])
	return err
}

func writeResults(path string, results []card.CodeResult) error {
	return replaceFile(path, func(f *os.File) error {
		w := sheet.NewWriter(f)
		if err := w.Row("code", "result", "reason"); err != nil {
			return err
		}
		for _, r := range results {
			if err := w.Row(r.Code, r.Result, r.Reason); err != nil {
				return err
			}
		}
		return w.Flush()
	})
}

// codes returns the codes in the file.
func (c cardDepositCmd) codes(streams command.Streams) ([]string, error) {
	file, err := openTable(c.File, streams)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	r, err := sheet.NewReader(file, file.size, card.CodeList(c.Column, c.Sheet))
	if err != nil {
		return nil, asTableError(c.File, err)
	}
	codes, err := card.ReadCodes(r)
	if err != nil {
		return nil, command.Usagef("read %s: %w", c.File, err)
	}
	return codes, nil
}

// progress shows the progress of a long task: on a terminal as a bar, else as a
// line for each tenth.
type progress struct {
	w           io.Writer
	done, total int
	terminal    bool
	tenth       int // the last one that was written
}

func newProgress(streams command.Streams, total int) *progress {
	if streams.Screen != nil {
		return &progress{w: streams.Screen, total: total, terminal: true}
	}
	return &progress{w: streams.Err, total: total}
}

func (p *progress) add(n int) {
	p.done += n
	const width = 30
	full := p.done * width / p.total
	switch {
	case p.terminal:
		_, _ = fmt.Fprintf(p.w, "\r[%s%s] %d of %d", strings.Repeat("#", full), strings.Repeat(" ", width-full), p.done, p.total)
	case p.done*10/p.total > p.tenth:
		p.tenth = p.done * 10 / p.total
		_, _ = fmt.Fprintf(p.w, "%d of %d\n", p.done, p.total)
	}
}

func (p *progress) end() {
	if p.terminal {
		_, _ = fmt.Fprintln(p.w)
	}
}
