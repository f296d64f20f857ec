package timeline

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/addcard/addcard/internal/member"
)

// Lang is a language of sentences.
type Lang string

// The languages.
const (
	Chinese Lang = "zh"
	English Lang = "en"
)

// Situation is what decides why a card is as it is, besides the card.
type Situation struct {
	Waiting *Push     // the first message that waits for the card
	Parked  *Push     // the latest message that is parked
	Drift   bool      // WeChat has changed the figures by itself
	GivenAt time.Time // when a friend took the card
	EndedAt time.Time // when EndedBy made the card unavailable
	EndedBy string    // the actor of the audit log, or "" if it has none
}

// Push is a message to WeChat.
type Push struct {
	Kind     string
	Attempts int64
	Text     string    // WeChat's words at the last attempt
	NextAt   time.Time // when it is tried next
}

// State is all that a sentence about a card depends on.
type State struct {
	Situation
	Status    member.Status
	Lost      bool // the code is another person's
	Form      bool // the card is activated by a form in the wallet
	Submitted bool // the form was filled in
	FaceKnown bool
	DeletedAt time.Time // zero if it is not known
	Now       time.Time
}

// Card is a card with the sentence about it.
type Card struct {
	CardID, Code string
	Status       string // a member.Status, or "lost": the code is another person's
	Why          string
}

// StatusLost is the Card.Status of a code that was signed for the member and that
// another person has.
const StatusLost = "lost"

// maxLost bounds the codes of others that are shown.
const maxLost = 20

// Cards returns the cards of a member, oldest first, behind the codes that were the
// member's and are another's, and the sentence about the latest card. It returns
// member.ErrMemberUnknown for an unknown member.
func (s *Service) Cards(ctx context.Context, memberID string, lang Lang) (cards []Card, why string, err error) {
	p, err := s.members.Person(ctx, memberID)
	if err != nil {
		return nil, "", err
	}
	lost, err := s.store.Lost(ctx, memberID, maxLost)
	if err != nil {
		return nil, "", err
	}
	for _, c := range lost {
		cards = append(cards, Card{c.CardID, c.Code, StatusLost, Why(State{Lost: true}, lang)})
	}
	for _, c := range p.Cards {
		situation, err := s.store.Situation(ctx, c)
		if err != nil {
			return nil, "", err
		}
		cards = append(cards, Card{c.CardID, c.Code, string(c.Status), Why(s.stateOf(ctx, c, situation), lang)})
	}
	if len(cards) == 0 {
		return nil, sentence(lang, "该会员还没有会员卡。", "The member has no card yet."), nil
	}
	return cards, cards[len(cards)-1].Why, nil
}

func (s *Service) stateOf(ctx context.Context, c member.Card, situation Situation) State {
	// Without the catalogue the sentence only says less.
	plan, err := s.plans.Plan(ctx, c.CardID)
	state := State{
		Situation: situation, Status: c.Status, Form: err == nil && plan == member.PlanForm, Submitted: c.Life.Submitted,
		FaceKnown: c.FaceKnown, Now: time.Now().In(s.zone),
	}
	state.GivenAt, state.EndedAt, state.EndedBy = state.GivenAt.In(s.zone), state.EndedAt.In(s.zone), clean(state.EndedBy)
	if c.Life.Deleted/4 > c.Life.Taken/4 { // else it is the moment after the claim: the true one is not known
		state.DeletedAt = momentTime(int64(c.Life.Deleted)).In(s.zone)
	}
	for _, p := range []*Push{situation.Waiting, situation.Parked} {
		if p != nil {
			p.Text = clean(p.Text)
		}
	}
	return state
}

// Why returns one sentence: why the card is as it is. It contains nothing about the
// member. WeChat's words are in it as they are.
func Why(s State, lang Lang) string {
	say := func(zh, en string, args ...any) string { return fmt.Sprintf(sentence(lang, zh, en), args...) }
	switch {
	case s.Lost:
		return say("这个卡号已被另一位微信用户领取。", "The code was taken by another person.")
	case s.Status == member.Gifted && !s.GivenAt.IsZero():
		return say("已于 %[1]s 转赠给好友。", "It was given to a friend on %[1]s.", minute(s.GivenAt))
	case s.Status == member.Gifted:
		return say("已转赠给好友。", "It was given to a friend.")
	case s.Status == member.Unavailable && s.EndedBy != "":
		return say("%[1]s 已于 %[2]s 将其设为失效，不能再使用。", "%[1]s made it unavailable on %[2]s; it cannot be used any more.",
			s.EndedBy, minute(s.EndedAt))
	case s.Status == member.Unavailable:
		return say("已被设为失效，不能再使用。", "It was made unavailable and cannot be used any more.")
	case s.Status == member.Deleted && !s.DeletedAt.IsZero():
		return say("用户已于 %[1]s 从卡包中删除。", "Its holder deleted it from the wallet on %[1]s.", minute(s.DeletedAt))
	case s.Status == member.Deleted:
		return say("用户已从卡包中删除。", "Its holder deleted it from the wallet.")
	case s.Status == member.Issued:
		return say("已生成卡号，用户还没有把卡放入卡包。", "A code was issued, but the card is not in the wallet yet.")
	case s.Status == member.Claimed:
		return whyClaimed(s, say)
	}
	return whyActive(s, say)
}

// activations are the kinds of messages that make a card active.
var activations = []string{member.KindActivate, member.KindRefresh}

type sayer = func(zh, en string, args ...any) string

func whyClaimed(s State, say sayer) string {
	p := s.Waiting
	switch {
	case p != nil && p.Text != "":
		return say("微信未能激活：%[1]s；%[2]s后重试（已失败 %[3]d 次）。",
			"WeChat did not activate it: %[1]s; next try in %[4]s (failed %[3]d times).", p.Text, wait(s, "zh"), p.Attempts, wait(s, "en"))
	case s.Form && !s.Submitted:
		return say("已在卡包中，等待用户填写激活信息。", "It is in the wallet and waits for its holder to fill in the form.")
	case p != nil:
		return say("已在卡包中，正在激活。", "It is in the wallet and is being activated.")
	case s.Parked != nil && slices.Contains(activations, s.Parked.Kind):
		return say("微信拒绝激活，已停止重试：%[1]s", "WeChat refused to activate it, and it is not tried again: %[1]s", s.Parked.Text)
	}
	return say("已在卡包中，尚未激活。", "It is in the wallet and was not activated yet.")
}

func whyActive(s State, say sayer) string {
	p := s.Waiting
	switch {
	case p != nil && p.Text != "":
		return say("已激活；有变动尚未同步到微信：%[1]s；%[2]s后重试（已失败 %[3]d 次）。",
			"It is active; a change is not on its face yet: %[1]s; next try in %[4]s (failed %[3]d times).",
			p.Text, wait(s, "zh"), p.Attempts, wait(s, "en"))
	case s.Parked != nil:
		return say("已激活；微信拒绝了一次变动，已停止重试：%[1]s",
			"It is active; WeChat refused a change, and it is not tried again: %[1]s", s.Parked.Text)
	case s.Drift:
		return say("已激活；微信自行修改了卡面数字，与账本不一致。", "It is active; WeChat has changed the figures on its face by itself.")
	case p != nil:
		return say("已激活；有变动正在同步到微信。", "It is active; a change is being sent to WeChat.")
	case !s.FaceKnown:
		return say("已激活；尚未读到微信卡面上的数字。", "It is active; the figures on its face were not read yet.")
	}
	return say("已激活，与微信一致。", "It is active and in step with WeChat.")
}

// wait returns how long the next attempt is away.
func wait(s State, lang Lang) string {
	seconds := max(0, int64(s.Waiting.NextAt.Sub(s.Now).Round(time.Second)/time.Second))
	switch {
	case seconds < 120:
		return fmt.Sprintf(sentence(lang, "%d 秒", "%d s"), seconds)
	case seconds < 2*3600:
		return fmt.Sprintf(sentence(lang, "%d 分钟", "%d min"), seconds/60)
	}
	return fmt.Sprintf(sentence(lang, "%d 小时", "%d h"), seconds/3600)
}

func minute(t time.Time) string { return t.Format("2006-01-02 15:04") }

func sentence(lang Lang, zh, en string) string {
	if lang == English {
		return en
	}
	return zh
}
