package cardsync

import (
	"context"
	"time"

	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
)

// waitError postpones a message.
type waitError struct {
	why  string
	wait time.Duration
}

func (e waitError) Error() string                     { return "cardsync: " + e.why }
func (e waitError) RetryAfter() (time.Duration, bool) { return e.wait, true }

var (
	// errGifting postpones an activation while the card is on its way to a friend,
	// which takes a day at most. WeChat refuses to activate it then.
	errGifting = waitError{"the card is being given away", 10 * time.Minute}
	// errReportExpected postpones, once, the activation of a card from the open-card
	// component if its holder is not known in the mini-program. The mini-program
	// reports the card a moment after WeChat's event, and can only prove to hold it
	// while the card is not active.
	errReportExpected = waitError{"the mini-program may report the card", 20 * time.Second}
)

// activate makes a claimed card active. A message that was leased before may have
// had its effect, and a second activation would reset the card's totals, so the card
// is read first then.
func (s *Service) activate(ctx context.Context, m outbox.Message, c member.Card) error {
	if m.Started {
		return s.refresh(ctx, m, c)
	}
	if c.Status != member.Claimed {
		return s.finishUnchanged(ctx, m, c)
	}
	grant, err := s.activateWithGrant(ctx, c)
	if err != nil {
		return err
	}
	return s.finishCard(ctx, m, func(now *member.Card) error {
		now.MarkActive(m.Code, time.Now())
		return nil
	}, grant, nil)
}

// refresh reads the card at WeChat, activates it if addcard has to, and adopts its
// state.
func (s *Service) refresh(ctx context.Context, m outbox.Message, c member.Card) error {
	if c.Ended() {
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
	var grant member.Grant
	switch {
	case info.Active:
		grant, err = s.grantOfActive(ctx, c, info)
	case must && info.Status == "GIFTING":
		err = errGifting
	case must && m.Attempts == 0 && s.awaitsReport(ctx, c):
		err = errReportExpected
	case must:
		info.Active, info.MembershipNumber = true, m.Code
		grant, err = s.activateWithGrant(ctx, c)
	}
	if err != nil {
		return err
	}
	return s.finishCard(ctx, m, ifUnchanged(c, func(now *member.Card) { now.ApplyInfo(info, time.Now()) }), grant, info.Form)
}

// mustActivate reports whether addcard has to make the card active.
func (s *Service) mustActivate(ctx context.Context, c member.Card) (bool, error) {
	if !c.InWallet() {
		return false, nil
	}
	plan, err := s.catalogue.Plan(ctx, c.CardID)
	return plan == member.PlanPush || plan == member.PlanForm && c.Life.Submitted, err
}

// awaitsReport reports whether the card was taken by a form and its holder is not
// known in the mini-program.
func (s *Service) awaitsReport(ctx context.Context, c member.Card) bool {
	plan, err := s.catalogue.Plan(ctx, c.CardID)
	if err != nil || plan != member.PlanForm {
		return false
	}
	known, err := s.members.InMiniProgram(ctx, s.store, c.MemberID)
	return err == nil && !known
}

// activateWithGrant activates the card at WeChat, with its initial grant if it was
// never active.
func (s *Service) activateWithGrant(ctx context.Context, c member.Card) (member.Grant, error) {
	grant, err := s.members.Grant(ctx, c)
	if err != nil {
		return grant, err
	}
	a := Activation{CardID: c.CardID, Code: c.Code, MembershipNumber: c.Code}
	if c.Seq == 0 {
		a.Grant, grant.Shown = grant.InitialGrant, true
	}
	grant.Reset = c.Seq > 0 && !c.ActivatedAt.IsZero()
	return grant, s.wechat.Activate(ctx, a)
}

// grantOfActive returns the initial grant of a card that is active at WeChat already,
// perhaps by an activation that was not answered.
func (s *Service) grantOfActive(ctx context.Context, c member.Card, info member.CardInfo) (member.Grant, error) {
	grant, err := s.members.Grant(ctx, c)
	grant.Shown = c.Seq == 0 && info.Bonus != nil && info.Balance != nil && *info.Bonus == grant.Bonus && *info.Balance == grant.Balance
	return grant, err
}
