package wechatsim

import (
	"strings"
	"time"
)

// codeStatus is a user_card_status of /card/code/get.
type codeStatus string

const (
	codeNormal      codeStatus = "NORMAL"
	codeDeleted     codeStatus = "DELETE"
	codeGifting     codeStatus = "GIFTING"
	codeGiven       codeStatus = "GIFT_SUCC"
	codeUnavailable codeStatus = "UNAVAILABLE"
	codeExpired     codeStatus = "EXPIRE"
)

// walletCard is one card in one person's wallet. It stays when the person deletes
// the card, so that taking it again restores it.
type walletCard struct {
	card             *card
	code             string
	owner            *person
	status           codeStatus
	outerStr         string
	validFrom        time.Time // from when it counts: fixed_begintimestamp or the claim
	claimedAt        time.Time
	active           bool
	membershipNumber string // membership_number
	bonus            int64
	balance          int64
	customFields     map[string]string // custom_field1…
	form             map[string]string // what the user filled in
	messages         []Message
	recipient        *person
}

// Message is one change message that reached the user.
type Message struct {
	Kind  string    `json:"kind"` // bonus, balance, custom_field1…, activated
	Text  string    `json:"text"`
	Add   int64     `json:"add"`   // the change shown
	Total int64     `json:"total"` // what the card face says after it
	At    time.Time `json:"at"`
}

const maxMessages = 1000

// addMessage keeps the latest messages.
func (w *walletCard) addMessage(m Message) {
	if len(w.messages) == maxMessages {
		w.messages = append(w.messages[:0], w.messages[1:]...)
	}
	w.messages = append(w.messages, m)
}

// CardFace is what the user sees of one card in the wallet.
type CardFace struct {
	CardID           string            `json:"card_id"`
	Title            string            `json:"title"`
	BrandName        string            `json:"brand_name"`
	Code             string            `json:"code"`   // the plain one
	Status           string            `json:"status"` // NORMAL, DELETE, GIFTING, GIFT_SUCC, UNAVAILABLE, EXPIRE
	HasActive        bool              `json:"has_active"`
	MembershipNumber string            `json:"membership_number"`
	Bonus            int64             `json:"bonus"`
	Balance          int64             `json:"balance"` // fen
	CustomFields     map[string]string `json:"custom_fields,omitempty"`
	OuterStr         string            `json:"outer_str"`
	ClaimedAt        time.Time         `json:"claimed_at"`
	Messages         []Message         `json:"messages"`
}

// Cards returns the wallet of user, oldest card first, deleted ones included.
func (s *Sim) Cards(user string) ([]CardFace, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.person(user)
	if err != nil {
		return nil, err
	}
	faces := []CardFace{}
	for _, h := range p.wallet {
		faces = append(faces, s.face(h))
	}
	return faces, nil
}

func (s *Sim) face(h *walletCard) CardFace {
	custom := map[string]string{}
	for name, value := range h.customFields {
		custom[name] = value
	}
	return CardFace{CardID: h.card.id, Title: h.card.baseText("title"), BrandName: h.card.baseText("brand_name"),
		Code: h.code, Status: string(s.statusOf(h)), HasActive: h.active, MembershipNumber: h.membershipNumber,
		Bonus: h.bonus, Balance: h.balance, CustomFields: custom, OuterStr: h.outerStr,
		ClaimedAt: h.claimedAt.UTC(), Messages: append([]Message{}, h.messages...)}
}

// statusAt sees a card expire without anybody having to note it.
func (w *walletCard) statusAt(now time.Time) codeStatus {
	if _, end := w.validity(); w.status == codeNormal && !end.IsZero() && !now.Before(end) {
		return codeExpired
	}
	return w.status
}

// validity is when the card counts, by its date_info; a zero end is never.
func (w *walletCard) validity() (begin, end time.Time) {
	raw, _ := w.card.baseInfo()["date_info"].(map[string]any)
	info := fields{raw, &readState{allowFractions: true}}
	const day = 24 * time.Hour
	switch info.text("type") {
	case "DATE_TYPE_FIX_TIME_RANGE":
		return time.Unix(info.integer("begin_timestamp"), 0), time.Unix(info.integer("end_timestamp"), 0)
	case "DATE_TYPE_FIX_TERM":
		begin = w.validFrom.Add(time.Duration(info.integer("fixed_begin_term")) * day)
		return begin, begin.Add(time.Duration(info.integer("fixed_term")) * day)
	}
	return w.validFrom, time.Time{}
}

// count counts the copies of the card that p holds now.
func (p *person) count(c *card) int64 {
	var n int64
	for _, h := range p.wallet {
		if h.card == c && h.status != codeDeleted && h.status != codeGiven {
			n++
		}
	}
	return n
}

// deletedCard finds a copy of the card that p threw away.
func (p *person) deletedCard(c *card) *walletCard {
	for _, h := range p.wallet {
		if h.card == c && h.status == codeDeleted {
			return h
		}
	}
	return nil
}

// walletCard is the copy with this code in p's wallet.
func (p *person) walletCard(cardID, code string) *walletCard {
	for _, h := range p.wallet {
		if h.card.id == cardID && h.code == code {
			return h
		}
	}
	return nil
}

// deliver puts a new copy into p's wallet; the code counts as delivered from now.
func (s *Sim) deliver(p *person, c *card, code, outerStr string, begin time.Time) *walletCard {
	now := s.Now()
	h := &walletCard{card: c, code: code, owner: p, status: codeNormal, outerStr: outerStr, validFrom: begin,
		claimedAt: now, active: c.flag("auto_activate"), customFields: map[string]string{}, form: map[string]string{}}
	p.wallet = append(p.wallet, h)
	c.codes[code] = h
	if !c.baseFlag("use_custom_code") {
		s.systemCodes[code] = h
	}
	return h
}

// newSystemCode is a code of WeChat's own making, unique in the simulator.
func (s *Sim) newSystemCode() string {
	for {
		if code := "4" + s.randomString(digits, 11); s.systemCodes[code] == nil {
			return code
		}
	}
}

// sealForPhone encrypts a code the way it travels through the phone: only
// /card/code/decrypt of the same simulator opens it. There is always a + in it,
// so that whoever decodes a URL once too often is found out every time.
func (s *Sim) sealForPhone(code string) string {
	for {
		sealed := sealCode(s.sealKey, s.randomString(urlSafe, 12), code)
		if strings.Contains(sealed, "+") {
			return sealed
		}
	}
}
