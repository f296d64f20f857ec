package wechatsim

// statusOf is the status of a copy now; a guess says what becomes of copies of
// a card that the merchant deleted.
func (s *Sim) statusOf(h *walletCard) codeStatus {
	if h.card.status == cardDeleted && s.assumptions.DeletedCard == "ends" && h.status == codeNormal {
		return codeUnavailable
	}
	return h.statusAt(s.Now())
}

// findDelivered finds the copy that code and card_id name. A code that is not in a
// wallet, or was given away, is 40056.
func (s *Sim) findDelivered(b fields) (*walletCard, error) {
	code, cardID := b.text("code"), b.text("card_id")
	switch {
	case b.state.err != nil:
		return nil, b.state.err
	case code == "":
		return nil, refuse(41013, "no code")
	case len(code) > maxCodeLength:
		return nil, refuse(40056, "code has more than 20 characters; is it the encrypted one?")
	case cardID == "":
		return s.findSystemCode(code)
	case s.cards[cardID] == nil:
		return nil, refuse(40073, "no such card")
	}
	return checkDelivered(s.cards[cardID].codes[code])
}

// findSystemCode serves calls without card_id: enough for WeChat's own codes.
func (s *Sim) findSystemCode(code string) (*walletCard, error) {
	for _, c := range s.cardOrder {
		if c.baseFlag("use_custom_code") && c.codes[code] != nil {
			return nil, refuse(41012, "a custom code needs card_id")
		}
	}
	return checkDelivered(s.systemCodes[code])
}

func checkDelivered(h *walletCard) (*walletCard, error) {
	switch {
	case h == nil:
		return nil, refuse(40056, "the code was never delivered to a wallet")
	case h.status == codeGiven:
		return nil, refuse(40056, "the code was given away")
	}
	return h, nil
}

// findUsable is delivered, and refuses what is not NORMAL.
func (s *Sim) findUsable(b fields) (*walletCard, error) {
	h, err := s.findDelivered(b)
	if err != nil {
		return nil, err
	}
	if status := s.statusOf(h); status != codeNormal {
		return nil, refuse(40127, "the copy is %s", status)
	}
	return h, nil
}

// decryptCode is POST /card/code/decrypt ("Decrypt code").
func (s *Sim) decryptCode(c *call) (object, error) {
	sealed := c.body.text("encrypt_code")
	if c.body.state.err != nil {
		return nil, c.body.state.err
	}
	code, ok := openCode(s.sealKey, sealed)
	if !ok {
		return nil, refuse(40075, "encrypt_code does not open: plain, still URL-encoded, decoded twice, or of another account")
	}
	return object{"errcode": 0, "errmsg": "ok", "code": code}, nil
}

// getCode is POST /card/code/get ("Query code").
func (s *Sim) getCode(c *call) (object, error) {
	check := !c.body.has("check_consume") || c.body.boolean("check_consume")
	h, err := s.findDelivered(c.body)
	if err != nil {
		return nil, err
	}
	status := s.statusOf(h)
	if check && status != codeNormal {
		return nil, refuse(40127, "the copy is %s", status)
	}
	begin, end := h.validity()
	until := int64(0)
	if !end.IsZero() {
		until = end.Unix()
	}
	return object{"errcode": 0, "errmsg": "ok",
		"card":   object{"card_id": h.card.id, "begin_time": begin.Unix(), "end_time": until},
		"openid": h.owner.openID, "can_consume": status == codeNormal, "user_card_status": status,
		"outer_str": h.outerStr, "membership_number": h.membershipNumber, "bonus": h.bonus}, nil
}

// getCardList is POST /card/user/getcardlist ("Get the user's cards").
func (s *Sim) getCardList(c *call) (object, error) {
	openID, cardID := c.body.text("openid"), c.body.text("card_id")
	if c.body.state.err != nil {
		return nil, c.body.state.err
	}
	p := s.openIDs[openID]
	if p == nil {
		return nil, refuse(40003, "openid is not one of the Official Account")
	}
	list := []object{}
	for _, h := range p.wallet {
		if s.statusOf(h) == codeNormal && (cardID == "" || cardID == h.card.id) {
			list = append(list, object{"code": h.code, "card_id": h.card.id})
		}
	}
	return object{"errcode": 0, "errmsg": "ok", "card_list": list, "has_share_card": false}, nil
}

// makeUnavailable is POST /card/code/unavailable ("Invalidate a card"), for ever.
func (s *Sim) makeUnavailable(c *call) (object, error) {
	h, err := s.findUsable(c.body)
	if err != nil {
		return nil, err
	}
	if c.body.text("reason"); c.body.state.err != nil {
		return nil, c.body.state.err
	}
	h.status = codeUnavailable
	return done(), nil
}
