package wechatsim

import (
	"cmp"
	"context"
	"maps"
	"strconv"

	"github.com/addcard/addcard/internal/wechatsim/push"
)

// SetCallback changes where later events go; a Callback without a URL ends the
// deliveries, and one without an AppID is the Official Account's. The error names
// the field that is wrong, and then nothing changes.
func (s *Sim) SetCallback(c push.Callback) error {
	c.AppID = cmp.Or(c.AppID, s.official.AppID)
	return s.events.SetCallback(c)
}

// Deliveries returns the log of the latest events, oldest first.
func (s *Sim) Deliveries() []push.Delivery { return s.events.Deliveries() }

// WaitEvents blocks until every event is delivered or given up, delayed ones
// included, or ctx is done. The error is that of ctx.
func (s *Sim) WaitEvents(ctx context.Context) error { return s.events.Wait(ctx) }

// emit sends an event about p with exactly these elements. It needs s.mu and does
// not block.
func (s *Sim) emit(event string, p *person, fields map[string]string) {
	s.events.Send(push.Event{Name: event, ToUserName: s.official.OriginalID, FromUserName: p.openID,
		CreateTime: s.Now().Unix(), Fields: fields})
}

func (s *Sim) emitGet(w *walletCard, restored bool, scene string) {
	fields := map[string]string{"CardId": w.card.id, "IsGiveByFriend": "0", "UserCardCode": w.code, "FriendUserName": "",
		"OuterId": "0", "OldUserCardCode": "", "IsRestoreMemberCard": "0", "IsRecommendByFriend": "0"}
	if restored {
		fields["IsRestoreMemberCard"] = "1" // and no OuterStr, as developers report
	} else {
		fields["OuterStr"] = w.outerStr
	}
	if scene != "" {
		fields["SourceScene"] = scene
	}
	s.emitWithUnion("user_get_card", w.owner, fields)
}

func (s *Sim) emitWithUnion(event string, p *person, fields map[string]string) {
	if s.bound {
		fields["UnionId"] = s.unionIDIn("events", p)
	}
	s.emit(event, p, fields)
}

// emitCode sends an event about one copy, with more elements besides its own.
func (s *Sim) emitCode(event string, w *walletCard, more map[string]string) {
	fields := map[string]string{"CardId": w.card.id, "UserCardCode": w.code}
	maps.Copy(fields, more)
	s.emit(event, w.owner, fields)
}

// emitReview sends an event about the merchant: WeChat puts an openid there too.
func (s *Sim) emitReview(c *card, status cardStatus, reason string) {
	event := map[cardStatus]string{verifyOK: "card_pass_check", verifyFail: "card_not_pass_check"}[status]
	if p, err := s.person(merchant); err == nil {
		s.emit(event, p, map[string]string{"CardId": c.id, "RefuseReason": reason})
	}
}

// emitStock sends an event when the last copy was taken.
func (s *Sim) emitStock(c *card) {
	if c.quantity > 0 {
		return
	}
	if p, err := s.person(merchant); err == nil {
		s.emit("card_sku_remind", p, map[string]string{"CardId": c.id,
			"Detail": "the card's quantity is equal to " + strconv.FormatInt(c.quantity, 10)})
	}
}
