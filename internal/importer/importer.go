// Package importer brings the members of a shop's former system into addcard, from a
// file: each line is a person, what they had, and at least one mark by which they are
// found when they come: a phone number, a code, a unionid or an openid. A line becomes an
// imported account; see [member.Imported].
//
// A file is read and checked as a whole before its first line is imported: a file with a
// line that cannot be read imports nothing, unless the caller wants the others. Then the
// lines are imported in batches, each in a transaction. A line is identified by the name
// of the import and a key, so a run that was interrupted goes on when it is repeated, and
// a file that is imported again changes nothing.
package importer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
)

var (
	// ErrNotFound is returned for an import or a line that is not there.
	ErrNotFound = errors.New("importer: not found")
	// ErrRefused is returned for a file with lines that cannot be imported. Nothing was.
	ErrRefused = errors.New("importer: the file has lines that cannot be imported; nothing was imported")
	// ErrNoKeys is returned for a file with personal data if there are no DATA_KEYS.
	ErrNoKeys = errors.New("importer: phone numbers, names and notes are only kept encrypted: set DATA_KEYS")
	// ErrRunning is returned for an import that the servers work on.
	ErrRunning = errors.New("importer: an import with this name is running")
	// ErrTaken is returned when another process goes on with an import.
	ErrTaken = errors.New("importer: another process goes on with this import")
)

// Unit is the unit of the column balance.
type Unit string

// The units. A column balance without a unit in its heading, in Chinese, has none.
const (
	Fen  Unit = "fen"
	Yuan Unit = "yuan"
)

// Options say how a file is imported.
type Options struct {
	Name        string            `json:"name"` // with the key of a line it identifies the line
	CardID      string            `json:"card_id"`
	Actor       string            `json:"-"`
	DryRun      bool              `json:"dry_run,omitempty"`      // nothing is written
	SkipRefused bool              `json:"skip_refused,omitempty"` // import the other lines of a file
	Unit        Unit              `json:"unit,omitempty"`         // of the column balance; empty: by its heading
	Headings    map[string]string `json:"headings,omitempty"`     // see sheet.Options
	Sheet       string            `json:"sheet,omitempty"`
	Holders     bool              `json:"holders,omitempty"` // each code is in a wallet: adopt it, with an openid or without
	Calls       int               `json:"calls,omitempty"`   // the most calls of WeChat in this run; 0: DefaultCalls
}

// The outcomes of a line. In a dry run they are what would happen.
const (
	Waiting   = "waiting"   // an account was added, and waits for its person
	Joined    = "joined"    // an account was added, and joined a member's card
	Adopted   = "adopted"   // a card that is in a wallet was recorded, with what its face shows
	Unchanged = "unchanged" // the line was imported before
	Refused   = "refused"   // it was not imported, for the Reason
	Skipped   = "skipped"   // it was not imported, because other lines were refused
)

// Outcomes are those that are recorded.
var Outcomes = []string{Waiting, Joined, Unchanged, Refused}

// Result is what became of a line. Its texts have nothing of the line's values.
type Result struct {
	Line    int
	Outcome string
	Column  string // of the file, or ""
	Reason  string
	Account string // its ID, or ""

	Key, Digest string // hashes, by which the line is known in the next run
}

// Mark returns the place behind r.
func (r Result) Mark() Mark { return Mark{r.Line, r.Key} }

// Mark is a place in the list of the lines of an import; the zero Mark is its beginning.
type Mark struct {
	Line int
	Key  string
}

// Counts has the number of lines by outcome. Those of cards that were adopted are among
// the joined ones.
type Counts struct{ Lines, Waiting, Joined, Unchanged, Refused int64 }

func (c Counts) plus(d Counts) Counts {
	return Counts{c.Lines + d.Lines, c.Waiting + d.Waiting, c.Joined + d.Joined, c.Unchanged + d.Unchanged, c.Refused + d.Refused}
}

// count returns the counts of results.
func count(results []Result) (c Counts) {
	c.Lines = int64(len(results))
	for _, r := range results {
		switch r.Outcome {
		case Waiting:
			c.Waiting++
		case Joined, Adopted:
			c.Joined++
		case Unchanged:
			c.Unchanged++
		case Refused:
			c.Refused++
		}
	}
	return c
}

// Card is what an import must know about a card.
type Card struct{ Bonus, Balance bool } // whether its face shows them

// Cards has the cards of the shop.
type Cards interface {
	// Card returns an error that wraps member.ErrCardUnknown for a card that the shop
	// does not have.
	Card(ctx context.Context, cardID string) (Card, error)
}

// Keys encrypt personal data and index it; see package datakey.
type Keys interface {
	Seal(plain []byte, about string) string
	Open(sealed, about string) ([]byte, error)
	Index(value string) string
	Indexes(value string) []string
}

// Service imports files. It is safe for concurrent use.
type Service struct {
	store   Store
	members *member.Service
	cards   Cards
	holders Holders
	keys    Keys // nil: files must not have personal data
	wake    func()
	owner   string        // of leases
	jobs    chan struct{} // has an element if there may be an import to work on
}

// New returns a Service on store. It calls wake after a batch, which may have enqueued
// messages. keys may be nil.
func New(store Store, members *member.Service, cards Cards, holders Holders, keys Keys, wake func()) *Service {
	return &Service{store, members, cards, holders, keys, wake, uuid.NewString(), make(chan struct{}, 1)}
}

// Import imports the size bytes of file, and calls report with the results of some lines
// at a time, and the number of all lines. It blocks until the end, and returns the counts
// so far also with an error. Errors: *sheet.FileError, ErrRefused, ErrNoKeys, ErrRunning,
// ErrTaken, member.ErrCardUnknown, wrapped, and those of the store, after which the same
// call goes on.
func (s *Service) Import(
	ctx context.Context, file io.ReaderAt, size int64, o Options, report func(some []Result, all int),
) (c Counts, err error) {
	lines, err := s.read(ctx, file, size, o, allLines)
	if err != nil {
		return c, fmt.Errorf("import %s: %w", o.Name, err)
	}
	i := Import{Options: o}
	if !o.DryRun {
		var begun bool
		if i, begun, err = s.store.Begin(ctx, o, s.owner, ""); err == nil && !begun {
			err = ErrRunning
		}
		if err == nil {
			err = s.store.Found(ctx, s.lease(i), len(lines))
		}
		if err != nil {
			return c, fmt.Errorf("import %s: %w", o.Name, err)
		}
	}
	err = s.importLines(ctx, i, lines, func(results []Result) {
		c = c.plus(count(results))
		report(results, len(lines))
	})
	return c, err
}

// importLines imports those lines of a file that an import has not come to yet, and ends
// the import. An import without an ID is not recorded.
func (s *Service) importLines(ctx context.Context, i Import, lines []line, report func([]Result)) error {
	broken := slices.ContainsFunc(lines, func(l line) bool { return l.refusal != nil })
	refused := broken && !i.SkipRefused && !i.DryRun
	known, err := i.ID, error(nil) // the import whose lines are known
	if i.DryRun {
		if known, err = s.store.Named(ctx, i.Name, i.CardID); err != nil {
			return err
		}
	}
	var calls atomic.Int64
	calls.Store(int64(cmp.Or(i.Calls, DefaultCalls)))
	for batch := range slices.Chunk(lines[min(int(i.Lines), len(lines)):], batchSize) {
		ready, stopped := s.adopt(ctx, i.ID, batch, i.Options, refused, &calls)
		results, err := s.importBatch(ctx, i, known, ready, refused)
		if err == nil {
			s.wake()
			report(results)
		}
		if err = cmp.Or(stopped, err); err != nil {
			return fmt.Errorf("import %s from line %d on: %w", i.Name, batch[0].number, err)
		}
	}
	state := Done
	if refused {
		state, err = AllRefused, fmt.Errorf("import %s: %w", i.Name, ErrRefused)
	}
	if i.ID == "" {
		return err
	}
	return errors.Join(err, s.store.End(ctx, s.lease(i), state, ""))
}

// batchSize is the number of lines in a transaction, which keeps all others from
// changing who is who.
const batchSize = 100

// notImported returns the results of a file with lines that are refused.
func notImported(lines []line) (results []Result) {
	for _, l := range lines {
		r := Result{Line: l.number, Outcome: Skipped}
		if l.refusal != nil {
			r = l.refused()
		}
		results = append(results, r)
	}
	return results
}

// errDryRun undoes a transaction.
var errDryRun = errors.New("importer: a dry run")

// importBatch imports some lines in one transaction. It imports none of a file that is
// refused, and undoes a dry run.
func (s *Service) importBatch(
	ctx context.Context, i Import, known string, batch []line, refused bool,
) (results []Result, err error) {
	if refused {
		results = notImported(batch)
		return results, s.record(ctx, i, results)
	}
	err = s.write(ctx, func(ctx context.Context, tx Tx) error {
		results = results[:0]
		if _, err := tx.LockPeople(ctx, true); err != nil {
			return err
		}
		for _, l := range batch {
			l.account.ImportID = i.ID
			r, err := s.importLine(ctx, tx, known, l, i.Options)
			if err != nil {
				return err
			}
			results = append(results, r)
		}
		if i.DryRun {
			return errDryRun
		}
		return s.recordIn(ctx, tx, i, results)
	})
	if errors.Is(err, errDryRun) {
		err = s.record(ctx, i, results)
	}
	return results, err
}

func (s *Service) write(ctx context.Context, fn func(ctx context.Context, tx Tx) error) error {
	return ledger.RetryConflicts(func() error { return s.store.Write(ctx, fn) })
}

// record records the results of lines that were not imported.
func (s *Service) record(ctx context.Context, i Import, results []Result) error {
	if i.ID == "" {
		return nil
	}
	return s.write(ctx, func(ctx context.Context, tx Tx) error { return s.recordIn(ctx, tx, i, results) })
}

// recordIn records the results of a batch. A line that was not imported is not known in
// the next run, so its key is its number.
func (s *Service) recordIn(ctx context.Context, tx Tx, i Import, results []Result) error {
	for _, r := range results {
		if r.Outcome == Skipped || r.Outcome == Unchanged && !i.DryRun {
			continue
		}
		if r.Outcome == Refused || i.DryRun {
			r.Key, r.Digest = "line:"+strconv.Itoa(r.Line), ""
		}
		if i.DryRun && r.Outcome != Unchanged { // what it would have added
			r.Account = ""
		}
		if err := tx.AddLine(ctx, i.ID, r); err != nil {
			return err
		}
	}
	return tx.Advance(ctx, s.lease(i), count(results))
}

// importLine imports one line.
func (s *Service) importLine(ctx context.Context, tx Tx, importID string, l line, o Options) (Result, error) {
	if l.refusal != nil {
		return l.refused(), nil
	}
	r := Result{Line: l.number, Key: l.keys[0], Digest: l.digests[0]}
	known, err := s.known(ctx, tx, importID, l)
	switch {
	case err == nil && slices.Contains(l.digests, known.Digest):
		r.Outcome, r.Account = Unchanged, known.Account
		return r, nil
	case err == nil:
		r.Outcome, r.Reason = Refused, "was imported before with other values; an import changes no account, so book the difference"
		return r, nil
	case !errors.Is(err, ErrNotFound):
		return r, err
	}
	if l.adopts(o) {
		return s.adoptLine(ctx, tx, r, l)
	}
	account, err := s.members.Import(ctx, tx, l.account, l.phones)
	var refused *member.MarkError
	switch {
	case errors.As(err, &refused):
		r.Outcome, r.Column, r.Reason = Refused, l.headings[refused.Mark], wordsOf(refused)
		return r, nil
	case err != nil:
		return r, err
	}
	r.Outcome, r.Account = Waiting, account.ID
	if account.JoinedCode != "" {
		r.Outcome = Joined
	}
	return r, nil
}

// known returns what became of the line in an earlier run, or ErrNotFound.
func (s *Service) known(ctx context.Context, tx Tx, importID string, l line) (r Result, err error) {
	for _, key := range l.keys {
		if r, err = tx.Line(ctx, importID, key); !errors.Is(err, ErrNotFound) {
			return r, err
		}
	}
	return r, err
}

// wordsOf says why an account was not added.
func wordsOf(err *member.MarkError) string {
	if errors.Is(err, member.ErrTwoMembers) {
		return "is another member's than what the line has before it"
	}
	return "is that of an account that was imported before: " + err.Account.ID
}
