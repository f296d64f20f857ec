package wechatsim

import "time"

const componentAppID = "wxeb490c6f9b154ef9"

type componentRequest struct {
	AppID     string            `json:"appId"`
	ExtraData map[string]string `json:"extraData"`
	Form      map[string]string `json:"form"`
}

// phoneOpenComponent opens the open-card component: it checks what
// navigateToMiniProgram was given, takes the card, submits the form, and returns
// what App.onShow gets. Of a card that is active, that is nothing.
func (s *Sim) phoneOpenComponent(p *person, in componentRequest) (any, error) {
	c, err := s.componentCard(in)
	if err != nil {
		return nil, err
	}
	w := p.usableCard(c)
	if w != nil && w.active {
		return object{}, nil
	}
	if w == nil {
		o := &offer{cardID: c.id, card: c, outerStr: in.ExtraData["outer_str"]}
		if rejected := s.checkAvailable(newBatch(), p, o); rejected != nil {
			rejected.CardID = c.id
			return nil, rejected
		}
		w = s.addToWallet(p, o, "SOURCE_SCENE_PRE_ACTIVATE")
	}
	if in.Form != nil {
		w.form = in.Form
	}
	w.active = w.active || !c.isJumpType()
	s.emitCode("submit_membercard_user_info", w, nil)
	if !c.isJumpType() {
		return object{}, nil
	}
	return object{"activate_ticket": s.newActivateTicket(w), "card_id": c.id, "code": w.code}, nil
}

// phoneActivate taps 激活 on a card in the wallet that is not active. It returns
// what the merchant's page is opened with. There is no activate_ticket in it: only
// a form that was submitted in the component has one.
func (s *Sim) phoneActivate(p *person, in cardRef) (any, error) {
	w, err := p.visibleCard(in)
	switch {
	case err != nil:
		return nil, err
	case w.status != codeNormal || w.active:
		return nil, invalidField("code", "the wallet shows 激活 on inactive cards only")
	}
	query := object{"card_id": w.card.id}
	if s.assumptions.WalletActivation == "encrypt_code" {
		query["encrypt_code"], query["openid"], query["outer_str"] = s.sealForPhone(w.code), p.openID, w.outerStr
	}
	return object{"query": query}, nil
}

// componentCard returns the card that the parameters of the component name.
func (s *Sim) componentCard(in componentRequest) (*card, error) {
	c := s.cardByEncryptID(in.ExtraData["encrypt_card_id"])
	switch {
	case in.AppID != "" && in.AppID != componentAppID:
		return nil, invalidField("appId", "appId is not the component's")
	case c == nil:
		return nil, invalidField("extraData", "encrypt_card_id opens no card: encoded, decoded twice, or of another account")
	case in.ExtraData["biz"] != s.biz():
		return nil, invalidField("extraData", "biz is not the account's")
	}
	return c, nil
}

func (s *Sim) cardByEncryptID(encryptID string) *card {
	for _, c := range s.cardOrder {
		if encryptID != "" && c.encryptID == encryptID {
			return c
		}
	}
	return nil
}

// newActivateTicket returns a ticket for the form of w; there are always + and =
// in it.
func (s *Sim) newActivateTicket(w *walletCard) string {
	ticket := s.randomString(alphanumeric, 40) + "+" + s.randomString(alphanumeric, 20) + "="
	life := time.Duration(number(s.assumptions.ActivateTicket)) * time.Second
	s.submittedForms[ticket] = &submittedForm{w, s.Now().Add(life)}
	return ticket
}
