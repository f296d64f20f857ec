package member

import (
	"context"
	"errors"

	"github.com/google/uuid"
)

// person returns the member who is who, making one if nobody is. A unionid is
// remembered, and joins the person to whom WeChat gave the same one in the
// other app.
func (s *Service) person(ctx context.Context, tx Tx, who Identity) (string, error) {
	id, err := tx.Identity(ctx, who.AppID, who.OpenID)
	switch {
	case err == nil:
		return s.learnUnion(ctx, tx, id, who.UnionID)
	case !errors.Is(err, ErrNotFound):
		return "", err
	}
	if who.MemberID, err = s.byUnion(ctx, tx, who); err != nil {
		return "", err
	}
	if who.MemberID == "" {
		who.MemberID = uuid.NewString()
		if err := tx.AddMember(ctx, who.MemberID); err != nil {
			return "", err
		}
	}
	return who.MemberID, s.addIdentity(ctx, tx, who)
}

func (s *Service) addIdentity(ctx context.Context, tx Tx, who Identity) error {
	added, err := tx.AddIdentity(ctx, who)
	if err == nil && !added {
		return errRaced
	}
	return err
}

// byUnion finds the member who has who's unionid in another app, unless that
// member has another openid in this one: two openids of one app stay two members.
func (s *Service) byUnion(ctx context.Context, tx Tx, who Identity) (string, error) {
	if who.UnionID == "" {
		return "", nil
	}
	same, err := tx.ByUnionID(ctx, who.UnionID)
	if err != nil || len(same) == 0 {
		return "", err
	}
	for _, id := range same {
		if id.AppID == who.AppID {
			return "", tx.AddConflict(ctx, who, id.MemberID)
		}
	}
	known, err := s.known(ctx, tx, same[0].MemberID)
	if err != nil {
		return "", err
	}
	if other := known.openID(who.AppID); other != "" && other != who.OpenID {
		return "", tx.AddConflict(ctx, who, same[0].MemberID)
	}
	return same[0].MemberID, nil
}

// learnUnion notes the unionid of a known identity and merges the members whom
// it joins. It returns who id's member is afterwards.
func (s *Service) learnUnion(ctx context.Context, tx Tx, id Identity, unionID string) (string, error) {
	if unionID == "" || id.UnionID == unionID {
		return id.MemberID, nil
	}
	if err := tx.SetUnionID(ctx, id.AppID, id.OpenID, unionID); err != nil {
		return "", err
	}
	same, err := tx.ByUnionID(ctx, unionID)
	if err != nil {
		return "", err
	}
	for _, other := range same {
		if other.MemberID == id.MemberID {
			continue
		}
		return s.unite(ctx, tx, id.MemberID, other.MemberID)
	}
	return id.MemberID, nil
}

// holder returns the member in whose wallet a card is, where who took it and
// its code was issued to, or proved for, memberID. That is one person, joined
// here, unless something known says that they are two: then the wallet counts.
func (s *Service) holder(ctx context.Context, tx Tx, memberID string, who Identity) (string, error) {
	me, err := s.known(ctx, tx, memberID)
	if err != nil {
		return "", err
	}
	id, err := tx.Identity(ctx, who.AppID, who.OpenID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return "", err
	}
	if errors.Is(err, ErrNotFound) {
		return s.stranger(ctx, tx, me, who)
	}
	if id.MemberID, err = s.learnUnion(ctx, tx, id, who.UnionID); err != nil || id.MemberID == memberID {
		return id.MemberID, err
	}
	if me, err = s.known(ctx, tx, memberID); err != nil { // learnUnion may have merged
		return "", err
	}
	if me.id == "" {
		return id.MemberID, nil
	}
	them, err := s.known(ctx, tx, id.MemberID)
	if err != nil {
		return "", err
	}
	if them.isUser(s.apps.MiniProgram) || me.openID(who.AppID) != "" || me.differs(them.unions()...) {
		return them.id, nil
	}
	return memberID, s.merge(ctx, tx, them.id, memberID)
}

// stranger places an openid that was never seen.
func (s *Service) stranger(ctx context.Context, tx Tx, me *known, who Identity) (string, error) {
	if joined, err := s.byUnion(ctx, tx, who); err != nil || joined != "" {
		if err == nil {
			who.MemberID = joined
			err = s.addIdentity(ctx, tx, who)
		}
		return joined, err
	}
	if me.openID(who.AppID) != "" || me.differs(who.UnionID) {
		return s.person(ctx, tx, who)
	}
	who.MemberID = me.id
	return me.id, s.addIdentity(ctx, tx, who)
}

// unite merges two members who have one unionid. The one who uses the
// mini-program survives, so that no session changes its member; where both
// have an openid in one app they stay two, and an operator is told.
func (s *Service) unite(ctx context.Context, tx Tx, a, b string) (string, error) {
	one, err := s.known(ctx, tx, a)
	if err != nil {
		return "", err
	}
	two, err := s.known(ctx, tx, b)
	if err != nil {
		return "", err
	}
	for _, id := range one.ids {
		if other := two.openID(id.AppID); other != "" {
			return a, tx.AddConflict(ctx, id, b)
		}
	}
	if two.isUser(s.apps.MiniProgram) {
		return b, s.merge(ctx, tx, a, b)
	}
	return a, s.merge(ctx, tx, b, a)
}

// merge makes the member from part of the member into: identities, cards and
// all that hangs on them. A card that from holds beats a code that was only
// issued to into.
func (s *Service) merge(ctx context.Context, tx Tx, from, into string) error {
	if err := tx.MoveIdentities(ctx, from, into); err != nil {
		return err
	}
	if err := tx.DropIssued(ctx, into, from); err != nil {
		return err
	}
	if err := tx.MoveCards(ctx, from, into); err != nil {
		return err
	}
	return tx.DeleteMember(ctx, from)
}

// known is a member's identities.
type known struct {
	id  string // empty: there is no such member
	ids []Identity
}

func (s *Service) known(ctx context.Context, r Reader, memberID string) (*known, error) {
	ids, err := r.Identities(ctx, memberID)
	k := &known{id: memberID, ids: ids}
	if len(ids) == 0 {
		k.id = ""
	}
	return k, err
}

func (k *known) openID(appID string) string {
	for _, id := range k.ids {
		if id.AppID == appID {
			return id.OpenID
		}
	}
	return ""
}

// isUser tells whether the member uses the mini-program.
func (k *known) isUser(miniApp string) bool { return k.openID(miniApp) != "" }

func (k *known) unions() (list []string) {
	for _, id := range k.ids {
		if id.UnionID != "" {
			list = append(list, id.UnionID)
		}
	}
	return list
}

// differs tells whether a unionid of theirs is known to be another than ours.
func (k *known) differs(theirs ...string) bool {
	for _, ours := range k.unions() {
		for _, u := range theirs {
			if u != "" && u != ours {
				return true
			}
		}
	}
	return false
}
