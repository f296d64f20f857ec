package wechatsim

import (
	"cmp"
	"strconv"

	"github.com/addcard/addcard/internal/wechatsim/signature"
)

// touristAppID is the AppID of a DevTools project without one. Its wx.login gives
// a sentence instead of a code.
const touristAppID, mockLoginCode = "touristappid", "the code is a mock one"

func (s *Sim) phoneLogin(p *person, in struct {
	AppID string `json:"app_id"`
}) (any, error) {
	if in.AppID == touristAppID {
		return object{"code": mockLoginCode}, nil
	}
	return object{"code": s.newLoginCode(p, cmp.Or(in.AppID, s.mini.AppID))}, nil
}

func (s *Sim) changePerson(p *person, in struct {
	Blocked *bool  `json:"blocked"`
	Country string `json:"country_code"`
	Phone   string `json:"phone"`
}) (any, error) {
	if in.Phone != "" || in.Country != "" {
		if err := p.setPhone(in.Country, in.Phone); err != nil {
			return nil, err
		}
	}
	if in.Blocked != nil {
		p.blocked = *in.Blocked
	}
	return s.identities(p), nil
}

// cardRef names one card in a wallet.
type cardRef struct {
	CardID string `json:"card_id"`
	Code   string `json:"code"`
}

// visibleCard returns a card that the person sees in the wallet: one that was
// given away is not found.
func (p *person) visibleCard(ref cardRef) (*walletCard, error) {
	w := p.walletCard(ref.CardID, ref.Code)
	if w == nil || w.status == codeGiven {
		return nil, notFound("code", "%s does not hold card %q with code %q; the plain code is wanted", p.name, ref.CardID, ref.Code)
	}
	return w, nil
}

func (s *Sim) phoneDeleteCard(p *person, in cardRef) (any, error) {
	w, err := p.visibleCard(in)
	if err != nil {
		return nil, err
	}
	if w.status == codeDeleted {
		return nil, invalidField("code", "the card is deleted already")
	}
	w.status = codeDeleted
	s.emitCode("user_del_card", w, nil)
	return s.face(w), nil
}

// phoneOpenCard takes plain codes: passing an encrypted one is a known mistake.
func (s *Sim) phoneOpenCard(p *person, in struct {
	CardList []struct {
		CardID string `json:"cardId"`
		Code   string `json:"code"`
	} `json:"cardList"`
}) (any, error) {
	opened := []*walletCard{}
	for _, item := range in.CardList {
		w, err := p.visibleCard(cardRef(item))
		if err != nil {
			return nil, err
		}
		opened = append(opened, w)
	}
	for _, w := range opened {
		if w.card.baseFlag("need_push_on_view") {
			s.emitCode("user_view_card", w, map[string]string{"OuterStr": w.outerStr})
		}
	}
	return object{"errMsg": "openCard:ok"}, nil
}

// phoneSubmitForm submits the one-click form. A card of the jump type stays
// inactive: the merchant's page activates it.
func (s *Sim) phoneSubmitForm(p *person, in struct {
	CardID string            `json:"card_id"`
	Code   string            `json:"code"`
	Form   map[string]string `json:"form"`
}) (any, error) {
	w, err := p.visibleCard(cardRef{in.CardID, in.Code})
	if err != nil {
		return nil, err
	}
	if !w.card.flag("wx_activate") {
		return nil, invalidField("card_id", "the card is not one-click (wx_activate)")
	}
	if in.Form != nil {
		w.form = in.Form
	}
	w.active = w.active || !w.card.flag("wx_activate_after_submit")
	s.emitCode("submit_membercard_user_info", w, nil)
	return s.face(w), nil
}

// phoneScanQR scans a QR code in the shop: a card comes into the wallet without a
// cardExt, perhaps of a person who never used the mini-program.
func (s *Sim) phoneScanQR(p *person, in struct {
	CardID   string `json:"card_id"`
	Code     string `json:"code"`
	OuterStr string `json:"outer_str"`
	URL      string `json:"url"`
}) (any, error) {
	o := &offer{cardID: in.CardID, card: s.cards[in.CardID], code: in.Code, outerStr: in.OuterStr}
	if in.URL != "" {
		var err error
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
	return s.face(s.addToWallet(p, o, "")), nil
}

func (s *Sim) checkWebPage(in struct {
	URL       string `json:"url"`
	NonceStr  string `json:"nonce_str"`
	Timestamp int64  `json:"timestamp"`
	Signature string `json:"signature"`
}) (any, error) {
	return object{"ok": s.CheckWebConfig(in.URL, in.NonceStr, in.Timestamp, in.Signature)}, nil
}

// CheckWebConfig calls wx.config in a web page. It reports whether the signature
// over url is right with a jsapi ticket of the Official Account that is valid now.
func (s *Sim) CheckWebConfig(url, nonce string, timestamp int64, given string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.official.tickets["jsapi"] {
		if s.Now().Before(t.until) && signature.WebPage(t.value, nonce, strconv.FormatInt(timestamp, 10), url) == given {
			return true
		}
	}
	return false
}
