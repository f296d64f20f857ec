// Package importertest is the conformance suite of importer.Store: what package importer
// relies on, whatever the database behind it.
package importertest

import (
	"context"
	"errors"
	"testing"

	"github.com/addcard/addcard/internal/importer"
)

// Run runs the suite. open returns a fresh, empty store for each test. counts returns the
// state and the counts of an import.
func Run(t *testing.T, open func(t *testing.T) (s importer.Store, counts func(importID string) (string, importer.Counts))) {
	t.Run("an import begins again under its ID", func(t *testing.T) {
		s, counts := open(t)
		o := importer.Options{Name: "a.csv", CardID: "c1"}
		first, err := s.Begin(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		write(t, s, func(ctx context.Context, tx importer.Tx) error {
			return errors.Join(
				tx.AddLine(ctx, first, importer.Result{Line: 2, Outcome: importer.Waiting, Account: "x", Key: "k2", Digest: "d2"}),
				tx.AddLine(ctx, first, importer.Result{Line: 3, Outcome: importer.Refused, Column: "c", Reason: "r", Key: "line 3"}),
				tx.AddLine(ctx, first, importer.Result{Line: 4, Outcome: importer.Refused, Key: "line 3"}),
				tx.Advance(ctx, first, importer.Counts{Lines: 2, Waiting: 1, Refused: 1}),
				tx.Advance(ctx, first, importer.Counts{Lines: 2, Joined: 1, Unchanged: 1}))
		})
		state, got := counts(first)
		if want := (importer.Counts{Lines: 4, Waiting: 1, Joined: 1, Unchanged: 1, Refused: 1}); got != want || state != "running" {
			t.Errorf("got %s, %+v, want %+v", state, got, want)
		}
		if err := s.End(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		if state, _ := counts(first); state != "done" {
			t.Errorf("at its end it is %s", state)
		}
		again, err := s.Begin(t.Context(), o)
		if state, got := counts(first); err != nil || again != first || got != (importer.Counts{}) || state != "running" {
			t.Errorf("again: %s and %s, %s %+v, %v", first, again, state, got, err)
		}
		for _, other := range []importer.Options{{Name: "b.csv", CardID: "c1"}, {Name: "a.csv", CardID: "c2"}} {
			if id, err := s.Begin(t.Context(), other); err != nil || id == first {
				t.Errorf("%+v is %s, %v", other, id, err)
			}
		}
		write(t, s, func(ctx context.Context, tx importer.Tx) error {
			want := importer.Result{Line: 2, Outcome: importer.Waiting, Account: "x", Key: "k2", Digest: "d2"}
			if r, err := tx.Line(ctx, first, "k2"); r != want || err != nil {
				t.Errorf("got %+v, %v", r, err)
			}
			for _, key := range []string{"line 3", "k3"} {
				if r, err := tx.Line(ctx, first, key); !errors.Is(err, importer.ErrNotFound) {
					t.Errorf("%s: got %+v, %v", key, r, err)
				}
			}
			return nil
		})
	})
	t.Run("an error undoes everything", func(t *testing.T) {
		s, _ := open(t)
		id, err := s.Begin(t.Context(), importer.Options{Name: "a.csv", CardID: "c1"})
		if err != nil {
			t.Fatal(err)
		}
		undo := errors.New("undo")
		err = s.Write(t.Context(), func(ctx context.Context, tx importer.Tx) error {
			return errors.Join(tx.AddLine(ctx, id, importer.Result{Line: 2, Key: "k2"}), undo)
		})
		if !errors.Is(err, undo) {
			t.Errorf("got %v", err)
		}
		write(t, s, func(ctx context.Context, tx importer.Tx) error {
			if r, err := tx.Line(ctx, id, "k2"); !errors.Is(err, importer.ErrNotFound) {
				t.Errorf("got %+v, %v", r, err)
			}
			return nil
		})
	})
}

func write(t *testing.T, s importer.Store, fn func(ctx context.Context, tx importer.Tx) error) {
	t.Helper()
	if err := s.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}
