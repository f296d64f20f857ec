package wechatsim

// findDelivered returns the copy that code and card_id name. A code that is in no
// wallet, or was given away, is 40056.
func (s *Sim) findDelivered(b fields) (*walletCard, error) {
	code, cardID := b.text("code"), b.text("card_id")
	switch {
	case b.err() != nil:
		return nil, b.err()
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

// findSystemCode finds a code without card_id, which only WeChat's own codes
// allow.
func (s *Sim) findSystemCode(code string) (*walletCard, error) {
	for _, c := range s.cardOrder {
		if c.baseFlag("use_custom_code") && c.codes[code] != nil {
			return nil, refuse(41012, "a custom code needs card_id")
		}
	}
	return checkDelivered(s.systemCodes[code])
}

func checkDelivered(w *walletCard) (*walletCard, error) {
	switch {
	case w == nil:
		return nil, refuse(40056, "the code was never delivered to a wallet")
	case w.status == codeGiven:
		return nil, refuse(40056, "the code was given away")
	}
	return w, nil
}

// findUsable returns the copy that code and card_id name, if it is NORMAL.
func (s *Sim) findUsable(b fields) (*walletCard, error) {
	w, err := s.findDelivered(b)
	if err != nil {
		return nil, err
	}
	if status := s.statusOf(w); status != codeNormal {
		return nil, refuse(40127, "the copy is %s", status)
	}
	return w, nil
}

// decryptCode is POST /card/code/decrypt ("Decrypt code").
func (s *Sim) decryptCode(c *call) (object, error) {
	sealed := c.body.text("encrypt_code")
	if err := c.body.err(); err != nil {
		return nil, err
	}
	code, ok := openCode(s.sealKey, sealed)
	if !ok {
		return nil, refuse(40075, "encrypt_code does not open: plain, still URL-encoded, decoded twice, or of another account")
	}
	return success(object{"code": code}), nil
}

// getCode is POST /card/code/get ("Query code").
func (s *Sim) getCode(c *call) (object, error) {
	check := !c.body.has("check_consume") || c.body.boolean("check_consume")
	w, err := s.findDelivered(c.body)
	if err != nil {
		return nil, err
	}
	status := s.statusOf(w)
	if check && status != codeNormal {
		return nil, refuse(40127, "the copy is %s", status)
	}
	begin, end := w.validity()
	until := int64(0)
	if !end.IsZero() {
		until = end.Unix()
	}
	return success(object{
		"card":   object{"card_id": w.card.id, "begin_time": begin.Unix(), "end_time": until},
		"openid": w.owner.openID, "can_consume": status == codeNormal, "user_card_status": status,
		"outer_str": w.outerStr, "membership_number": w.membershipNumber, "bonus": w.bonus}), nil
}

// getCardList is POST /card/user/getcardlist ("Get the user's cards").
func (s *Sim) getCardList(c *call) (object, error) {
	openID, cardID := c.body.text("openid"), c.body.text("card_id")
	if err := c.body.err(); err != nil {
		return nil, err
	}
	p := s.openIDs[openID]
	if p == nil {
		return nil, refuse(40003, "openid is not one of the Official Account")
	}
	list := []object{}
	for _, w := range p.wallet {
		if s.statusOf(w) == codeNormal && (cardID == "" || cardID == w.card.id) {
			list = append(list, object{"code": w.code, "card_id": w.card.id})
		}
	}
	return success(object{"card_list": list, "has_share_card": false}), nil
}

// makeUnavailable is POST /card/code/unavailable ("Invalidate a card"). It cannot
// be undone.
func (s *Sim) makeUnavailable(c *call) (object, error) {
	w, err := s.findUsable(c.body)
	if err != nil {
		return nil, err
	}
	c.body.text("reason")
	if err := c.body.err(); err != nil {
		return nil, err
	}
	w.status = codeUnavailable
	return success(nil), nil
}
