package member

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// ErrNobody is returned to an operator who names a member who is not there.
var ErrNobody = errors.New("member: there is no such member")

// Person is a member as an operator sees one: who it is in each app, and every
// card, also the codes that were only issued.
type Person struct {
	ID         string
	CreatedAt  time.Time
	Identities []Identity
	Cards      []Card // oldest first
}

// Mark is a place in the list of people, which is newest first; zero is its
// beginning.
type Mark struct {
	CreatedAt time.Time
	ID        string
}

// Mark is the place behind p.
func (p Person) Mark() Mark { return Mark{p.CreatedAt, p.ID} }

// People lists up to n members that come after the mark.
func (s *Service) People(ctx context.Context, after Mark, n int) ([]Person, error) {
	return s.store.People(ctx, after, n)
}

// Find lists the members whom key names: a member ID, a card code, a membership
// number, an openid, a unionid or a phone number, written out in full. Normally
// that is one; it is never more than n.
func (s *Service) Find(ctx context.Context, key string, n int) ([]Person, error) {
	var phones []string
	if s.phones != nil {
		phones = s.phones(key)
	}
	ids, err := s.store.Find(ctx, key, phones, n)
	if err != nil {
		return nil, err
	}
	people := make([]Person, 0, len(ids))
	for _, id := range ids {
		p, err := s.store.Person(ctx, id)
		if errors.Is(err, ErrNotFound) { // gone meanwhile
			continue
		}
		if err != nil {
			return nil, err
		}
		people = append(people, p)
	}
	return people, nil
}

// FindPhones has Find look for phone numbers too: hashes gives what a number
// may be stored as. It must be called before the Service is used.
func (s *Service) FindPhones(hashes func(number string) []string) { s.phones = hashes }

// Person returns one member, or ErrNobody.
func (s *Service) Person(ctx context.Context, memberID string) (Person, error) {
	p, err := s.store.Person(ctx, memberID)
	if errors.Is(err, ErrNotFound) {
		err = ErrNobody
	}
	return p, err
}

// Everybody calls do for each member, newest first, and stops at the first
// error. It reads page by page, so a long list holds up nobody and whoever
// comes while it runs may be missing.
func (s *Service) Everybody(ctx context.Context, do func(Person) error) error {
	const page = 500
	for after := (Mark{}); ; {
		people, err := s.store.People(ctx, after, page)
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

// Erase deletes what is known of a person: who they are in each app, what
// WeChat's events said of them, and what waits to be told. Their sessions end.
// Cards and ledger are kept under a new ID that nothing ties to them, and the
// codes are at their end (unavailable): whoever comes with one later, even the
// same person, is somebody new. WeChat is not told, so the card stays in the
// wallet until its holder deletes it. It returns ErrNobody for a member who
// is not there.
func (s *Service) Erase(ctx context.Context, memberID string) error {
	err := s.writePeople(ctx, func(ctx context.Context, tx people) error {
		if err := mustExist(ctx, tx, memberID); errors.Is(err, ErrMemberUnknown) {
			return ErrNobody
		} else if err != nil {
			return err
		}
		if err := tx.change(); err != nil {
			return err
		}
		return tx.Erase(ctx, memberID, uuid.NewString())
	})
	if err != nil {
		return fmt.Errorf("erase member %s: %w", memberID, err)
	}
	return nil
}
