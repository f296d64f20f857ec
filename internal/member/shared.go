package member

import (
	"context"
	"errors"
	"slices"
)

// distrust ends the use of a unionid that two openids of one app have. It undoes what
// the unionid did: identities that only the unionid joined are parted, and those that
// it kept apart are joined again, by an earlier unionid or by a code. The cards go with
// the wallet that they are in, as always.
func (s *Service) distrust(ctx context.Context, tx peopleTx, unionID string) error {
	if err := tx.mustBeExclusive(); err != nil {
		return err
	}
	had, err := tx.ByUnionID(ctx, unionID)
	if err != nil {
		return err
	}
	if err := tx.DistrustUnionID(ctx, unionID); err != nil {
		return err
	}
	for _, step := range []func(context.Context, peopleTx, Identity, string) error{s.restoreUnionID, s.partIfUnproved, s.rejoin} {
		for _, id := range had {
			if err := step(ctx, tx, id, unionID); err != nil {
				return err
			}
		}
	}
	return nil
}

// restoreUnionID makes the unionid count that an identity had before unionID.
func (s *Service) restoreUnionID(ctx context.Context, tx peopleTx, had Identity, unionID string) error {
	if had.UnionID != unionID {
		return nil // a later one counts
	}
	before, err := tx.IgnoredUnionID(ctx, had)
	if err != nil || before == "" {
		return err
	}
	return tx.SetUnionID(ctx, had.AppID, had.OpenID, before)
}

// partIfUnproved parts two identities of one member that had the distrusted unionID
// both, and that nothing else joins. had is one of them, as it was.
func (s *Service) partIfUnproved(ctx context.Context, tx peopleTx, had Identity, unionID string) error {
	id, err := tx.Identity(ctx, had.AppID, had.OpenID)
	if err != nil {
		return err
	}
	ids, err := s.identitiesOf(ctx, tx, id.MemberID)
	if err != nil || ids.mini.OpenID == "" || ids.official.OpenID == "" || ids.mini == ids.official {
		return err
	}
	joined, err := s.joinedWithout(ctx, tx, ids, unionID)
	if err == nil && !joined {
		_, err = s.separate(ctx, tx, ids.official)
	}
	return err
}

// joinedWithout reports whether the two identities of a member are one person even
// though unionID proves nothing.
func (s *Service) joinedWithout(ctx context.Context, tx peopleTx, ids identities, unionID string) (bool, error) {
	if differ(ids.mini, ids.official) {
		return false, nil
	}
	if ids.mini.UnionID != "" && ids.mini.UnionID == ids.official.UnionID {
		return true, nil
	}
	same, err := tx.ByUnionID(ctx, unionID)
	if err != nil || !has(same, ids.mini) || !has(same, ids.official) {
		return true, err // it did not join them
	}
	proofs, err := tx.ProofsOfMember(ctx, ids.mini.MemberID)
	return slices.ContainsFunc(proofs, func(p Proof) bool { return p.OpenID == ids.official.OpenID }), err
}

func has(list []Identity, id Identity) bool {
	return slices.ContainsFunc(list, func(other Identity) bool { return other.AppID == id.AppID && other.OpenID == id.OpenID })
}

// rejoin joins an identity that had the distrusted unionid as if it never had it.
func (s *Service) rejoin(ctx context.Context, tx peopleTx, had Identity, _ string) error {
	id, err := tx.Identity(ctx, had.AppID, had.OpenID)
	if err != nil {
		return err
	}
	if id.UnionID != "" {
		if id.MemberID, err = s.placeByUnionID(ctx, tx, id); err != nil {
			return err
		}
	}
	var proofs []Proof
	if id.AppID == s.apps.MiniProgram {
		proofs, err = tx.ProofsOfMember(ctx, id.MemberID)
	} else {
		proofs, err = tx.ProofsOfWallet(ctx, id.OpenID)
	}
	if err != nil {
		return err
	}
	for _, p := range proofs {
		if _, err := s.joinByCard(ctx, tx, p.MemberID, p.OpenID); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

// SharedUnionIDs lists up to n unionids that WeChat gave for two people, the latest
// first. They are not used.
func (s *Service) SharedUnionIDs(ctx context.Context, n int) ([]string, error) {
	return s.store.SharedUnionIDs(ctx, n)
}

// ResolveConflicts ends the use of the shared unionids that a former version of
// addcard found and went on using.
func (s *Service) ResolveConflicts(ctx context.Context) error {
	if found, err := s.store.Conflicts(ctx); err != nil || len(found) == 0 {
		return err
	}
	return s.writePeople(ctx, func(ctx context.Context, tx peopleTx) error {
		if err := tx.mustBeExclusive(); err != nil {
			return err
		}
		found, err := tx.Conflicts(ctx)
		if err != nil {
			return err
		}
		for _, unionID := range found {
			if err := s.distrust(ctx, tx, unionID); err != nil {
				return err
			}
		}
		return tx.DeleteConflicts(ctx)
	})
}
