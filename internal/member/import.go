package member

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
)

var (
	// ErrImported is returned for an account with a mark that another imported account
	// of the card has.
	ErrImported = errors.New("member: an account with this mark was imported before")
	// ErrTwoMembers is returned for an account with marks of different members.
	ErrTwoMembers = errors.New("member: the marks are of different members")
)

// The marks by which an imported account names its person.
const (
	MarkCode    = "code"
	MarkPhone   = "phone"
	MarkUnionID = "unionid"
	MarkOpenID  = "openid"
)

// MarkError is an error about one mark of an account.
type MarkError struct {
	Mark    string   // MarkCode and so on
	Account Imported // for ErrImported: the other one
	Err     error
}

func (e *MarkError) Error() string { return fmt.Sprintf("%s: %v", e.Mark, e.Err) }

// Unwrap returns ErrImported or ErrTwoMembers.
func (e *MarkError) Unwrap() error { return e.Err }

// Import adds an account, whose ID it sets, within a transaction that must hold the
// lock of LockPeople exclusively. If one of its marks is a member's already, the account
// is bound to that member, and it joins the card if the member has one. phones are the
// hashes that its number may be stored as. Import returns the account as it is then, or
// a *MarkError; then it has changed nothing.
func (s *Service) Import(ctx context.Context, tx Tx, a Imported, phones []string) (Imported, error) {
	marks := marksOf(a, phones)
	if err := mustBeNew(ctx, tx, a, marks); err != nil {
		return a, err
	}
	memberID, err := s.memberOfMarks(ctx, tx, marks)
	if err != nil {
		return a, err
	}
	a.MemberID = memberID
	if a, err = addImportedAs(ctx, tx, a); err != nil || memberID == "" {
		return a, err
	}
	return a, s.joinImported(ctx, tx, &a)
}

// ImportJoined adds an account without figures that has joined the card with its code, in
// the way of Import: what only the operator knows about the member a.MemberID.
func (s *Service) ImportJoined(ctx context.Context, tx Tx, a Imported, phones []string) (Imported, error) {
	if err := mustBeNew(ctx, tx, a, marksOf(a, phones)); err != nil {
		return a, err
	}
	a, err := addImportedAs(ctx, tx, a)
	if err != nil {
		return a, err
	}
	a.JoinedCode = a.Code
	return a, tx.JoinImported(ctx, a, a.Code, false)
}

func marksOf(a Imported, phones []string) Marks {
	return Marks{Phones: phones, UnionID: a.UnionID, OpenID: a.OpenID, CardID: a.CardID, Code: a.Code}
}

// mustBeNew returns a *MarkError if another account of the card has one of the marks.
func mustBeNew(ctx context.Context, tx Tx, a Imported, m Marks) error {
	others, err := tx.ImportedBy(ctx, m)
	for _, other := range others {
		if other.CardID == a.CardID {
			return &MarkError{markOf(a, other), other, ErrImported}
		}
	}
	return err
}

// addImportedAs adds an account under a new ID.
func addImportedAs(ctx context.Context, tx Tx, a Imported) (Imported, error) {
	a.ID = uuid.Must(uuid.NewV7()).String()
	added, err := tx.AddImported(ctx, a)
	if err == nil && !added {
		err = fmt.Errorf("add an imported account: %w", ErrImported)
	}
	return a, err
}

// joinImported joins an account that was imported for a member who has a card.
func (s *Service) joinImported(ctx context.Context, tx Tx, a *Imported) error {
	if err := joinBound(ctx, tx, a.MemberID); err != nil {
		return err
	}
	accounts, err := tx.BoundTo(ctx, a.MemberID)
	waits := slices.ContainsFunc(accounts, func(b Imported) bool { return b.ID == a.ID })
	if err != nil || waits {
		return err
	}
	current, err := tx.CurrentCode(ctx, a.MemberID, a.CardID)
	a.JoinedCode = current.Code
	return err
}

// markOf returns the mark that both accounts have.
func markOf(a, b Imported) string {
	switch {
	case a.Code != "" && a.Code == b.Code:
		return MarkCode
	case a.UnionID != "" && a.UnionID == b.UnionID:
		return MarkUnionID
	case a.OpenID != "" && a.OpenID == b.OpenID:
		return MarkOpenID
	}
	return MarkPhone
}

// memberOfMarks returns the member who has proved one of the marks, or "".
func (s *Service) memberOfMarks(ctx context.Context, tx Tx, m Marks) (memberID string, err error) {
	for _, find := range []struct {
		mark string
		by   func() (string, error)
	}{
		{MarkCode, func() (string, error) { return memberOfCode(ctx, tx, m.CardID, m.Code) }},
		{MarkPhone, func() (string, error) { return memberOfPhone(ctx, tx, m.Phones) }},
		{MarkUnionID, func() (string, error) { return memberOfUnionID(ctx, tx, m.UnionID) }},
		{MarkOpenID, func() (string, error) { return s.memberOfOpenID(ctx, tx, m.OpenID) }},
	} {
		found, err := find.by()
		switch {
		case err != nil:
			return "", err
		case found != "" && memberID != "" && found != memberID:
			return "", &MarkError{Mark: find.mark, Err: ErrTwoMembers}
		case found != "":
			memberID = found
		}
	}
	return memberID, nil
}

func memberOfCode(ctx context.Context, tx Tx, cardID, code string) (string, error) {
	c, err := tx.Card(ctx, cardID, code)
	if errors.Is(err, ErrNotFound) || err == nil && (c.Status == Issued || c.Ended()) {
		return "", nil
	}
	return c.MemberID, err
}

func memberOfPhone(ctx context.Context, tx Tx, hashes []string) (string, error) {
	memberID, err := tx.PhoneOwner(ctx, hashes)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return memberID, err
}

func memberOfUnionID(ctx context.Context, tx Tx, unionID string) (string, error) {
	same, err := tx.ByUnionID(ctx, unionID)
	for _, id := range same {
		if id.UnionID == unionID {
			return id.MemberID, nil
		}
	}
	return "", err
}

func (s *Service) memberOfOpenID(ctx context.Context, tx Tx, openID string) (string, error) {
	for _, app := range []string{s.apps.Official, s.apps.MiniProgram} {
		id, err := tx.Identity(ctx, app, openID)
		if !errors.Is(err, ErrNotFound) {
			return id.MemberID, err
		}
	}
	return "", nil
}
