package member

import (
	"context"
	"fmt"
)

// Enroll returns the member who is openID in appID, making one at the first
// sight. A unionid that WeChat gave is remembered, and joins the members whom
// it shows to be one person. unionID may be empty.
//
// Two openids of one app stay two members even with one unionid: WeChat does
// not produce that, so it is not a reason to give a person another's cards.
func (s *Service) Enroll(ctx context.Context, appID, openID, unionID string) (memberID string, err error) {
	if id, err := s.store.Identity(ctx, appID, openID); err == nil && (unionID == "" || id.UnionID == unionID) {
		return id.MemberID, nil // the usual login writes nothing
	}
	err = s.writePeople(ctx, func(ctx context.Context, tx people) error {
		memberID, err = s.person(ctx, tx, Identity{AppID: appID, OpenID: openID, UnionID: unionID})
		return err
	})
	if err != nil {
		return "", fmt.Errorf("enroll: %w", err)
	}
	return memberID, nil
}
