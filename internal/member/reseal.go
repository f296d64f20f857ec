package member

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/addcard/addcard/internal/phone"
)

// SealedTable is a table with encrypted texts.
type SealedTable string

// The tables with encrypted texts.
const (
	FormTable     SealedTable = "form"
	PhoneTable    SealedTable = "member_phone"
	ImportedTable SealedTable = "imported"
)

// SealedRow is a row of a SealedTable.
type SealedRow struct {
	Key          string
	CardID, Code string // what the row is about; empty in PhoneTable
	Hash, Sealed string // as in SealedPhone; Hash is empty without a number
}

// Sealing says how the texts of a table are encrypted.
type Sealing struct {
	Table SealedTable
	// About returns what the text of a row is bound to.
	About func(SealedRow) string
	// Number returns the phone number in a text whose hash the row has, or "".
	Number func(plain []byte) (string, error)
}

// Sealings returns how the texts of forms and phone numbers are encrypted.
func Sealings() []Sealing {
	return []Sealing{
		{FormTable, func(r SealedRow) string { return sealContext(r.CardID, r.Code) }, func(plain []byte) (string, error) {
			var answers []Answer
			if err := json.Unmarshal(plain, &answers); err != nil {
				return "", fmt.Errorf("decode a form: %w", err)
			}
			return phoneOf(answers), nil
		}},
		{PhoneTable, func(r SealedRow) string { return phoneContext(r.Key) }, func(plain []byte) (string, error) {
			return phone.Short(string(plain)), nil
		}},
	}
}

// Resealed is what Reseal did with a page of rows.
type Resealed struct {
	Last     string // the key of the last row, or "" after the last page
	Rows     int
	Changed  int
	Unopened []string // the rows' texts that no key opens
}

// Reseal encrypts the texts of up to n rows of a table, those after the key, with the
// newest key, and renews the hashes of their phone numbers. Texts that are so already,
// and those that no key opens, stay as they are. Rows may be used meanwhile. With look,
// Reseal changes nothing. Without SealForms no text opens.
func (s *Service) Reseal(ctx context.Context, of Sealing, after string, n int, look bool) (done Resealed, err error) {
	rows, err := s.store.SealedRows(ctx, of.Table, after, n)
	if err != nil {
		return done, err
	}
	if len(rows) == n {
		done.Last = rows[n-1].Key
	}
	done.Rows = len(rows)
	var changes []resealing
	for _, row := range rows {
		plain, opened := s.open(of, row)
		switch {
		case !opened:
			done.Unopened = append(done.Unopened, row.Sealed)
		case !look && !s.formKeys.Newest(row.Sealed):
			number, err := of.Number(plain)
			if err != nil {
				return done, fmt.Errorf("table %s, row %s: %w", of.Table, row.Key, err)
			}
			now := row
			now.Hash, now.Sealed = s.formKeys.Index(number), s.formKeys.Seal(plain, of.About(row))
			changes = append(changes, resealing{row, now, s.formKeys.Indexes(number)})
		}
	}
	if len(changes) == 0 {
		return done, nil
	}
	err = s.write(ctx, func(ctx context.Context, tx Tx) (err error) {
		done.Changed, err = reseal(ctx, tx, of.Table, changes)
		return err
	})
	return done, err
}

// resealing is the change of a row. names are the hashes of its phone number.
type resealing struct {
	before, now SealedRow
	names       []string
}

// open returns the text of a row, and reports whether a key opens it.
func (s *Service) open(of Sealing, row SealedRow) (plain []byte, opened bool) {
	if s.formKeys == nil {
		return nil, false
	}
	plain, err := s.formKeys.Open(row.Sealed, of.About(row))
	return plain, err == nil
}

// reseal writes changes under the locks of their phone numbers, because a number is
// looked for under one hash after the other.
func reseal(ctx context.Context, tx Tx, table SealedTable, changes []resealing) (n int, err error) {
	var names []string
	for _, c := range changes {
		names = append(names, c.names...)
	}
	slices.Sort(names)
	if err := tx.LockNames(ctx, slices.Compact(names)...); err != nil {
		return 0, err
	}
	for _, c := range changes {
		changed, err := tx.Reseal(ctx, table, c.before, c.now)
		if err != nil {
			return 0, err
		}
		if changed {
			n++
		}
	}
	return n, nil
}

// KeyName returns the name of the key that encrypted a text.
func KeyName(sealed string) string { return sealed[:max(0, strings.LastIndexByte(sealed, '.'))] }
