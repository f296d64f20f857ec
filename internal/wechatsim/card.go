package wechatsim

import (
	"encoding/json"
	"time"
)

// cardStatus is a status in WeChat's spelling; the spelling of the last is a guess.
type cardStatus string

const (
	notVerified cardStatus = "CARD_STATUS_NOT_VERIFY"
	verifyFail  cardStatus = "CARD_STATUS_VERIFY_FAIL"
	verifyOK    cardStatus = "CARD_STATUS_VERIFY_OK"
	cardDeleted cardStatus = "CARD_STATUS_DELETE"
)

// card is one member card as the merchant created it.
type card struct {
	id         string
	memberCard map[string]any // the member_card object, base_info included
	status     cardStatus
	quantity   int64 // what is left
	total      int64
	created    time.Time
	updated    time.Time
	codes      map[string]*walletCard // every code that was ever delivered
	pool       codePool
	form       map[string]any   // of the one-click activation
	encryptID  string           // its encrypt_card_id, once somebody asked
	usedNonces boundedMap[bool] // nonce_str and timestamp of every accepted cardExt
}

func (c *card) baseInfo() map[string]any { return c.memberCard["base_info"].(map[string]any) }

func (c *card) baseFlag(name string) bool {
	value, _ := c.baseInfo()[name].(bool)
	return value
}

func (c *card) baseText(name string) string {
	value, _ := c.baseInfo()[name].(string)
	return value
}

// isDeposit tells whether WeChat picks the codes from a list that was handed in.
func (c *card) isDeposit() bool { return c.baseText("get_custom_code_mode") == depositMode }

// isRealTime tells whether each cardExt brings its own code.
func (c *card) isRealTime() bool { return c.baseFlag("use_custom_code") && !c.isDeposit() }

func (c *card) dateType() string {
	info, _ := c.baseInfo()["date_info"].(map[string]any)
	value, _ := info["type"].(string)
	return value
}

func (c *card) getLimit() int64 {
	n, _ := c.baseInfo()["get_limit"].(json.Number)
	value, _ := n.Int64()
	return value
}

func (c *card) flag(name string) bool {
	value, _ := c.memberCard[name].(bool)
	return value
}

// statusName spells the status as the guess says.
func (s *Sim) statusName(status cardStatus) string {
	if status == cardDeleted && s.assumptions.StatusNames == "user" {
		return "CARD_STATUS_USER_DELETE"
	}
	return string(status)
}

// cardJSON is the card as /card/get shows it.
func (s *Sim) cardJSON(c *card) object {
	member := cloneTree(c.memberCard).(map[string]any)
	base := member["base_info"].(map[string]any)
	base["id"], base["status"] = c.id, s.statusName(c.status)
	base["create_time"], base["update_time"] = c.created.Unix(), c.updated.Unix()
	base["sku"] = map[string]any{"quantity": c.quantity, "total_quantity": c.total}
	return object{"card_type": "MEMBER_CARD", "member_card": member}
}

// findCard finds the card a request names.
func (s *Sim) findCard(b fields) (*card, error) {
	id := b.text("card_id")
	if b.state.err != nil {
		return nil, b.state.err
	}
	if id == "" {
		return nil, refuse(41012, "no card_id")
	}
	c := s.cards[id]
	if c == nil {
		return nil, refuse(40073, "no such card")
	}
	return c, nil
}
