package wechatsim

import (
	"io"
	"net/http"
	"time"
)

// AddedCard is one item of the result of wx.addCard. Code is encrypted; only
// /card/code/decrypt opens it.
type AddedCard struct {
	CardID    string `json:"cardId"`
	CardExt   string `json:"cardExt"`
	Code      string `json:"code"`
	IsSuccess bool   `json:"isSuccess"`
}

// AddCard calls wx.addCard on the phone of user with the argument exactly as the
// server made it, {"cardList":[{"cardId","cardExt"}]}. It adds all cards or none.
// The error is a *[RejectionError], or says that the user name is invalid.
func (s *Sim) AddCard(user string, argument []byte) ([]AddedCard, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.person(user)
	if err != nil {
		return nil, err
	}
	offers, rejected := s.readCardList(argument)
	if rejected != nil {
		return nil, rejected
	}
	b := newBatch()
	for i, o := range offers {
		if r := s.accept(b, p, o); r != nil {
			r.Item, r.CardID = i, o.cardID
			return nil, r
		}
	}
	return s.addAllToWallet(p, offers), nil
}

func (s *Sim) phoneAddCard(r *http.Request) (any, error) {
	argument, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, invalidField("", "the argument is too large")
	}
	switch query := r.URL.Query(); {
	case query.Get("cancel") == "1":
		return nil, reject("cancel", "cancelled", "the user closed the page")
	case query.Get("says") != "":
		return nil, reject(query.Get("says"), "requested", "the control request wants these words")
	}
	added, err := s.AddCard(r.PathValue("user"), argument)
	if err != nil {
		return nil, err
	}
	return object{"errMsg": "addCard:ok", "cardList": added}, nil
}

func (s *Sim) readCardList(argument []byte) ([]*offer, *RejectionError) {
	tree, err := parseJSON(argument)
	if err != nil {
		return nil, reject(saysParameter, "argument_malformed", "wx.addCard's argument is %v", err)
	}
	root, _ := tree.(map[string]any)
	list, isList := root["cardList"].([]any)
	limit := number(s.assumptions.MaxCards)
	switch {
	case !isList || len(root) != 1:
		return nil, reject(saysParameter, "argument_shape", `wx.addCard takes {"cardList":[…]} and nothing else`)
	case len(list) == 0 || len(list) > limit:
		return nil, reject(saysParameter, "card_list_length", "cardList holds %d cards, 1 to %d are taken (guess max_cards)", len(list), limit)
	}
	offers := make([]*offer, len(list))
	for i, raw := range list {
		o, r := s.readOffer(raw)
		if r != nil {
			r.Item = i
			return nil, r
		}
		offers[i] = o
	}
	return offers, nil
}

// batch counts what the earlier items of one cardList use up.
type batch struct {
	nonces   map[string]bool
	codes    map[string]bool
	claimed  map[*card]int64
	restored map[*walletCard]bool // deleted copies that are restored
}

func newBatch() *batch {
	return &batch{nonces: map[string]bool{}, codes: map[string]bool{}, claimed: map[*card]int64{}, restored: map[*walletCard]bool{}}
}

func (s *Sim) accept(b *batch, p *person, o *offer) *RejectionError {
	if r := s.checkOffer(o, p); r != nil {
		return r
	}
	if r := s.checkSignature(o); r != nil {
		return r
	}
	if r := b.checkNonce(o); r != nil {
		return r
	}
	return s.checkAvailable(b, p, o)
}

// nonceKey returns what must not be used twice. It is "" without a nonce_str: WeChat
// says that such a cardExt can be replayed.
func (o *offer) nonceKey() string {
	if o.nonce == "" {
		return ""
	}
	return o.nonce + " " + o.timestamp
}

func (b *batch) checkNonce(o *offer) *RejectionError {
	key := o.nonceKey()
	if key == "" {
		return nil
	}
	if o.card.usedNonces.items[key] || b.nonces[o.cardID+" "+key] {
		return reject(saysGone, "nonce_reused", "this nonce_str and timestamp were used before; sign anew for every tap")
	}
	b.nonces[o.cardID+" "+key] = true
	return nil
}

// checkAvailable checks stock, get_limit and the code.
func (s *Sim) checkAvailable(b *batch, p *person, o *offer) *RejectionError {
	c := o.card
	if r := s.checkClaimable(c, p); r != nil {
		return r
	}
	if o.code != "" {
		old := c.codes[o.code]
		if b.codes[c.id+" "+o.code] || (old != nil && !old.restorableBy(p)) {
			return reject(s.saysOfReused(old, p), "code_reused", "this code was delivered before")
		}
		b.codes[c.id+" "+o.code] = true
	}
	if o.restores = restorable(p, o); o.restores != nil && !b.restored[o.restores] {
		b.restored[o.restores] = true
		if s.assumptions.Restore != "restored" {
			return reject(s.assumptions.Restore, "not_restored", "the person deleted this card (guess restore)")
		}
		return nil
	}
	o.restores = nil
	b.claimed[c]++
	switch {
	case p.count(c)+b.claimed[c] > c.getLimit():
		return reject(s.assumptions.HeldCard, "get_limit", "this person holds the card as often as get_limit allows (%d)", c.getLimit())
	case c.quantity < b.claimed[c]:
		return reject(saysGone, "out_of_stock", "the card is out of stock")
	}
	return nil
}

// saysOfReused returns what the phone says to a code that was delivered before:
// to its holder, that the card is held.
func (s *Sim) saysOfReused(old *walletCard, p *person) string {
	if old != nil && old.owner == p && old.status == codeNormal && s.assumptions.HeldCard != saysGone {
		return s.assumptions.HeldCard
	}
	return s.assumptions.ReusedCode
}

func (s *Sim) checkClaimable(c *card, p *person) *RejectionError {
	switch {
	case c.status == verifyOK, c.status == notVerified && s.isTester(p):
		return nil
	case c.status == notVerified:
		return reject(saysGone, "card_in_review", "the card is in review and this person is no tester")
	case c.status == verifyFail:
		return reject(saysGone, "card_refused", "the card was refused in review")
	}
	return reject(saysGone, "card_deleted", "the card was deleted")
}

func (w *walletCard) restorableBy(p *person) bool { return w.owner == p && w.status == codeDeleted }

// restorable returns the deleted copy that this offer restores, or nil.
func restorable(p *person, o *offer) *walletCard {
	if o.code == "" {
		return p.deletedCard(o.card)
	}
	if w := o.card.codes[o.code]; w != nil && w.restorableBy(p) {
		return w
	}
	return nil
}

// addAllToWallet adds every card of a list that was accepted.
func (s *Sim) addAllToWallet(p *person, offers []*offer) []AddedCard {
	var added []AddedCard
	for _, o := range offers {
		if key := o.nonceKey(); key != "" {
			o.card.usedNonces.put(key, true)
		}
		added = append(added, AddedCard{CardID: o.cardID, CardExt: o.ext, Code: s.sealForPhone(s.addToWallet(p, o, "").code), IsSuccess: true})
	}
	return added
}

// addToWallet restores a deleted copy or delivers a new one, and sends the event.
// scene is the SourceScene of the event; empty is none.
func (s *Sim) addToWallet(p *person, o *offer, scene string) *walletCard {
	w := o.restores
	if w == nil {
		w = s.claim(p, o)
	}
	w.status = codeNormal
	s.emitGet(w, o.restores != nil, scene)
	return w
}

// claim delivers a new copy and reduces the stock.
func (s *Sim) claim(p *person, o *offer) *walletCard {
	code, begin := o.code, o.begin
	if code == "" {
		code = s.nextCode(o.card)
	}
	if begin.IsZero() {
		begin = s.Now()
	}
	o.card.quantity--
	s.emitStock(o.card)
	return s.deliver(p, o.card, code, o.outerStr, begin.Truncate(time.Second))
}

// nextCode returns a deposited code, or one that WeChat makes.
func (s *Sim) nextCode(c *card) string {
	if c.isDeposit() {
		return c.pool.next()
	}
	return s.newSystemCode()
}
