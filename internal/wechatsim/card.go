package wechatsim

import (
	"encoding/json"
	"time"
)

// cardStatus is a status in WeChat's spelling. That of the last is an assumption.
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
	quantity   int64 // stock that is left
	total      int64
	created    time.Time
	updated    time.Time
	codes      map[string]*walletCard // every code that was ever delivered
	pool       codePool
	form       map[string]any   // of the one-click activation
	encryptID  string           // encrypt_card_id, once it was asked for
	usedNonces boundedMap[bool] // nonce_str and timestamp of every accepted cardExt
}

func (c *card) baseInfo() map[string]any { return c.memberCard["base_info"].(map[string]any) }

// baseFlag returns a boolean of base_info.
func (c *card) baseFlag(name string) bool {
	value, _ := c.baseInfo()[name].(bool)
	return value
}

func (c *card) baseText(name string) string {
	value, _ := c.baseInfo()[name].(string)
	return value
}

// isDeposit reports whether WeChat picks the codes from those that the merchant
// deposited.
func (c *card) isDeposit() bool { return c.baseText("get_custom_code_mode") == depositMode }

// isRealTime reports whether each cardExt carries its own code.
func (c *card) isRealTime() bool { return c.baseFlag("use_custom_code") && !c.isDeposit() }

func (c *card) dateInfo() fields {
	info, _ := c.baseInfo()["date_info"].(map[string]any)
	return fields{info, &readState{allowFractions: true}}
}

func (c *card) getLimit() int64 {
	n, _ := c.baseInfo()["get_limit"].(json.Number)
	value, _ := n.Int64()
	return value
}

// flag returns a boolean of the member_card object.
func (c *card) flag(name string) bool {
	value, _ := c.memberCard[name].(bool)
	return value
}

// statusName returns the spelling of the status, as is assumed.
func (s *Sim) statusName(status cardStatus) string {
	if status == cardDeleted && s.assumptions.StatusNames == "user" {
		return "CARD_STATUS_USER_DELETE"
	}
	return string(status)
}
