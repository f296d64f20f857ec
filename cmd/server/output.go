package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/addcard/addcard/cmd/internal/command"
)

// printJSON writes v on one line.
func printJSON(w io.Writer, v any) error {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(command.VisibleJSON(line.Bytes()))
	return err
}

// table writes lines and aligns their cells. The texts in the cells may be foreign.
type table struct {
	w   *tabwriter.Writer
	err error
}

func newTable(w io.Writer) *table { return &table{w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)} }

// row adds a line, as command.Printf formats it. Cells end with a tab.
func (t *table) row(format string, args ...any) {
	if err := command.Printf(t.w, format+"\n", args...); t.err == nil {
		t.err = err
	}
}

// flush writes the lines. It returns the first error of the table.
func (t *table) flush() error { return cmp.Or(t.err, t.w.Flush()) }

// yuan formats fen as money.
func yuan(fen int64) string {
	sign := ""
	if fen < 0 {
		sign, fen = "-", -fen
	}
	return fmt.Sprintf("%s¥%d.%02d", sign, fen/100, fen%100)
}

// signedYuan formats fen as money with a sign.
func signedYuan(fen int64) string {
	if fen < 0 {
		return yuan(fen)
	}
	return "+" + yuan(fen)
}

// replaceFile writes a file next to path, readable by its owner only, and renames
// it to path once it is complete.
func replaceFile(path string, write func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".addcard-*")
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
