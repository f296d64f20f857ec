package member

import (
	"context"
	"fmt"
)

// Enroll returns the member of an openid in an app, and makes a member for a new
// openid. unionID may be empty; otherwise Enroll stores it, and joins the members
// that it shows to be one person.
//
// Two openids of one app stay two members even with one unionid: WeChat does not
// produce that, so it is no reason to give one person another's cards.
func (s *Service) Enroll(ctx context.Context, appID, openID, unionID string) (memberID string, err error) {
	if id, err := s.store.Identity(ctx, appID, openID); err == nil && (unionID == "" || id.UnionID == unionID) {
		return id.MemberID, nil // the usual login writes nothing
	}
	err = s.writePeople(ctx, func(ctx context.Context, tx peopleTx) error {
		memberID, err = s.memberOf(ctx, tx, Identity{AppID: appID, OpenID: openID, UnionID: unionID})
		return err
	})
	if err != nil {
		return "", fmt.Errorf("enroll: %w", err)
	}
	s.wake() // an imported account may have joined a card
	return memberID, nil
}
