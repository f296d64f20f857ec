package wechatsim

import (
	"context"
	"maps"
	"strconv"
)

// pushTo sets the callback, which must be right. It needs s.mu, or a Sim that
// nobody else has yet.
func (s *Sim) pushTo(c Callback) error {
	if c.AppID == "" {
		c.AppID = s.official.AppID
	}
	if err := c.complete(); err != nil {
		return err
	}
	s.callback = c
	return nil
}

// emit pushes an event about p with exactly these elements. It needs s.mu and
// does not wait.
func (s *Sim) emit(event string, p *person, fields map[string]string) {
	it := s.parcel(push{callback: s.callback, to: s.official.OriginalID, from: p.openID, event: event,
		createTime: s.Now().Unix(), fields: fields})
	if s.callback.URL == "" {
		it.delivery.State = "unsent"
	}
	s.post.spoil(it)
	s.post.post(it)
}

func (s *Sim) parcel(p push) *parcel {
	p.spaced = s.guesses.PushXML == "spaced"
	d := &Delivery{Event: p.event, OpenID: p.from, CreateTime: p.createTime, Fields: maps.Clone(p.fields), State: "waiting", Tries: []Try{}}
	return &parcel{push: p, delivery: d, refresh: s.guesses.PushRetry == "fresh", done: make(chan struct{})}
}

// Deliveries returns the log of the latest events, oldest first.
func (s *Sim) Deliveries() []Delivery { return s.post.deliveries() }

// WaitEvents blocks until no event is under way: all are delivered, or given up,
// late ones included. The error is that of ctx.
func (s *Sim) WaitEvents(ctx context.Context) error { return s.post.wait(ctx) }

func (s *Sim) emitGet(h *holding, restored bool, scene string) {
	fields := map[string]string{"CardId": h.card.id, "IsGiveByFriend": "0", "UserCardCode": h.code, "FriendUserName": "",
		"OuterId": "0", "OldUserCardCode": "", "IsRestoreMemberCard": "0", "IsRecommendByFriend": "0"}
	if restored {
		fields["IsRestoreMemberCard"] = "1" // and no OuterStr, as developers report
	} else {
		fields["OuterStr"] = h.outerStr
	}
	if scene != "" {
		fields["SourceScene"] = scene
	}
	s.emitWithUnion("user_get_card", h.owner, fields)
}

func (s *Sim) emitWithUnion(event string, p *person, fields map[string]string) {
	if s.bound {
		fields["UnionId"] = p.unionID
	}
	s.emit(event, p, fields)
}

func (s *Sim) emitCode(event string, h *holding, more map[string]string) {
	fields := map[string]string{"CardId": h.card.id, "UserCardCode": h.code}
	maps.Copy(fields, more)
	s.emit(event, h.owner, fields)
}

// emitReview goes to the account's own people: WeChat puts an openid there too.
func (s *Sim) emitReview(c *card, status cardStatus, reason string) {
	event := map[cardStatus]string{verifyOK: "card_pass_check", verifyFail: "card_not_pass_check"}[status]
	if p, err := s.person("merchant"); err == nil {
		s.emit(event, p, map[string]string{"CardId": c.id, "RefuseReason": reason})
	}
}

// emitStock tells that the last card is gone.
func (s *Sim) emitStock(c *card) {
	if c.quantity > 0 {
		return
	}
	if p, err := s.person("merchant"); err == nil {
		s.emit("card_sku_remind", p, map[string]string{"CardId": c.id,
			"Detail": "the card's quantity is equal to " + strconv.FormatInt(c.quantity, 10)})
	}
}
