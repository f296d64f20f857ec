package wechatsim

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"unicode/utf8"
)

// maxHolders bounds the holders of one request.
const maxHolders = 10_000

// holder is a person with a card that another system of the merchant gave out. A
// request needs only User; the code is chosen if it is empty.
type holder struct {
	User             string            `json:"user"`
	OpenID           string            `json:"openid"` // read-only, as UnionID is
	UnionID          string            `json:"unionid,omitempty"`
	Code             string            `json:"code"`
	Status           codeStatus        `json:"status"` // NORMAL or DELETE; NORMAL if empty
	HasActive        *bool             `json:"has_active"`
	MembershipNumber string            `json:"membership_number"`
	Bonus            int64             `json:"bonus"`
	Balance          int64             `json:"balance"` // fen
	CustomFields     map[string]string `json:"custom_fields,omitempty"`
	Messages         int               `json:"messages"` // read-only: how many the user got about the card
	Writes           int               `json:"writes"`   // read-only: calls of the API that set what the face shows
}

func (h holder) active() bool { return h.HasActive == nil || *h.HasActive }

// addHolders puts cards into wallets as if another system had done it long ago: no
// event is sent, and the stock that is left stays. It adds all or none.
func (s *Sim) addHolders(r *http.Request) (any, error) {
	in, err := decode[struct {
		Count   int      `json:"count"`
		Seed    uint64   `json:"seed"`
		Holders []holder `json:"holders"`
	}](r)
	switch {
	case err != nil:
		return nil, err
	case (in.Count == 0) == (len(in.Holders) == 0):
		return nil, invalidField("count", "either count or holders is required")
	case in.Count < 0 || max(in.Count, len(in.Holders)) > maxHolders:
		return nil, invalidField("count", "1 to %d holders are added at once", maxHolders)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cards[r.PathValue("card_id")]
	if c == nil {
		return nil, notFound("card_id", "no such card")
	}
	if in.Count > 0 {
		in.Holders = randomHolders(c, in.Count, in.Seed)
	}
	codes, people := map[string]bool{}, make([]*person, len(in.Holders))
	for i, h := range in.Holders {
		if people[i], err = s.checkHolder(c, h, codes); err != nil {
			return nil, invalidField(fmt.Sprintf("holders[%d].%s", i, fieldOf(err)), "%v", err)
		}
	}
	added := []holder{}
	for i, h := range in.Holders {
		added = append(added, s.holder(s.deliverAsBefore(people[i], c, h)))
	}
	return object{"holders": added}, nil
}

// randomHolders makes up n holders. One in ten is not active, and one in twenty has
// deleted the card.
func randomHolders(c *card, n int, seed uint64) []holder {
	rng := newRand(seed)
	prefix := strconv.FormatUint(rng.Uint64(), 36)
	list := make([]holder, n)
	for i := range list {
		h := holder{User: fmt.Sprintf("holder.%s.%d", prefix, i+1), HasActive: new(rng.IntN(10) != 0)}
		if rng.IntN(20) == 0 {
			h.Status = codeDeleted
		}
		if h.active() {
			h.MembershipNumber = "VIP" + strconv.Itoa(100_000+i)
			if c.flag("supply_bonus") && rng.IntN(4) != 0 {
				h.Bonus = rng.Int64N(20_000)
			}
			if c.flag("supply_balance") && rng.IntN(2) != 0 {
				h.Balance = rng.Int64N(1_000_000)
			}
		}
		list[i] = h
	}
	return list
}

// checkHolder returns the person who gets the card, or an error that begins with the
// name of the field. codes are those of the holders before.
func (s *Sim) checkHolder(c *card, h holder, codes map[string]bool) (*person, error) {
	switch {
	case h.OpenID != "" || h.UnionID != "":
		return nil, fmt.Errorf("openid: it and unionid are read-only")
	case h.Messages != 0 || h.Writes != 0:
		return nil, fmt.Errorf("messages: they and writes are read-only")
	case h.Status != "" && h.Status != codeNormal && h.Status != codeDeleted:
		return nil, fmt.Errorf("status: must be NORMAL or DELETE")
	case len(h.Code) > maxCodeLength:
		return nil, fmt.Errorf("code: has more than %d bytes", maxCodeLength)
	case h.Code != "" && (codes[h.Code] || c.codes[h.Code] != nil || s.systemCodes[h.Code] != nil):
		return nil, fmt.Errorf("code: %s was delivered before", h.Code)
	case h.Bonus < 0:
		return nil, fmt.Errorf("bonus: must not be negative")
	case h.Balance < 0:
		return nil, fmt.Errorf("balance: must not be negative")
	case !h.active() && (h.Bonus != 0 || h.Balance != 0 || h.MembershipNumber != ""):
		return nil, fmt.Errorf("has_active: a card that is not active has no figures and no membership number")
	}
	for name, value := range h.CustomFields {
		known := slices.ContainsFunc(customNumbers(), func(n string) bool { return name == "custom_field"+n })
		if !known || utf8.RuneCountInString(value) > maxCustom {
			return nil, fmt.Errorf("custom_fields: it has custom_field1 to custom_field3, each of at most %d characters", maxCustom)
		}
	}
	codes[h.Code] = h.Code != ""
	return s.person(h.User)
}

func (s *Sim) deliverAsBefore(p *person, c *card, h holder) *walletCard {
	if h.Code == "" {
		h.Code = s.codeBefore(c)
	}
	if c.isDeposit() {
		c.pool.all[h.Code] = true
		c.pool.remaining = slices.DeleteFunc(c.pool.remaining, func(code string) bool { return code == h.Code })
		c.quantity = min(c.quantity, c.depositLeft())
	}
	w := s.deliver(p, c, h.Code, "", s.Now())
	c.total++
	w.active, w.bonus, w.balance, w.membershipNumber = h.active(), h.Bonus, h.Balance, h.MembershipNumber
	maps.Copy(w.customFields, h.CustomFields)
	if h.Status != "" {
		w.status = h.Status
	}
	return w
}

// codeBefore returns a code that another system, or WeChat, gave to a holder.
func (s *Sim) codeBefore(c *card) string {
	if !c.baseFlag("use_custom_code") {
		return s.newSystemCode()
	}
	for {
		if code := "9" + s.randomString(digits, 11); c.codes[code] == nil && !c.pool.all[code] {
			return code
		}
	}
}

// listHolders lists who has or had a card, by code.
func (s *Sim) listHolders(r *http.Request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.cards[r.PathValue("card_id")]
	if c == nil {
		return nil, notFound("card_id", "no such card")
	}
	list := []holder{}
	for _, code := range slices.Sorted(maps.Keys(c.codes)) {
		list = append(list, s.holder(c.codes[code]))
	}
	return object{"holders": list}, nil
}

func (s *Sim) holder(w *walletCard) holder {
	who := s.identities(w.owner)
	return holder{User: who.Name, OpenID: who.OpenID, UnionID: who.UnionID, Code: w.code, Status: s.statusOf(w), HasActive: new(w.active),
		MembershipNumber: w.membershipNumber, Bonus: w.bonus, Balance: w.balance, CustomFields: maps.Clone(w.customFields),
		Messages: len(w.messages), Writes: w.writes}
}
