package member

import (
	"context"
	"errors"
	"slices"

	"github.com/addcard/addcard/internal/phone"
)

// ErrPhoneTaken is returned by SetPhone for a number that another member has.
var ErrPhoneTaken = errors.New("member: the phone number is another member's")

// SealedPhone is a stored phone number.
type SealedPhone struct {
	Hash   string // keyed hash of the number, to find the member by
	Sealed string // the number, encrypted
}

// SetPhone records the phone number, in the form of package phone, that WeChat has
// verified for the member. It replaces the one before. An imported account that waits
// for the number joins the member's card. Without SealForms it stores nothing. It
// returns ErrPhoneTaken or ErrMemberUnknown.
func (s *Service) SetPhone(ctx context.Context, memberID, number string) error {
	err := s.writePeople(ctx, func(ctx context.Context, tx peopleTx) error { return s.setPhone(ctx, tx, memberID, number) })
	if err == nil {
		s.wake()
	}
	return err
}

func (s *Service) setPhone(ctx context.Context, tx peopleTx, memberID, number string) error {
	if err := mustExist(ctx, tx, memberID); err != nil {
		return err
	}
	if s.formKeys == nil {
		return nil
	}
	text := phone.Short(number) // as in forms
	hashes := s.formKeys.Indexes(text)
	if err := tx.LockNames(ctx, slices.Sorted(slices.Values(hashes))...); err != nil {
		return err
	}
	switch owner, err := tx.PhoneOwner(ctx, hashes); {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return err
	case owner != memberID:
		return ErrPhoneTaken
	}
	err := tx.PutPhone(ctx, memberID, SealedPhone{
		Hash: s.formKeys.Index(text), Sealed: s.formKeys.Seal([]byte(number), phoneContext(memberID)),
	})
	if err != nil {
		return err
	}
	return prove(ctx, tx, memberID, Marks{Phones: hashes})
}

// phoneContext is what the sealed number of a member is bound to.
func phoneContext(memberID string) string { return "phone " + memberID }

// Phone returns the phone number that is stored for the member, or "". It returns "" too
// for one that no key opens.
func (s *Service) Phone(ctx context.Context, memberID string) (number string, err error) {
	sealed, err := s.store.SealedPhone(ctx, memberID)
	return s.openPhone(memberID, sealed), err
}

// openPhones sets the phone numbers of people. One that no key opens stays unknown.
func (s *Service) openPhones(people []Person) {
	for i, p := range people {
		people[i].Phone = s.openPhone(p.ID, p.SealedPhone)
	}
}

func (s *Service) openPhone(memberID, sealed string) string {
	if s.formKeys == nil || sealed == "" {
		return ""
	}
	number, err := s.formKeys.Open(sealed, phoneContext(memberID))
	if err != nil {
		return ""
	}
	return string(number)
}
