package member

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// errRaced makes a transaction start over: another one has just added the same
// identity, so there is now somebody to find.
var errRaced = errors.New("member: identity was added meanwhile")

// Enroll returns the member who is openID in appID, making one at the first
// sight. A unionid that WeChat gave is remembered, and a new identity joins the
// member who has the same unionid in another app. unionID may be empty.
//
// Two openids of one app stay two members even with one unionid: WeChat does
// not produce that, so it is not a reason to give a person another's cards.
func (s *Service) Enroll(ctx context.Context, appID, openID, unionID string) (memberID string, err error) {
	if id, err := s.store.Identity(ctx, appID, openID); err == nil && (unionID == "" || id.UnionID == unionID) {
		return id.MemberID, nil // the usual login writes nothing
	}
	for range 3 {
		err = s.store.Write(ctx, func(ctx context.Context, tx Tx) error {
			memberID, err = enroll(ctx, tx, Identity{AppID: appID, OpenID: openID, UnionID: unionID})
			return err
		})
		if !errors.Is(err, errRaced) {
			break
		}
	}
	if err != nil {
		return "", fmt.Errorf("enroll: %w", err)
	}
	return memberID, nil
}

func enroll(ctx context.Context, tx Tx, who Identity) (string, error) {
	id, err := tx.Identity(ctx, who.AppID, who.OpenID)
	if err == nil {
		if who.UnionID != "" && id.UnionID != who.UnionID {
			err = tx.SetUnionID(ctx, who.AppID, who.OpenID, who.UnionID)
		}
		return id.MemberID, err
	}
	if !errors.Is(err, ErrNotFound) {
		return "", err
	}
	if who.MemberID, err = sameUnion(ctx, tx, who); err != nil {
		return "", err
	}
	if who.MemberID == "" {
		who.MemberID = uuid.NewString()
		if err := tx.AddMember(ctx, who.MemberID); err != nil {
			return "", err
		}
	}
	switch added, err := tx.AddIdentity(ctx, who); {
	case err != nil:
		return "", err
	case !added:
		return "", errRaced
	}
	return who.MemberID, nil
}

// sameUnion finds the member who has this unionid in other apps only.
func sameUnion(ctx context.Context, tx Tx, who Identity) (memberID string, err error) {
	if who.UnionID == "" {
		return "", nil
	}
	ids, err := tx.ByUnionID(ctx, who.UnionID)
	if err != nil {
		return "", err
	}
	for _, id := range ids {
		if id.AppID == who.AppID {
			return "", nil
		}
		memberID = id.MemberID
	}
	return memberID, nil
}
