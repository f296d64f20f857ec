package importer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/addcard/addcard/internal/member"
)

// DefaultCalls is the most calls of WeChat that a run makes unless Options.Calls says
// otherwise. WeChat names no quota for them; similar calls have a million a day.
const DefaultCalls = 50_000

// ErrCalls is returned when a run has made as many calls of WeChat as it may.
var ErrCalls = errors.New("importer: the calls of WeChat that this run may make are used up; run it again to go on")

// Adoption is a card that was in a wallet before addcard knew it.
type Adoption struct {
	MemberID       string
	Bonus, Balance int64 // of its ledger, which began with what its face showed
	Known          bool  // it was recorded before
}

// Holders records cards that are in wallets.
type Holders interface {
	// Adopt reads a card at WeChat and records it, and changes nothing on its face. It
	// may be repeated. Either name of the holder, the openid in the Official Account and
	// the unionid, may be empty. calls is the number of calls of WeChat that it made,
	// also with an error. The error is a *LineError if it is about this card alone.
	Adopt(ctx context.Context, cardID, code, openID, unionID string) (a Adoption, calls int, err error)
}

// adopts reports whether the line is about a card that is in a wallet.
func (l line) adopts(o Options) bool {
	return l.refusal == nil && l.account.Code != "" && (l.account.OpenID != "" || o.Holders)
}

// parallel is how many cards are read from WeChat at once.
const parallel = 8

// adopt records the cards of a batch that are in wallets, and sets the lines'
// adoptions. A line that WeChat says is wrong is refused, and one that was imported
// before costs no call. Of a file that is refused it records none. adopt returns the
// lines that can be imported: with an error, those before the first that it did not come
// to.
func (s *Service) adopt(
	ctx context.Context, importID string, batch []line, o Options, refused bool, calls *atomic.Int64,
) ([]line, error) {
	waiting := func(l line) bool { return !l.known && l.adoption == nil && l.adopts(o) }
	if o.DryRun || refused || !slices.ContainsFunc(batch, waiting) {
		return batch, nil
	}
	if err := s.markKnown(ctx, importID, batch); err != nil {
		return nil, err
	}
	var group errgroup.Group // what is on its way when one fails ends well
	group.SetLimit(parallel)
	var stopped atomic.Bool
	for i := range batch {
		if stopped.Load() {
			break
		}
		if !waiting(batch[i]) {
			continue
		}
		if calls.Add(-1) < 0 { // in the order of the lines
			group.Go(func() error { return ErrCalls })
			break
		}
		group.Go(func() error {
			err := s.adoptCard(ctx, &batch[i], o, calls)
			if err != nil {
				stopped.Store(true)
			}
			return err
		})
	}
	err := group.Wait()
	if first := slices.IndexFunc(batch, waiting); first >= 0 {
		return batch[:first], err
	}
	return batch, err
}

// markKnown marks the lines that were imported before.
func (s *Service) markKnown(ctx context.Context, importID string, batch []line) error {
	return s.store.Write(ctx, func(ctx context.Context, tx Tx) error {
		for i, l := range batch {
			if l.refusal != nil {
				continue
			}
			_, err := s.known(ctx, tx, importID, l)
			if err != nil && !errors.Is(err, ErrNotFound) {
				return err
			}
			batch[i].known = err == nil
		}
		return nil
	})
}

// adoptCard records the card of a line, for which one call was taken from calls.
func (s *Service) adoptCard(ctx context.Context, l *line, o Options, calls *atomic.Int64) error {
	a, made, err := s.holders.Adopt(ctx, o.CardID, l.account.Code, l.account.OpenID, l.account.UnionID)
	calls.Add(int64(1 - made))
	var wrong *LineError
	switch {
	case errors.As(err, &wrong):
		l.refusal = wrong
	case err != nil:
		return fmt.Errorf("line %d: %w", l.number, err)
	default:
		l.adoption = &a
	}
	return nil
}

// adoptLine records the line of a card that was adopted, and what only the operator
// sees of it.
func (s *Service) adoptLine(ctx context.Context, tx Tx, r Result, l line) (Result, error) {
	if r.Outcome = Adopted; l.adoption == nil {
		return r, nil // a dry run
	}
	a := l.account
	if has := l.adoption; (a.Bonus != 0 || a.Balance != 0) && !has.Known && (a.Bonus != has.Bonus || a.Balance != has.Balance) {
		r.Reason = fmt.Sprintf("the face shows %d points and %d fen, which were kept; the file says otherwise", has.Bonus, has.Balance)
	}
	a.Bonus, a.Balance, a.MemberID = 0, 0, l.adoption.MemberID
	account, err := s.members.ImportJoined(ctx, tx, a, l.phones)
	var refused *member.MarkError
	if errors.As(err, &refused) {
		r.Outcome, r.Column, r.Reason = Refused, l.headings[refused.Mark], wordsOf(refused)
		return r, nil
	}
	r.Account = account.ID
	return r, err
}
