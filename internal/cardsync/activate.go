package cardsync

import (
	"cmp"
	"context"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
)

var (
	// errGifting postpones an activation while the card is on its way to a friend,
	// which takes a day at most. WeChat refuses to activate it then.
	errGifting = outbox.WaitError{Why: "cardsync: the card is being given away", Wait: 10 * time.Minute}
	// errReportExpected postpones, once, the activation of a card from the open-card
	// component if its holder is not known in the mini-program. The mini-program
	// reports the card a moment after WeChat's event, and can only prove to hold it
	// while the card is not active.
	errReportExpected = outbox.WaitError{Why: "cardsync: the mini-program may report the card", Wait: 20 * time.Second}
	// errActivating postpones reading a card that was just activated and that WeChat
	// does not yet show as active. After a minute it is activated again, and then read
	// by the reconciler: WeChat may never say that it is active.
	errActivating = outbox.WaitError{Why: "cardsync: the activation does not show yet", Wait: 5 * time.Second}
)

// A card that activates itself is read a few times until WeChat shows it as active, and
// then by the reconciler. After selfActivationTime its face counts as it is: WeChat may
// never say that such a card is active.
const (
	selfActivationReads = 6
	selfActivationTime  = 15 * time.Minute
)

// refresh reads the card at WeChat, activates it if addcard has to, and adopts its
// state. A card is never activated unread: another system may have activated it, or an
// earlier attempt that was not answered, and a second activation would reset its
// totals.
func (s *Service) refresh(ctx context.Context, m outbox.Message, c member.Card) error {
	if c.Ended() || m.Kind == member.KindActivate && !c.InWallet() {
		return s.finishUnchanged(ctx, m, c)
	}
	info, err := s.wechat.CardInfo(ctx, m.CardID, m.Code)
	if c.Status == member.Deleted && outbox.NotDelivered(err) {
		return s.finishUnchanged(ctx, m, c) // it is still deleted
	}
	if err != nil {
		return err
	}
	seen := c
	seen.ApplyInfo(info, time.Now())
	must, err := s.mustActivate(ctx, seen)
	if err != nil {
		return err
	}
	must = must && !info.Active
	start, known, activated := member.Start{}, seen.Status == member.Active && !must, false
	switch {
	case known && !info.Active && !c.FaceKnown && time.Since(c.ActivatedAt) < selfActivationTime:
		known = false
		if m.Attempts < selfActivationReads {
			err = errActivating
		}
	case known:
		start, err = s.members.Start(ctx, c, info)
	case !must:
	case info.Status == "GIFTING":
		err = errGifting
	case c.Status == member.Active && !c.FaceKnown && time.Since(c.ActivatedAt) < time.Minute:
		err = errActivating
	case m.Attempts == 0 && s.awaitsReport(ctx, c):
		err = errReportExpected
	default:
		start, known, err = s.activate(ctx, c, info)
		activated, info.Active, info.MembershipNumber = true, true, numberOf(c)
	}
	if err != nil {
		return err
	}
	return s.finishCard(ctx, m, func(now *member.Card) error {
		switch unchanged := now.Life.Version == c.Life.Version; {
		case unchanged:
			now.ApplyInfo(info, time.Now())
		case activated && !now.Ended(): // deleted meanwhile, say: the activation has happened all the same
			now.MarkActive(numberOf(c), time.Now())
		default:
			return outbox.ErrStale
		}
		now.FaceKnown = now.FaceKnown || known
		return nil
	}, start, info.Form)
}

// activate activates at WeChat a card that was read as not active, with the figures
// that it starts with. It reports whether the figures on the face are known then. They
// are read, because WeChat may set some of its own (bonus_rule), and because another
// system may have been faster.
func (s *Service) activate(ctx context.Context, c member.Card, info member.CardInfo) (start member.Start, known bool, err error) {
	if start, err = s.members.Start(ctx, c, info); err != nil {
		return start, false, err
	}
	a := Activation{CardID: c.CardID, Code: c.Code, MembershipNumber: numberOf(c), Grant: start.Face}
	if c.Seq == 0 && start.Face == (member.InitialGrant{}) {
		a.Grant, start.GrantShown = start.Grant, start.Grant != member.InitialGrant{}
	}
	start.Reset = c.Seq > 0 && !c.ActivatedAt.IsZero()
	if err := s.wechat.Activate(ctx, a); err != nil || c.FaceKnown {
		return start, true, err
	}
	sent := member.InitialGrant{Bonus: a.Grant.Bonus, Balance: a.Grant.Balance}
	after, err := s.wechat.CardInfo(ctx, c.CardID, c.Code)
	if err != nil || !after.Active {
		known = sent != member.InitialGrant{}
		start.Unread = !known && c.Status != member.Active // else it was activated before, and this would repeat itself
		return start, known, nil
	}
	if shown := after.Figures(); shown != sent && shown != (member.InitialGrant{}) {
		start.Face = shown
		if start.GrantShown {
			start.Grant, start.GrantShown = member.InitialGrant{}, false
		}
	}
	return start, true, nil
}

// numberOf returns the membership number that a card is activated with: an imported
// one, or its code.
func numberOf(c member.Card) string { return cmp.Or(c.MembershipNumber, c.Code) }

// mustActivate reports whether addcard has to make the card active.
func (s *Service) mustActivate(ctx context.Context, c member.Card) (bool, error) {
	if !c.InWallet() {
		return false, nil
	}
	plan, err := s.members.Plan(ctx, c.CardID)
	return plan == member.PlanPush || plan == member.PlanForm && c.Life.Submitted, err
}

// awaitsReport reports whether the card was taken by a form and its holder is not
// known in the mini-program.
func (s *Service) awaitsReport(ctx context.Context, c member.Card) bool {
	plan, err := s.members.Plan(ctx, c.CardID)
	if err != nil || plan != member.PlanForm {
		return false
	}
	known, err := s.members.InMiniProgram(ctx, s.store, c.MemberID)
	return err == nil && !known
}
