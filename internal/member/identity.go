package member

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/addcard/addcard/internal/ledger"
)

// A member has at most one openid in each app: the mini-program's, which its
// sessions name and which therefore never moves, and the Official Account's,
// which has a wallet with the cards.
//
// Two facts join them. A unionid that WeChat gave for both is strong. A card that
// was issued to, or proved for, the one and is in the wallet of the other is weak,
// because a cardExt can be forwarded: it holds until a unionid contradicts it. Then
// the Official Account's openid moves to where its unionid belongs, and its wallet
// moves with it.
//
// A unionid that two openids of one app have is wrong, as WeChat has made it once for
// hundreds of people: see distrust.

// identities are a member's identities; one that is not known is zero.
type identities struct{ mini, official Identity }

func (s *Service) identitiesOf(ctx context.Context, r Reader, memberID string) (ids identities, err error) {
	list, err := r.Identities(ctx, memberID)
	for _, id := range list {
		if id.AppID == s.apps.MiniProgram {
			ids.mini = id
		}
		if id.AppID == s.apps.Official {
			ids.official = id
		}
	}
	return ids, err
}

// InMiniProgram reports whether the member's openid in the mini-program is known.
func (s *Service) InMiniProgram(ctx context.Context, r Reader, memberID string) (bool, error) {
	ids, err := s.identitiesOf(ctx, r, memberID)
	return ids.mini.OpenID != "", err
}

// differ reports whether both unionids are known and different.
func differ(a, b Identity) bool {
	return a.UnionID != "" && b.UnionID != "" && a.UnionID != b.UnionID
}

// memberOf returns the member of an identity, and makes one if there is none. A
// unionid is stored; it may join members, or part them. What is new proves imported
// accounts.
func (s *Service) memberOf(ctx context.Context, tx peopleTx, who Identity) (memberID string, err error) {
	id, err := tx.Identity(ctx, who.AppID, who.OpenID)
	isNew := errors.Is(err, ErrNotFound)
	if isNew {
		id, err = s.addIdentity(ctx, tx, who)
	}
	if err == nil && who.UnionID != "" && who.UnionID != id.UnionID {
		isNew = true
		_, err = s.addUnionID(ctx, tx, id, who.UnionID)
	}
	if err != nil || !isNew {
		return id.MemberID, err
	}
	if id, err = tx.Identity(ctx, who.AppID, who.OpenID); err != nil {
		return "", err
	}
	return id.MemberID, prove(ctx, tx, id.MemberID, Marks{UnionID: id.UnionID, OpenID: id.OpenID})
}

// addUnionID stores another unionid that WeChat gave for an identity, and returns the
// member who has the identity then. The latest unionid counts, unless it is shared.
func (s *Service) addUnionID(ctx context.Context, tx peopleTx, id Identity, unionID string) (memberID string, err error) {
	if err := tx.LockNames(ctx, unionID, id.MemberID); err != nil {
		return "", err
	}
	shared, err := tx.Shared(ctx, unionID)
	if err != nil {
		return "", err
	}
	if shared {
		return id.MemberID, tx.IgnoreUnionID(ctx, id, unionID)
	}
	same, err := tx.ByUnionID(ctx, unionID)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(same, func(other Identity) bool { return other.AppID == id.AppID && other.OpenID != id.OpenID }) {
		return s.addShared(ctx, tx, id, unionID)
	}
	if err := tx.SetUnionID(ctx, id.AppID, id.OpenID, unionID); err != nil {
		return "", err
	}
	id.UnionID = unionID
	return s.placeByUnionID(ctx, tx, id)
}

// addShared is addUnionID for a unionid that another openid of the app has.
func (s *Service) addShared(ctx context.Context, tx peopleTx, id Identity, unionID string) (memberID string, err error) {
	if err := tx.IgnoreUnionID(ctx, id, unionID); err != nil {
		return "", err
	}
	if err := s.distrust(ctx, tx, unionID); err != nil {
		return "", err
	}
	id, err = tx.Identity(ctx, id.AppID, id.OpenID)
	return id.MemberID, err
}

// addIdentity adds an identity to the member that its unionid names, or to a new
// member.
func (s *Service) addIdentity(ctx context.Context, tx peopleTx, who Identity) (Identity, error) {
	id, err := s.withOtherApp(ctx, tx, who)
	if errors.Is(err, ErrNotFound) {
		id = Identity{AppID: who.AppID, OpenID: who.OpenID, MemberID: uuid.NewString()}
		err = tx.AddMember(ctx, id.MemberID)
	}
	if err != nil {
		return id, err
	}
	added, err := tx.AddIdentity(ctx, id)
	if err == nil && !added {
		err = ledger.ErrConflict
	}
	return id, err
}

// withOtherApp returns the identity as one of the member that has its unionid in
// the other app only, which is the usual case; else it returns ErrNotFound.
func (s *Service) withOtherApp(ctx context.Context, tx peopleTx, who Identity) (Identity, error) {
	if who.UnionID == "" {
		return Identity{}, ErrNotFound
	}
	if err := tx.LockNames(ctx, who.UnionID); err != nil {
		return Identity{}, err
	}
	same, err := tx.ByUnionID(ctx, who.UnionID)
	if err != nil || len(same) != 1 || same[0].UnionID != who.UnionID {
		return Identity{}, cmp.Or(err, ErrNotFound)
	}
	who.MemberID = same[0].MemberID
	if err := tx.LockNames(ctx, who.MemberID); err != nil {
		return Identity{}, err
	}
	ids, err := tx.Identities(ctx, who.MemberID)
	if err == nil && (len(ids) != 1 || ids[0].AppID == who.AppID) {
		err = ErrNotFound
	}
	return who, err
}

// placeByUnionID moves an identity with a newly known unionid to the member that
// the unionid names, and returns that member.
func (s *Service) placeByUnionID(ctx context.Context, tx peopleTx, id Identity) (memberID string, err error) {
	ids, err := s.identitiesOf(ctx, tx, id.MemberID)
	if err != nil {
		return "", err
	}
	if differ(ids.mini, ids.official) {
		separate, err := s.separate(ctx, tx, ids.official)
		if err != nil {
			return "", err
		}
		if id.OpenID == ids.official.OpenID && id.AppID == ids.official.AppID {
			id.MemberID = separate
		}
	}
	other, err := s.sameUnionID(ctx, tx, id)
	switch {
	case err != nil || other.MemberID == "" || other.MemberID == id.MemberID:
		return id.MemberID, err
	case id.AppID == s.apps.MiniProgram:
		return id.MemberID, s.join(ctx, tx, id, other)
	}
	return other.MemberID, s.join(ctx, tx, other, id)
}

// sameUnionID returns the identity in the other app that has id's unionid, or a zero
// Identity.
func (s *Service) sameUnionID(ctx context.Context, tx Tx, id Identity) (found Identity, err error) {
	same, err := tx.ByUnionID(ctx, id.UnionID)
	for _, other := range same {
		if other.AppID != id.AppID && other.UnionID == id.UnionID {
			found = other
		}
	}
	return found, err
}

// join makes the two identities of one person one member: the mini-program's.
func (s *Service) join(ctx context.Context, tx peopleTx, mini, official Identity) error {
	ids, err := s.identitiesOf(ctx, tx, mini.MemberID)
	if err != nil {
		return err
	}
	if ids.official.OpenID != "" { // joined by a card: it does not have this unionid
		if _, err := s.separate(ctx, tx, ids.official); err != nil {
			return err
		}
	}
	return s.moveWallet(ctx, tx, official, mini.MemberID)
}

// separate gives an Official Account's identity a member of its own.
func (s *Service) separate(ctx context.Context, tx peopleTx, official Identity) (memberID string, err error) {
	memberID = uuid.NewString()
	if err := tx.AddMember(ctx, memberID); err != nil {
		return "", err
	}
	return memberID, s.moveWallet(ctx, tx, official, memberID)
}

// moveWallet gives an Official Account's identity and its wallet to another member.
// A member that had no other identity is deleted.
func (s *Service) moveWallet(ctx context.Context, tx peopleTx, official Identity, into string) error {
	if err := tx.mustBeExclusive(); err != nil {
		return err
	}
	from, err := s.identitiesOf(ctx, tx, official.MemberID)
	if err != nil {
		return err
	}
	if err := tx.MoveIdentity(ctx, official.AppID, official.OpenID, into); err != nil {
		return err
	}
	if err := tx.MoveCards(ctx, official.MemberID, official.OpenID, into); err != nil {
		return err
	}
	if from.mini.OpenID != "" {
		return nil
	}
	return tx.DeleteMember(ctx, official.MemberID)
}

// joinByCard joins a member of the mini-program with the person who holds a
// card that was issued to, or proved for, the member. It reports false, and
// changes nothing, when something shows that they are two people.
func (s *Service) joinByCard(ctx context.Context, tx peopleTx, memberID, openID string) (bool, error) {
	own, err := s.identitiesOf(ctx, tx, memberID)
	if err != nil || own.mini.OpenID == "" || own.official.OpenID != "" {
		return false, err
	}
	id, err := tx.Identity(ctx, s.apps.Official, openID)
	if err != nil || differ(own.mini, id) {
		return false, err
	}
	other, err := s.identitiesOf(ctx, tx, id.MemberID)
	if err != nil || other.mini.OpenID != "" {
		return false, err
	}
	return true, s.moveWallet(ctx, tx, id, memberID)
}

// holderOf returns the member who holds a card that is in the wallet of who. It is the
// member who has the card, if both are one person, which the card shows when it is
// first met in a wallet, unless something else shows that they are two. Then it is the
// member of the wallet.
func (s *Service) holderOf(ctx context.Context, tx peopleTx, c Card, who Identity) (string, error) {
	if c.Life.Wallet == "" { // it was issued to the member
		if err := tx.AddProof(ctx, Proof{c.MemberID, who.OpenID}); err != nil {
			return "", err
		}
	}
	owner, err := s.memberOf(ctx, tx, who)
	if err != nil || owner == c.MemberID {
		return owner, err
	}
	if joined, err := s.joinByCard(ctx, tx, c.MemberID, who.OpenID); joined || err != nil {
		return c.MemberID, err
	}
	return owner, nil
}
