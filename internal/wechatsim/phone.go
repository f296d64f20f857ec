package wechatsim

import (
	"io"
	"net/http"
)

func (s *Sim) phoneLogin(r *http.Request) (any, error) {
	in, err := decode[struct {
		AppID string `json:"app_id"`
	}](r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if in.AppID == "" {
		in.AppID = s.mini.AppID
	}
	code, err := s.login(r.PathValue("user"), in.AppID)
	if err != nil {
		return nil, err
	}
	return object{"code": code}, nil
}

func (s *Sim) phoneAddCard(r *http.Request) (any, error) {
	argument, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, invalidField("", "the argument is too large")
	}
	if r.URL.Query().Get("cancel") == "1" {
		return nil, reject("cancel", "cancelled", "the user closed the page")
	}
	added, err := s.AddCard(r.PathValue("user"), argument)
	if err != nil {
		return nil, err
	}
	return object{"errMsg": "addCard:ok", "cardList": added}, nil
}

// copyRef names one card in a wallet.
type copyRef struct {
	CardID string `json:"card_id"`
	Code   string `json:"code"`
}

func (s *Sim) phoneDeleteCard(r *http.Request) (any, error) {
	in, err := decode[copyRef](r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h, err := s.inWallet(r.PathValue("user"), in)
	if err != nil {
		return nil, err
	}
	if h.status == codeDeleted {
		return nil, invalidField("code", "the card is deleted already")
	}
	h.status = codeDeleted
	s.emitCode("user_del_card", h, nil)
	return s.face(h), nil
}

// inWallet finds a card that the user sees: not one that was given away.
func (s *Sim) inWallet(user string, ref copyRef) (*walletCard, error) {
	p, err := s.person(user)
	if err != nil {
		return nil, err
	}
	h := p.walletCard(ref.CardID, ref.Code)
	if h == nil || h.status == codeGiven {
		return nil, notFound("code", "%s does not hold card %q with code %q; the plain code is wanted", user, ref.CardID, ref.Code)
	}
	return h, nil
}

func (s *Sim) phoneCards(r *http.Request) (any, error) {
	faces, err := s.Cards(r.PathValue("user"))
	if err != nil {
		return nil, err
	}
	return object{"cards": faces}, nil
}

// scanCard plays a QR code in the shop: a card comes into the wallet without any
// cardExt, perhaps of a person whom the mini-program never met.
func (s *Sim) scanCard(r *http.Request) (any, error) {
	in, err := decode[struct {
		copyRef
		OuterStr string `json:"outer_str"`
		URL      string `json:"url"`
	}](r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.person(r.PathValue("user"))
	if err != nil {
		return nil, err
	}
	o := &offer{cardID: in.CardID, card: s.cards[in.CardID], code: in.Code, outerStr: in.OuterStr}
	if in.URL != "" {
		if o, err = s.readQRCode(in.URL, p); err != nil {
			return nil, err
		}
	}
	o.present = map[string]bool{"code": o.code != ""}
	if o.card == nil {
		return nil, notFound("card_id", "no such card")
	}
	if r := o.checkCode(); r != nil {
		return nil, invalidField("code", "%s", r.Explanation)
	}
	if r := s.checkAvailable(newBatch(), p, o); r != nil {
		r.CardID = o.cardID
		return nil, r
	}
	return s.face(s.take(p, o)), nil
}

// phoneOpenCard wants plain codes: passing an encrypted one is a known mistake.
func (s *Sim) phoneOpenCard(r *http.Request) (any, error) {
	in, err := decode[struct {
		CardList []struct {
			CardID string `json:"cardId"`
			Code   string `json:"code"`
		} `json:"cardList"`
	}](r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	opened := []*walletCard{}
	for _, one := range in.CardList {
		h, err := s.inWallet(r.PathValue("user"), copyRef{one.CardID, one.Code})
		if err != nil {
			return nil, err
		}
		opened = append(opened, h)
	}
	for _, h := range opened {
		if h.card.baseFlag("need_push_on_view") {
			s.emitCode("user_view_card", h, map[string]string{"OuterStr": h.outerStr})
		}
	}
	return object{"errMsg": "openCard:ok"}, nil
}

// submitForm plays the one-click form. A card of the jump type stays inactive:
// the merchant's page activates it.
func (s *Sim) submitForm(r *http.Request) (any, error) {
	in, err := decode[struct {
		copyRef
		Form map[string]string `json:"form"`
	}](r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h, err := s.inWallet(r.PathValue("user"), in.copyRef)
	if err != nil {
		return nil, err
	}
	if !h.card.flag("wx_activate") {
		return nil, invalidField("card_id", "the card is not one-click (wx_activate)")
	}
	if in.Form != nil {
		h.form = in.Form
	}
	h.active = h.active || !h.card.flag("wx_activate_after_submit")
	s.emitCode("submit_membercard_user_info", h, nil)
	return s.face(h), nil
}

func (s *Sim) checkWebPage(r *http.Request) (any, error) {
	in, err := decode[struct {
		URL       string `json:"url"`
		NonceStr  string `json:"nonce_str"`
		Timestamp int64  `json:"timestamp"`
		Signature string `json:"signature"`
	}](r)
	if err != nil {
		return nil, err
	}
	return object{"ok": s.CheckWebConfig(in.URL, in.NonceStr, in.Timestamp, in.Signature)}, nil
}

func (s *Sim) listCards(*http.Request) (any, error) {
	type line struct {
		CardID   string `json:"card_id"`
		Title    string `json:"title"`
		Status   string `json:"status"`
		Quantity int64  `json:"quantity"`
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []line{}
	for _, c := range s.cardOrder {
		list = append(list, line{c.id, c.baseText("title"), s.statusName(c.status), c.quantity})
	}
	return object{"cards": list}, nil
}

func (s *Sim) approveCard(r *http.Request) (any, error) {
	if err := s.Approve(r.PathValue("card_id")); err != nil {
		return nil, err
	}
	return object{"status": verifyOK}, nil
}

// Approve ends the review of a card well. The error says that there is no such
// card, or that it was deleted.
func (s *Sim) Approve(cardID string) error { return s.endReview(cardID, verifyOK, "") }

func (s *Sim) rejectCard(r *http.Request) (any, error) {
	in, err := decode[struct {
		Reason string `json:"reason"`
	}](r)
	if err != nil {
		return nil, err
	}
	if err := s.endReview(r.PathValue("card_id"), verifyFail, in.Reason); err != nil {
		return nil, err
	}
	return object{"status": verifyFail}, nil
}

func (s *Sim) endReview(cardID string, status cardStatus, reason string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cards[cardID]
	if c == nil {
		return notFound("card_id", "no such card")
	}
	if c.status == cardDeleted {
		return invalidField("card_id", "the card was deleted")
	}
	c.status, c.updated = status, s.Now()
	s.emitReview(c, status, reason)
	return nil
}
