package member

import (
	"cmp"
	"context"
	"errors"

	"github.com/google/uuid"
)

// A member has at most one openid in each app: who it is in the mini-program,
// which its sessions name and which therefore never moves, and who it is in the
// Official Account, in whose wallet the cards are.
//
// The two belong together for one of two reasons. A unionid that WeChat gave
// for both is strong. A card that was issued to, or proved for, the one and is
// in the wallet of the other is weak, because a cardExt can be forwarded; it
// holds until a unionid says otherwise. Then the Official Account's openid goes
// where it belongs, and its wallet with it.

// known is who a member is; an identity that is not known is zero.
type known struct{ mini, official Identity }

func (s *Service) known(ctx context.Context, r Reader, memberID string) (k known, err error) {
	ids, err := r.Identities(ctx, memberID)
	for _, id := range ids {
		if id.AppID == s.apps.MiniProgram {
			k.mini = id
		}
		if id.AppID == s.apps.Official {
			k.official = id
		}
	}
	return k, err
}

// differ tells whether both unionids are known and not one.
func differ(a, b Identity) bool {
	return a.UnionID != "" && b.UnionID != "" && a.UnionID != b.UnionID
}

// person returns the member who is who, making one if nobody is. A unionid is
// remembered, and joins or parts those of whom it says so.
func (s *Service) person(ctx context.Context, tx people, who Identity) (memberID string, err error) {
	id, err := tx.Identity(ctx, who.AppID, who.OpenID)
	if errors.Is(err, ErrNotFound) {
		id, err = s.newcomer(ctx, tx, who)
	}
	if err != nil || who.UnionID == "" || who.UnionID == id.UnionID {
		return id.MemberID, err
	}
	id.UnionID = who.UnionID
	if err := tx.Exclude(ctx, id.UnionID, id.MemberID); err != nil {
		return "", err
	}
	if err := tx.SetUnionID(ctx, id.AppID, id.OpenID, id.UnionID); err != nil {
		return "", err
	}
	return s.place(ctx, tx, id)
}

func (s *Service) newcomer(ctx context.Context, tx people, who Identity) (Identity, error) {
	id, err := s.expected(ctx, tx, who)
	if errors.Is(err, ErrNotFound) {
		id = Identity{AppID: who.AppID, OpenID: who.OpenID, MemberID: uuid.NewString()}
		err = tx.AddMember(ctx, id.MemberID)
	}
	if err != nil {
		return id, err
	}
	added, err := tx.AddIdentity(ctx, id)
	if err == nil && !added {
		err = ErrRaced
	}
	return id, err
}

// expected is who as the member whom the unionid is known of from the other app
// only, the usual case; else it returns ErrNotFound.
func (s *Service) expected(ctx context.Context, tx people, who Identity) (Identity, error) {
	if who.UnionID == "" {
		return Identity{}, ErrNotFound
	}
	if err := tx.Exclude(ctx, who.UnionID); err != nil {
		return Identity{}, err
	}
	same, err := tx.ByUnionID(ctx, who.UnionID)
	if err != nil || len(same) != 1 {
		return Identity{}, cmp.Or(err, ErrNotFound)
	}
	who.MemberID = same[0].MemberID
	if err := tx.Exclude(ctx, who.MemberID); err != nil {
		return Identity{}, err
	}
	ids, err := tx.Identities(ctx, who.MemberID)
	if err == nil && (len(ids) != 1 || ids[0].AppID == who.AppID) {
		err = ErrNotFound
	}
	return who, err
}

// place puts an identity whose unionid has just become known where that says
// it belongs, and returns its member then.
func (s *Service) place(ctx context.Context, tx people, id Identity) (memberID string, err error) {
	k, err := s.known(ctx, tx, id.MemberID)
	if err != nil {
		return "", err
	}
	if differ(k.mini, k.official) {
		alone, err := s.leave(ctx, tx, k.official)
		if err != nil {
			return "", err
		}
		if id.OpenID == k.official.OpenID && id.AppID == k.official.AppID {
			id.MemberID = alone
		}
	}
	twin, err := s.twin(ctx, tx, id)
	switch {
	case err != nil || twin.MemberID == "" || twin.MemberID == id.MemberID:
		return id.MemberID, err
	case id.AppID == s.apps.MiniProgram:
		return id.MemberID, s.unite(ctx, tx, id, twin)
	}
	return twin.MemberID, s.unite(ctx, tx, twin, id)
}

// twin finds the identity in the other app that has id's unionid. WeChat gives
// nobody two openids in one app; if it looks so, they stay two members and an
// operator is told.
func (s *Service) twin(ctx context.Context, tx Tx, id Identity) (twin Identity, err error) {
	same, err := tx.ByUnionID(ctx, id.UnionID)
	if err != nil {
		return Identity{}, err
	}
	for _, other := range same {
		switch {
		case other == id:
		case other.AppID == id.AppID:
			return Identity{}, tx.AddConflict(ctx, id, other.MemberID)
		case twin.MemberID == "" || other.MemberID == id.MemberID:
			twin = other
		}
	}
	return twin, nil
}

// unite brings the two identities of one person together.
func (s *Service) unite(ctx context.Context, tx people, mini, official Identity) error {
	k, err := s.known(ctx, tx, mini.MemberID)
	if err != nil {
		return err
	}
	if k.official.OpenID != "" { // for a weak reason: it has not this unionid
		if _, err := s.leave(ctx, tx, k.official); err != nil {
			return err
		}
	}
	return s.move(ctx, tx, official, mini.MemberID)
}

// leave gives an Official Account's identity a member of its own.
func (s *Service) leave(ctx context.Context, tx people, official Identity) (memberID string, err error) {
	memberID = uuid.NewString()
	if err := tx.AddMember(ctx, memberID); err != nil {
		return "", err
	}
	return memberID, s.move(ctx, tx, official, memberID)
}

// move gives an Official Account's identity and its wallet to another member.
// Whoever was known by it alone is that member then.
func (s *Service) move(ctx context.Context, tx people, official Identity, into string) error {
	if err := tx.change(); err != nil {
		return err
	}
	left, err := s.known(ctx, tx, official.MemberID)
	if err != nil {
		return err
	}
	if err := tx.MoveIdentity(ctx, official.AppID, official.OpenID, into); err != nil {
		return err
	}
	if err := tx.MoveCards(ctx, official.MemberID, official.OpenID, into); err != nil {
		return err
	}
	if left.mini.OpenID != "" {
		return nil
	}
	return tx.DeleteMember(ctx, official.MemberID)
}

// tie joins a member of the mini-program with the person in whose wallet a card
// is that was issued to, or proved for, the member. It reports false, and
// changes nothing, when something says that they are two.
func (s *Service) tie(ctx context.Context, tx people, memberID, openID string) (bool, error) {
	me, err := s.known(ctx, tx, memberID)
	if err != nil || me.mini.OpenID == "" || me.official.OpenID != "" {
		return false, err
	}
	id, err := tx.Identity(ctx, s.apps.Official, openID)
	if err != nil || differ(me.mini, id) {
		return false, err
	}
	them, err := s.known(ctx, tx, id.MemberID)
	if err != nil || them.mini.OpenID != "" {
		return false, err
	}
	return true, s.move(ctx, tx, id, memberID)
}

// holder returns the member in whose wallet a card is that who took and that
// was issued to, or proved for, memberID: one person, unless something says
// that they are two. Then the wallet counts.
func (s *Service) holder(ctx context.Context, tx people, memberID string, who Identity) (string, error) {
	theirs, err := s.person(ctx, tx, who)
	if err != nil || theirs == memberID {
		return theirs, err
	}
	if tied, err := s.tie(ctx, tx, memberID, who.OpenID); tied || err != nil {
		return memberID, err
	}
	return theirs, nil
}
