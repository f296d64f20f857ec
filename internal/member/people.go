package member

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"github.com/addcard/addcard/internal/audit"
)

// Person is a member as an operator sees one: its identities and all its cards,
// including codes that were only issued.
type Person struct {
	ID        string
	CreatedAt time.Time
	Phone     string // verified, in the form of package phone; empty: none, or no key opens it
	// SealedPhone is what the Store has of it, and Phone is empty there.
	SealedPhone string
	Identities  []Identity
	Cards       []Card // oldest first
}

// Mark is a place in the list of people, which is newest first; the zero Mark is
// its beginning.
type Mark struct {
	CreatedAt time.Time
	ID        string
}

// Mark returns the place behind p.
func (p Person) Mark() Mark { return Mark{p.CreatedAt, p.ID} }

// People lists up to n members after the mark.
func (s *Service) People(ctx context.Context, after Mark, n int) ([]Person, error) {
	people, err := s.store.People(ctx, after, n)
	s.openPhones(people)
	return people, err
}

// Find lists up to n members, usually one, that have key as member ID, card code,
// membership number, openid, unionid or phone number. The key must be complete. A
// phone number may have any spelling. Of the others Find takes the spelling as it
// is; if it finds none, it ignores spaces and the case, and then dashes.
func (s *Service) Find(ctx context.Context, key string, n int) ([]Person, error) {
	ids, err := s.store.Find(ctx, key, s.phoneHashes(key), n)
	if err == nil && len(ids) == 0 {
		ids, err = s.findSpellings(ctx, key, n)
	}
	if err != nil {
		return nil, err
	}
	people := make([]Person, 0, len(ids))
	for _, id := range ids {
		p, err := s.store.Person(ctx, id)
		if errors.Is(err, ErrNotFound) { // deleted meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		people = append(people, p)
	}
	s.openPhones(people)
	return people, nil
}

// findSpellings finds the members by the other spellings of an identifier.
func (s *Service) findSpellings(ctx context.Context, key string, n int) (ids []string, err error) {
	for _, other := range spellings(key) {
		some, err := s.store.Find(ctx, other, nil, n)
		if err != nil {
			return nil, err
		}
		ids = append(ids, some...)
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return ids[:min(n, len(ids))], nil
}

// Waiting lists up to n imported accounts, oldest first, that wait for their person and
// have key as ID, code, membership number, unionid, openid or phone number; see Find.
func (s *Service) Waiting(ctx context.Context, key string, n int) ([]Imported, error) {
	found, err := s.store.Waiting(ctx, key, s.phoneHashes(key), n)
	for _, other := range spellings(key) {
		if err == nil && len(found) == 0 {
			found, err = s.store.Waiting(ctx, other, nil, n)
		}
	}
	return found, err
}

// ImportedOf lists the accounts that are bound to a member, oldest first.
func (s *Service) ImportedOf(ctx context.Context, memberID string) ([]Imported, error) {
	return s.store.AllBoundTo(ctx, memberID)
}

// spellings returns how an identifier may be stored that was typed as key: in ASCII
// without spaces, in either case, without dashes.
func spellings(key string) []string {
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= '！' && r <= '～': // the full-width forms of ASCII
			return r - '！' + '!'
		case unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf):
			return -1
		case unicode.Is(unicode.Pd, r):
			return '-'
		}
		return r
	}, key)
	upper := strings.ToUpper(plain)
	list := []string{plain, upper, strings.ToLower(plain), strings.ReplaceAll(plain, "-", ""), strings.ReplaceAll(upper, "-", "")}
	slices.Sort(list)
	return slices.DeleteFunc(slices.Compact(list), func(s string) bool { return s == key || s == "" })
}

// Person returns one member, or ErrMemberUnknown.
func (s *Service) Person(ctx context.Context, memberID string) (Person, error) {
	p, err := s.store.Person(ctx, memberID)
	if errors.Is(err, ErrNotFound) {
		err = ErrMemberUnknown
	}
	people := []Person{p}
	s.openPhones(people)
	return people[0], err
}

// Each calls do for each member, newest first, and stops at the first error. It
// reads page by page, so it blocks no other transaction. A member that is added
// while Each runs may be missing.
func (s *Service) Each(ctx context.Context, do func(Person) error) error {
	const page = 500
	for after := (Mark{}); ; {
		people, err := s.People(ctx, after, page)
		if err != nil {
			return err
		}
		for _, p := range people {
			if err := do(p); err != nil {
				return err
			}
			after = p.Mark()
		}
		if len(people) < page {
			return nil
		}
	}
}

// ErrCodeNotUsable is returned by a function that makes codes unavailable, for a code
// that WeChat does not make unavailable: it is in no wallet, or its holder deleted it,
// gave it away, or let it expire.
var ErrCodeNotUsable = errors.New("member: the code is not usable at WeChat")

// MakeUnavailableWith sets what EraseWithCodes calls to make a code unavailable at
// WeChat and here; repeated calls must do no harm. MakeUnavailableWith must be called
// before the Service is used.
func (s *Service) MakeUnavailableWith(do func(ctx context.Context, cardID, code string) error) {
	s.makeUnavailable = do
}

// EraseWithCodes makes the member's codes unavailable at WeChat, which cannot be
// undone, and then does what Erase does. It returns the number of codes that it has
// made unavailable. If WeChat refuses one or does not answer, nothing is erased; a
// repeated call goes on with the other codes. A code that WeChat says is not usable
// stays as it is there.
func (s *Service) EraseWithCodes(ctx context.Context, memberID string) (codes int, err error) {
	p, err := s.Person(ctx, memberID)
	if err != nil {
		return 0, fmt.Errorf("erase member %s: %w", memberID, err)
	}
	for _, c := range p.Cards {
		if c.Ended() {
			continue
		}
		err := s.makeUnavailable(ctx, c.CardID, c.Code)
		switch {
		case err == nil:
			codes++
		case !errors.Is(err, ErrCodeNotUsable):
			return codes, fmt.Errorf("erase member %s: nothing was erased: make code %s unavailable: %w", memberID, c.Code, err)
		}
	}
	audit.Note(ctx, "unavailable_codes", nil, codes)
	return codes, s.Erase(ctx, memberID)
}

// Erase deletes a person's data: the identities, the phone number, the content of WeChat's events,
// forms, and the messages in the outbox. The sessions end. Cards and ledgers, with the
// texts of their entries, are kept under a new member ID that cannot be traced to the
// person, and the codes become unavailable here. What was deleted is overwritten in the
// files of the database when Erase returns, or soon after if a reader still needs it. If the same person returns, even with
// one of these codes, that is a new member. WeChat is not called, so the card stays in
// the wallet until its holder deletes it; see EraseWithCodes. Erase returns
// ErrMemberUnknown for an unknown member.
func (s *Service) Erase(ctx context.Context, memberID string) error {
	err := s.writePeople(ctx, func(ctx context.Context, tx peopleTx) error {
		if err := mustExist(ctx, tx, memberID); err != nil {
			return err
		}
		if err := tx.mustBeExclusive(); err != nil {
			return err
		}
		if err := tx.EndSessions(ctx, memberID); err != nil {
			return err
		}
		return tx.Erase(ctx, memberID, uuid.NewString())
	})
	if err != nil {
		return fmt.Errorf("erase member %s: %w", memberID, err)
	}
	s.scrubSoon(ctx)
	return nil
}

// EraseImported deletes what leads from an imported account, which must wait for its
// person, to that person. Its ledger is kept, as Erase keeps one. It returns
// ErrAccountUnknown if no such account waits; one that is bound to a member is erased
// with that member.
func (s *Service) EraseImported(ctx context.Context, accountID string) error {
	err := s.write(ctx, func(ctx context.Context, tx Tx) error { return tx.EraseImported(ctx, accountID, uuid.NewString()) })
	if errors.Is(err, ErrNotFound) {
		err = ErrAccountUnknown
	}
	if err != nil {
		return fmt.Errorf("erase imported account %s: %w", accountID, err)
	}
	s.scrubSoon(ctx)
	return nil
}

// scrubSoon scrubs the store now, if that takes no longer than a second, or later.
func (s *Service) scrubSoon(ctx context.Context) {
	if s.scrubFor(context.WithoutCancel(ctx), time.Second) != nil {
		select {
		case s.unscrubbed <- struct{}{}:
		default: // it will be done
		}
	}
}

// Scrub removes from the store's own copies what Erase could not remove in time, for
// example because a backup was reading. It blocks until ctx ends.
func (s *Service) Scrub(ctx context.Context) {
	const pause, most = 10 * time.Second, 10 * time.Minute
	for {
		select {
		case <-s.unscrubbed:
		case <-ctx.Done():
			return
		}
		for s.scrubFor(ctx, most) != nil && ctx.Err() == nil {
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
		}
	}
}

// scrubFor removes what was deleted from the store's own copies, or gives up.
func (s *Service) scrubFor(ctx context.Context, most time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	return s.store.Scrub(ctx)
}
