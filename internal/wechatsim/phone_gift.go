package wechatsim

// phoneGiftCard sends a card to a friend, who accepts it, lets it wait or returns
// it. Called again for a gift on its way, it continues with then.
func (s *Sim) phoneGiftCard(p *person, in struct {
	CardID string `json:"card_id"`
	Code   string `json:"code"`
	To     string `json:"to"`   // the friend; not needed for a gift on its way
	Then   string `json:"then"` // accept (default), wait, or return
}) (any, error) {
	w, err := p.visibleCard(cardRef{in.CardID, in.Code})
	if err != nil {
		return nil, err
	}
	if w.status == codeNormal {
		err = s.startGift(w, in.To)
	}
	switch {
	case err != nil:
		return nil, err
	case w.status != codeGifting:
		return nil, invalidField("code", "the card is %s and cannot be given", w.status)
	}
	return s.endGift(w, in.Then)
}

func (s *Sim) startGift(w *walletCard, to string) error {
	if !w.card.baseFlag("can_give_friend") {
		return invalidField("card_id", "the card has can_give_friend false")
	}
	friend, err := s.person(to)
	if err != nil {
		return invalidField("to", "to: %v", err)
	}
	if friend == w.owner {
		return invalidField("to", "the giver and the friend are one person")
	}
	w.status, w.recipient = codeGifting, friend
	s.emitGift(w, "0")
	return nil
}

func (s *Sim) emitGift(w *walletCard, isReturnBack string) {
	s.emitCode("user_gifting_card", w,
		map[string]string{"IsReturnBack": isReturnBack, "FriendUserName": w.recipient.openID, "IsChatRoom": "0"})
}

func (s *Sim) endGift(w *walletCard, then string) (any, error) {
	switch then {
	case "wait":
	case "return":
		w.status = codeNormal
		s.emitGift(w, "1")
	case "", "accept":
		s.acceptGift(w)
	default:
		return nil, invalidField("then", "then is accept, wait or return")
	}
	return object{"status": w.status, "giver": w.owner.name, "friend": w.recipient.name}, nil
}

// acceptGift ends the giver's copy. The friend gets one under a new code, which
// WeChat makes, for a custom-code card too.
func (s *Sim) acceptGift(w *walletCard) {
	w.status = codeGiven
	code := s.newSystemCode()
	for w.card.codes[code] != nil {
		code = s.newSystemCode()
	}
	made := s.deliver(w.recipient, w.card, code, "", w.validFrom)
	if s.assumptions.GiftedCard == "carries" {
		made.active, made.membershipNumber, made.bonus, made.balance = w.active, w.membershipNumber, w.bonus, w.balance
		made.customFields, w.customFields = w.customFields, map[string]string{}
	}
	if s.assumptions.GiftedForm == "carries" {
		made.form = w.form
	}
	s.emitWithUnion("user_get_card", made.owner, map[string]string{"CardId": w.card.id, "IsGiveByFriend": "1", "UserCardCode": code,
		"FriendUserName": w.owner.openID, "OuterId": "0", "OldUserCardCode": w.code, "OuterStr": "",
		"IsRestoreMemberCard": "0", "IsRecommendByFriend": "0"})
}
