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
		err = s.startGift(h, in.To)
	}
	switch {
	case err != nil:
		return nil, err
	case h.status != codeGifting:
		return nil, invalidField("code", "the card is %s and cannot be given", h.status)
	}
	return s.endGift(h, in.Then)
}

func (s *Sim) startGift(h *walletCard, to string) error {
	if !h.card.baseFlag("can_give_friend") {
		return invalidField("card_id", "the card has can_give_friend false")
	}
	friend, err := s.person(to)
	if err != nil {
		return invalidField("to", "to: %v", err)
	}
	if friend == h.owner {
		return invalidField("to", "nobody gives a card to himself")
	}
	h.status, h.recipient = codeGifting, friend
	s.emitGift(h, "0")
	return nil
}

func (s *Sim) emitGift(h *walletCard, back string) {
	s.emitCode("user_gifting_card", h, map[string]string{"IsReturnBack": back, "FriendUserName": h.recipient.openID, "IsChatRoom": "0"})
}

func (s *Sim) endGift(h *walletCard, then string) (any, error) {
	switch then {
	case "wait":
	case "return":
		h.status = codeNormal
		s.emitGift(h, "1")
	case "", "accept":
		s.acceptGift(h)
	default:
		return nil, invalidField("then", "then is accept, wait or return")
	}
	return object{"status": h.status, "giver": h.owner.name, "friend": h.recipient.name}, nil
}

// acceptGift ends the giver's copy; the friend gets one under a new code, which
// WeChat makes, for a custom-code card too.
func (s *Sim) acceptGift(h *walletCard) {
	h.status = codeGiven
	code := s.newSystemCode()
	for h.card.codes[code] != nil {
		code = s.newSystemCode()
	}
	made := s.deliver(h.recipient, h.card, code, "", h.validFrom)
	if s.assumptions.GiftedCard == "carries" {
		made.active, made.membershipNumber, made.bonus, made.balance, made.customFields = h.active, h.membershipNumber, h.bonus, h.balance, h.customFields
		h.customFields = map[string]string{}
	}
	s.emitWithUnion("user_get_card", made.owner, map[string]string{"CardId": h.card.id, "IsGiveByFriend": "1", "UserCardCode": code,
		"FriendUserName": h.owner.openID, "OuterId": "0", "OldUserCardCode": h.code, "OuterStr": "",
		"IsRestoreMemberCard": "0", "IsRecommendByFriend": "0"})
}
