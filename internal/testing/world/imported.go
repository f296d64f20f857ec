package world

import (
	"context"

	"github.com/addcard/addcard/internal/member"
)

// Import imports an account and returns it as it is then.
func (w *World) Import(a member.Imported) member.Imported {
	w.Helper()
	imported, err := w.TryImport(a)
	if err != nil {
		w.Fatal(err)
	}
	return imported
}

// TryImport does what Import does, and returns its error.
func (w *World) TryImport(a member.Imported) (imported member.Imported, err error) {
	w.Helper()
	err = w.Stores.Members.Write(w.Context(), func(ctx context.Context, tx member.Tx) error {
		_, err := tx.LockPeople(ctx, true)
		if err == nil {
			imported, err = w.Members.Import(ctx, tx, a, nil)
		}
		return err
	})
	w.Wake()
	return imported, err
}
