package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/card"
)

type cardDepositCmd struct {
	ID      string `arg:"" help:"The card_id of a card whose codes are deposited."`
	File    string `arg:"" help:"One code a line, or CSV whose first column has them; - reads standard input."`
	Results string `help:"Where to write what became of each code; by default beside the file, ending in .results.csv." type:"path" placeholder:"FILE"`
	JSON    bool   `name:"json" help:"Print the counts as JSON."`
}

// Help implements kong.HelpProvider.
func (cardDepositCmd) Help() string {
	return `Codes have at most 20 letters and digits. They go to WeChat in hundreds; after Ctrl-C or a failure run it again: what WeChat has is
a duplicate then, and the rest follows. The stock is raised to the number of codes. Exits with 1 when a code was refused or failed. Examples:
  server card deposit pjZ8Yt1XGILfi-FUsewpnnolGgZk codes.txt
  server card deposit pjZ8Yt1XGILfi-FUsewpnnolGgZk codes.csv --results done.csv --json`
}

// Run deposits and writes the results.
func (c cardDepositCmd) Run(ctx context.Context, g *globals, streams command.Streams) error {
	codes, err := readCodes(c.File, streams)
	if err != nil {
		return err
	}
	if c.Results == "" {
		if c.File == "-" {
			return command.Usagef("with standard input say where the --results go")
		}
		c.Results = c.File + ".results.csv"
	}
	count := map[string]int{}
	bar := newBar(streams.Err, len(codes))
	var failed error
	err = g.operate(ctx, streams, func(o *card.Operator) error {
		results, err := o.Deposit(ctx, c.ID, codes, func(batch []card.CodeResult) {
			for _, r := range batch {
				count[r.Result]++
			}
			bar.show(count)
		})
		if results == nil {
			return err
		}
		bar.end()
		clear(count)
		for _, r := range results {
			count[r.Result]++
		}
		failed = err
		return writeResults(c.Results, results)
	})
	if err != nil {
		return err
	}
	words(streams, "wrote %s", c.Results)
	if err := c.print(streams, count); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted; run it again to go on and to raise the stock")
	case failed != nil:
		return failed
	case count[card.Refused]+count[card.Failed] > 0:
		return command.ErrSaid
	}
	return nil
}

func (c cardDepositCmd) print(streams command.Streams, count map[string]int) error {
	if c.JSON {
		return printJSON(streams.Out, map[string]any{"deposited": count[card.Deposited], "duplicate": count[card.Duplicate],
			"refused": count[card.Refused], "failed": count[card.Failed], "results": c.Results})
	}
	_, err := fmt.Fprintf(streams.Out, "deposited %d, duplicate %d, refused %d, failed %d\n",
		count[card.Deposited], count[card.Duplicate], count[card.Refused], count[card.Failed])
	return err
}

func writeResults(path string, results []card.CodeResult) error {
	return replaceFile(path, func(f *os.File) error {
		w := csv.NewWriter(f)
		if err := w.Write([]string{"code", "result", "reason"}); err != nil {
			return err
		}
		for _, r := range results {
			if err := w.Write([]string{r.Code, r.Result, r.Reason}); err != nil {
				return err
			}
		}
		w.Flush()
		return w.Error()
	})
}

// readCodes reads the first column of each line; a first line "code" is a title.
func readCodes(path string, streams command.Streams) (codes []string, err error) {
	in := streams.In
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, command.Usagef("%w", err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	buffered := bufio.NewReader(in)
	if mark, err := buffered.Peek(3); err == nil && bytes.Equal(mark, []byte("\ufeff")) {
		_, _ = buffered.Discard(3)
	}
	r := csv.NewReader(buffered)
	r.FieldsPerRecord, r.TrimLeadingSpace = -1, true
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, command.Usagef("read %s: %w", path, err)
		}
		code := strings.TrimSpace(record[0])
		if code == "" || len(codes) == 0 && strings.EqualFold(code, "code") {
			continue
		}
		codes = append(codes, code)
	}
	if len(codes) == 0 {
		return nil, command.Usagef("%s holds no codes", path)
	}
	return codes, nil
}

// bar shows how far a long work is: on a terminal as a bar that grows, else as
// a line for each tenth.
type bar struct {
	w     io.Writer
	total int
	live  bool
	tenth int
}

func newBar(w io.Writer, total int) *bar {
	f, ok := w.(*os.File)
	b := &bar{w: w, total: total}
	if ok {
		info, err := f.Stat()
		b.live = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return b
}

func (b *bar) show(count map[string]int) {
	done := 0
	for _, n := range count {
		done += n
	}
	const width = 30
	full := done * width / b.total
	switch {
	case b.live:
		_, _ = fmt.Fprintf(b.w, "\r[%s%s] %d of %d", strings.Repeat("#", full), strings.Repeat(" ", width-full), done, b.total)
	case done*10/b.total > b.tenth:
		b.tenth = done * 10 / b.total
		_, _ = fmt.Fprintf(b.w, "%d of %d\n", done, b.total)
	}
}

func (b *bar) end() {
	if b.live {
		_, _ = fmt.Fprintln(b.w)
	}
}
