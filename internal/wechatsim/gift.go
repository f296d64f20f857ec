package wechatsim

import "net/http"

// giftRequest is the body of POST /_sim/phones/{user}/gift-card.
type giftRequest struct {
	CardID string `json:"card_id"`
	Code   string `json:"code"`
	To     string `json:"to"`   // the friend; not needed for a gift on its way
	Then   string `json:"then"` // accept (default), wait, or return
}

// giftCard sends a card to a friend, who accepts, waits or returns it. Called
// again for a gift on its way, it goes on with then.
func (s *Sim) giftCard(r *http.Request) (any, error) {
	in, err := decode[giftRequest](r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h, err := s.inWallet(r.PathValue("user"), copyRef{in.CardID, in.Code})
	if err != nil {
		return nil, err
	}
	if h.status == codeNormal {
		err = s.give(h, in.To)
	}
	switch {
	case err != nil:
		return nil, err
	case h.status != codeGifting:
		return nil, invalid("code", "the card is %s and cannot be given", h.status)
	}
	return s.settleGift(h, in.Then)
}

func (s *Sim) give(h *holding, to string) error {
	if !h.card.truth("can_give_friend") {
		return invalid("card_id", "the card has can_give_friend false")
	}
	friend, err := s.person(to)
	if err != nil {
		return invalid("to", "to: %v", err)
	}
	if friend == h.owner {
		return invalid("to", "nobody gives a card to himself")
	}
	h.status, h.giftingTo = codeGifting, friend
	s.emitGift(h, "0")
	return nil
}

func (s *Sim) emitGift(h *holding, back string) {
	s.emitCode("user_gifting_card", h, map[string]string{"IsReturnBack": back, "FriendUserName": h.giftingTo.openID, "IsChatRoom": "0"})
}

func (s *Sim) settleGift(h *holding, then string) (any, error) {
	switch then {
	case "wait":
	case "return":
		h.status = codeNormal
		s.emitGift(h, "1")
	case "", "accept":
		s.acceptGift(h)
	default:
		return nil, invalid("then", "then is accept, wait or return")
	}
	return object{"status": h.status, "giver": h.owner.name, "friend": h.giftingTo.name}, nil
}

// acceptGift ends the giver's copy; the friend gets one under a new code, which
// WeChat makes, for a custom-code card too.
func (s *Sim) acceptGift(h *holding) {
	h.status = codeGiven
	code := s.systemCode()
	for h.card.codes[code] != nil {
		code = s.systemCode()
	}
	made := s.deliver(h.giftingTo, h.card, code, "", h.begin)
	if s.guesses.GiftedCard == "carries" {
		made.active, made.number, made.bonus, made.balance, made.custom = h.active, h.number, h.bonus, h.balance, h.custom
		h.custom = map[string]string{}
	}
	s.emitWithUnion("user_get_card", made.owner, map[string]string{"CardId": h.card.id, "IsGiveByFriend": "1", "UserCardCode": code,
		"FriendUserName": h.owner.openID, "OuterId": "0", "OldUserCardCode": h.code, "OuterStr": "",
		"IsRestoreMemberCard": "0", "IsRecommendByFriend": "0"})
}
