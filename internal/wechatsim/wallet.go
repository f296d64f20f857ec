package wechatsim

import (
	"maps"
	"net/http"
	"slices"
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

// walletCard is one copy of a card in one person's wallet. It stays when the
// person deletes the card, so that taking it again restores it.
type walletCard struct {
	card             *card
	code             string
	owner            *person
	status           codeStatus
	outerStr         string
	validFrom        time.Time // fixed_begintimestamp, or the claim
	claimedAt        time.Time
	active           bool
	membershipNumber string
	bonus            int64
	balance          int64
	customFields     map[string]string // custom_field1…
	form             map[string]string // what the user filled in
	messages         []Message
	writes           int     // calls of activate and updateuser that WeChat accepted
	recipient        *person // of a gift
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

// addMessage drops the oldest message when there are too many.
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
	Code             string            `json:"code"`      // the plain one
	CodeType         string            `json:"code_type"` // how the code is shown
	Status           string            `json:"status"`    // NORMAL, DELETE, GIFTING, GIFT_SUCC, UNAVAILABLE, EXPIRE
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
	for _, w := range p.wallet {
		faces = append(faces, s.face(w))
	}
	return faces, nil
}

func (s *Sim) phoneCards(r *http.Request) (any, error) {
	faces, err := s.Cards(r.PathValue("user"))
	return object{"cards": faces}, err
}

func (s *Sim) changeFace(p *person, in struct {
	CardID    string `json:"card_id"`
	Code      string `json:"code"`
	HasActive *bool  `json:"has_active"`
	Bonus     *int64 `json:"bonus"`
	Balance   *int64 `json:"balance"`
}) (any, error) {
	w := p.walletCard(in.CardID, in.Code)
	if w == nil {
		return nil, notFound("code", "%s has no such card", p.name)
	}
	if in.HasActive != nil {
		w.active = *in.HasActive
	}
	if in.Bonus != nil {
		w.bonus = *in.Bonus
	}
	if in.Balance != nil {
		w.balance = *in.Balance
	}
	return s.face(w), nil
}

func (s *Sim) face(w *walletCard) CardFace {
	return CardFace{CardID: w.card.id, Title: w.card.baseText("title"), BrandName: w.card.baseText("brand_name"),
		Code: w.code, CodeType: w.card.baseText("code_type"), Status: string(s.statusOf(w)), HasActive: w.active,
		MembershipNumber: w.membershipNumber,
		Bonus:            w.bonus, Balance: w.balance, CustomFields: maps.Clone(w.customFields), OuterStr: w.outerStr,
		ClaimedAt: w.claimedAt.UTC(), Messages: append([]Message{}, w.messages...)}
}

// statusOf returns the status now: a card expires without an event. What happens
// to the copies of a card that the merchant deleted is an assumption.
func (s *Sim) statusOf(w *walletCard) codeStatus {
	_, end := w.validity()
	switch {
	case w.status != codeNormal:
		return w.status
	case w.card.status == cardDeleted && s.assumptions.DeletedCard == "ends":
		return codeUnavailable
	case !end.IsZero() && !s.Now().Before(end):
		return codeExpired
	}
	return codeNormal
}

// validity returns when the card is valid, by its date_info. A zero end means for
// ever.
func (w *walletCard) validity() (begin, end time.Time) {
	info := w.card.dateInfo()
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

// count returns how many copies of the card p has now.
func (p *person) count(c *card) int64 {
	var n int64
	for _, w := range p.wallet {
		if w.card == c && w.status != codeDeleted && w.status != codeGiven {
			n++
		}
	}
	return n
}

// deletedCard returns a copy of the card that p deleted, or nil.
func (p *person) deletedCard(c *card) *walletCard {
	return p.find(func(w *walletCard) bool { return w.card == c && w.status == codeDeleted })
}

// walletCard returns the copy with this code, or nil.
func (p *person) walletCard(cardID, code string) *walletCard {
	return p.find(func(w *walletCard) bool { return w.card.id == cardID && w.code == code })
}

func (p *person) find(match func(*walletCard) bool) *walletCard {
	if i := slices.IndexFunc(p.wallet, match); i >= 0 {
		return p.wallet[i]
	}
	return nil
}

// usableCard returns the newest copy of the card that p can use now, or nil.
func (p *person) usableCard(c *card) *walletCard {
	for _, w := range slices.Backward(p.wallet) {
		if w.card == c && w.status == codeNormal {
			return w
		}
	}
	return nil
}

// deliver puts a new copy into p's wallet. From then on the code counts as
// delivered.
func (s *Sim) deliver(p *person, c *card, code, outerStr string, begin time.Time) *walletCard {
	now := s.Now()
	w := &walletCard{card: c, code: code, owner: p, status: codeNormal, outerStr: outerStr, validFrom: begin,
		claimedAt: now, active: c.flag("auto_activate"), customFields: map[string]string{}, form: map[string]string{}}
	if w.active {
		w.bonus = s.ownPoints(c)
	}
	p.wallet = append(p.wallet, w)
	c.codes[code] = w
	if !c.baseFlag("use_custom_code") {
		s.systemCodes[code] = w
	}
	return w
}

// ownPoints returns the points that WeChat itself gives to a card that becomes active
// without the merchant saying how many.
func (s *Sim) ownPoints(c *card) int64 {
	if s.assumptions.OwnPoints != "bonus_rule" {
		return 0
	}
	rule, _ := c.memberCard["bonus_rule"].(map[string]any)
	return fields{rule, &readState{allowFractions: true}}.integer("init_increase_bonus")
}

// newSystemCode returns a code of WeChat's own, unique in the simulator.
func (s *Sim) newSystemCode() string {
	for {
		if code := "4" + s.randomString(digits, 11); s.systemCodes[code] == nil {
			return code
		}
	}
}

// sealForPhone encrypts a code as the phone passes it on: only /card/code/decrypt
// of the same simulator opens it. There is always a + in it, so that decoding a
// URL once too often fails every time.
func (s *Sim) sealForPhone(code string) string {
	for {
		sealed := sealCode(s.sealKey, s.randomString(urlSafe, 12), code)
		if strings.Contains(sealed, "+") {
			return sealed
		}
	}
}
