// Package card keeps the catalogue of the merchant's cards: what WeChat says
// about each card, and the operator's settings for it. It also lets the operator
// create, change and distribute cards.
//
// It signs nothing and issues no codes.
//
// A cardExt must contain a code for some cards and an openid for others, and the
// phone refuses a cardExt with too many or too few values. So the caller reads the
// card from the catalogue before it signs. The catalogue keeps cards in memory and
// in the database. It calls WeChat only if it has no copy of a card, or only an old
// one.
package card

import (
	"errors"
	"time"
)

var (
	// ErrNotFound is returned for a card that the merchant's account does not have.
	ErrNotFound = errors.New("card: no such card")
	// ErrNotClaimable is returned for a card that cannot be claimed now: refused
	// in review, deleted, or out of stock.
	ErrNotClaimable = errors.New("card: cannot be claimed now")
	// ErrTooMany is returned when clients have used up the minute's calls to
	// WeChat for unknown or outdated cards.
	ErrTooMany = errors.New("card: too many reads from WeChat")
	// ErrUncertain is returned when WeChat's answer was lost and the change may
	// have been made. Repeating it could make it twice.
	ErrUncertain = errors.New("card: the change may have been made; check the card before repeating it")
	// ErrConcurrent is returned when another call did the same work until the
	// caller's deadline. Repeating the call later is safe.
	ErrConcurrent = errors.New("card: another call is doing the same; repeat this one later")
)

// Status is the state of a card in WeChat's review.
type Status string

// The values are WeChat's own (page "查看卡券详情"). WeChat spells the last three in
// two ways; package wechat maps both to these.
const (
	NotVerified  Status = "CARD_STATUS_NOT_VERIFY"
	VerifyFailed Status = "CARD_STATUS_VERIFY_FAIL"
	Verified     Status = "CARD_STATUS_VERIFY_OK"
	Deleted      Status = "CARD_STATUS_DELETE"
	Dispatched   Status = "CARD_STATUS_DISPATCH"
)

// DateFixTerm is the date_info.type of a card that is valid for a number of days
// after it was claimed, the only type with a fixed_begintimestamp.
const DateFixTerm = "DATE_TYPE_FIX_TERM"

// DepositMode is the only value of get_custom_code_mode.
const DepositMode = "GET_CUSTOM_CODE_MODE_DEPOSIT"

// Card is one card of the catalogue.
type Card struct {
	ID     string `json:"-"`
	Status Status `json:"status"`

	Title            string `json:"title,omitempty"`
	BrandName        string `json:"brand_name,omitempty"`
	LogoURL          string `json:"logo_url,omitempty"`
	Color            string `json:"color,omitempty"`
	BackgroundPicURL string `json:"background_pic_url,omitempty"`
	Prerogative      string `json:"prerogative,omitempty"` // the member's benefits
	Description      string `json:"description,omitempty"` // the terms
	Notice           string `json:"notice,omitempty"`      // what to do with the card at the till
	ServicePhone     string `json:"service_phone,omitempty"`
	CodeType         string `json:"code_type,omitempty"` // CODE_TYPE_…: how the wallet shows the code

	SupplyBonus   bool           `json:"supply_bonus,omitempty"`
	SupplyBalance bool           `json:"supply_balance,omitempty"`
	CustomFields  [3]CustomField `json:"custom_fields,omitzero"`

	UseCustomCode bool   `json:"use_custom_code,omitempty"`
	Deposit       bool   `json:"deposit,omitempty"` // codes are deposited at WeChat beforehand (导入code)
	BindOpenID    bool   `json:"bind_openid,omitempty"`
	DateType      string `json:"date_type,omitempty"`
	Quantity      int64  `json:"quantity"` // remaining stock; negative if WeChat did not report it
	TotalQuantity int64  `json:"-"`        // stock plus claimed; not stored

	AutoActivate bool `json:"auto_activate,omitempty"`
	WxActivate   bool `json:"wx_activate,omitempty"` // one-click activation form (一键激活)
	JumpForm     bool `json:"jump_form,omitempty"`   // the form returns to the merchant (跳转型)

	Settings Settings `json:"-"`

	// RefuseReason is why WeChat refused the card in review, in WeChat's words. It is
	// empty unless Status is VerifyFailed, and if WeChat's event was lost: /card/get
	// does not return it.
	RefuseReason string `json:"-"`

	// ReadAt is when the card was read from WeChat, by this process's clock.
	ReadAt time.Time `json:"-"`
}

// CustomField is the heading of one of the three fields on the card's face: a name
// chosen by the merchant, or one of WeChat's types.
type CustomField struct {
	Name string `json:"name,omitempty"`
	Type string `json:"name_type,omitempty"` // FIELD_NAME_TYPE_…
	URL  string `json:"url,omitempty"`       // where a tap on the field leads
}

// Settings are the operator's settings of a card. They are stored here only; WeChat
// does not have them.
type Settings struct {
	// FixedBeginTimestamp adds the second at which the member's code was issued
	// to the cardExt of a DATE_TYPE_FIX_TERM card.
	FixedBeginTimestamp bool `json:"fixed_begintimestamp,omitempty"`
	// ActivateOnClaim makes addcard activate a card as soon as it is claimed. Nil
	// means true for a card that is not activated in another way.
	ActivateOnClaim *bool `json:"activate_on_claim,omitempty"`
	// InitBonus (points) and InitBalance (fen) are the initial grant of a card
	// that becomes active; InitBonusRecord is the text that its holder reads.
	InitBonus       int64  `json:"init_bonus,omitempty"`
	InitBalance     int64  `json:"init_balance,omitempty"`
	InitBonusRecord string `json:"init_bonus_record,omitempty"`
}

// ActivatesOnClaim reports whether addcard activates the card as soon as it is
// claimed.
func (c Card) ActivatesOnClaim() bool {
	if setting := c.Settings.ActivateOnClaim; setting != nil {
		return *setting
	}
	return !c.AutoActivate && !c.WxActivate
}

// TakesCode reports whether cardExt must contain a code of ours, which is true for
// a custom-code card that assigns codes in real time. For system codes and
// deposited codes WeChat picks the code and refuses a cardExt that contains one.
func (c Card) TakesCode() bool { return c.UseCustomCode && !c.Deposit }

// CodeMode returns the origin of the codes: "system" for WeChat, "custom" for
// addcard in real time, "deposit" for the merchant beforehand.
func (c Card) CodeMode() string {
	switch {
	case c.Deposit:
		return "deposit"
	case c.UseCustomCode:
		return "custom"
	}
	return "system"
}

// ClaimMethod returns how a mini-program lets a member claim the card: "open_card"
// with the open-card component (开卡组件), or "add_card" with wx.addCard. The
// component requires a one-click card with system or deposited codes and a form
// that returns to the merchant.
func (c Card) ClaimMethod() string {
	if c.WxActivate && c.JumpForm && !c.TakesCode() {
		return "open_card"
	}
	return "add_card"
}

// Activation returns how the card becomes active after a member has taken it:
// "auto" by WeChat at once, "on_claim" by addcard at once, "component" with the
// open-card component, or "form" by the member in the wallet, which leads to
// WeChat's form or to the merchant's page.
func (c Card) Activation() string {
	switch {
	case c.AutoActivate:
		return "auto"
	case c.ActivatesOnClaim():
		return "on_claim"
	case c.ClaimMethod() == "open_card":
		return "component"
	}
	return "form"
}

// SoldOut reports whether the card has no stock left.
func (c Card) SoldOut() bool { return c.Quantity == 0 }

// Claimable reports whether a phone would accept the card. A card in review counts
// as claimable, because the testers on its whitelist can claim it. hasCode means
// that the member already has a code of the card, which was taken out of the stock.
func (c Card) Claimable(hasCode bool) bool {
	switch c.Status {
	case VerifyFailed, Deleted:
		return false
	}
	return hasCode || !c.SoldOut()
}
