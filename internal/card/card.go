// Package card is the catalogue: what WeChat says of the merchant's cards, and
// what the operator decided about them here.
//
// A cardExt may hold a code only for some cards and an openid only for others,
// and WeChat refuses it on the phone when one is there that should not be. So
// before anything is signed the card is looked up here. The catalogue asks
// WeChat at most once for what it can know by itself: a card is kept in memory,
// in the database, and re-read when its age matters.
//
// The package signs nothing and issues no codes.
package card

import (
	"errors"
	"time"
)

var (
	// ErrNotFound is returned for a card that the merchant's account does not have.
	ErrNotFound = errors.New("card: no such card")
	// ErrNotClaimable is returned for a card that nobody can take now: refused
	// in review, deleted, or out of stock.
	ErrNotClaimable = errors.New("card: cannot be taken now")
	// ErrTooMany is returned when clients asked for so many unknown or
	// outdated cards that this minute's calls to WeChat are spent.
	ErrTooMany = errors.New("card: too many look-ups at WeChat")
	// ErrUncertain is returned for a change that counts twice when it is
	// repeated and that WeChat may have made, though its answer was lost.
	ErrUncertain = errors.New("card: WeChat may have changed it all the same, look at the card first")
)

// Status is a card's place in WeChat's review.
type Status string

// The values are WeChat's own; both spellings that its documents and clients
// know of the last three have been folded into one. Source: the page 查看卡券详情.
const (
	NotVerified  Status = "CARD_STATUS_NOT_VERIFY"
	VerifyFailed Status = "CARD_STATUS_VERIFY_FAIL"
	Verified     Status = "CARD_STATUS_VERIFY_OK"
	Deleted      Status = "CARD_STATUS_DELETE"
	Dispatched   Status = "CARD_STATUS_DISPATCH"
)

// DateFixTerm is the date_info.type of a card that is valid for a number of
// days from the moment it is taken; the only one that knows fixed_begintimestamp.
const DateFixTerm = "DATE_TYPE_FIX_TERM"

// Card is what the catalogue knows of one card.
type Card struct {
	ID     string `json:"-"`
	Status Status `json:"status"`

	Title            string `json:"title,omitempty"`
	BrandName        string `json:"brand_name,omitempty"`
	LogoURL          string `json:"logo_url,omitempty"`
	Color            string `json:"color,omitempty"`
	BackgroundPicURL string `json:"background_pic_url,omitempty"`
	Prerogative      string `json:"prerogative,omitempty"` // what the member gets
	Description      string `json:"description,omitempty"` // the terms

	SupplyBonus   bool           `json:"supply_bonus,omitempty"`
	SupplyBalance bool           `json:"supply_balance,omitempty"`
	CustomFields  [3]CustomField `json:"custom_fields,omitzero"`

	UseCustomCode bool   `json:"use_custom_code,omitempty"`
	Deposit       bool   `json:"deposit,omitempty"` // codes were handed to WeChat beforehand (导入code)
	BindOpenID    bool   `json:"bind_openid,omitempty"`
	DateType      string `json:"date_type,omitempty"`
	Quantity      int64  `json:"quantity"` // remaining stock; negative when WeChat did not say
	TotalQuantity int64  `json:"-"`        // with what was taken; only in what WeChat has just said

	AutoActivate bool `json:"auto_activate,omitempty"`
	WxActivate   bool `json:"wx_activate,omitempty"` // one-click activation form (一键激活)
	JumpForm     bool `json:"jump_form,omitempty"`   // the form leads back to the merchant (跳转型)

	Settings Settings `json:"-"`

	// ReadAt is when WeChat said this, on this process's own clock.
	ReadAt time.Time `json:"-"`
}

// CustomField heads one of the three fields that a face may have, with a name
// of the merchant's or with one of WeChat's.
type CustomField struct {
	Name string `json:"name,omitempty"`
	Type string `json:"name_type,omitempty"` // FIELD_NAME_TYPE_…
}

// Settings are the operator's choices, kept here and unknown to WeChat.
type Settings struct {
	// FixedBeginTimestamp puts the second at which the member's code was
	// issued into the cardExt of a DATE_TYPE_FIX_TERM card.
	FixedBeginTimestamp bool `json:"fixed_begintimestamp,omitempty"`
	// ActivateOnClaim activates a card as soon as it is taken. Absent, it is
	// true for cards that are activated by nobody else.
	ActivateOnClaim *bool `json:"activate_on_claim,omitempty"`
	// InitBonus (points) and InitBalance (fen) are what a card begins with when
	// it becomes active, InitBonusRecord is what its holder reads about it.
	InitBonus       int64  `json:"init_bonus,omitempty"`
	InitBalance     int64  `json:"init_balance,omitempty"`
	InitBonusRecord string `json:"init_bonus_record,omitempty"`
}

// ActivatesOnClaim tells whether we activate the card as soon as it is taken.
func (c Card) ActivatesOnClaim() bool {
	if chosen := c.Settings.ActivateOnClaim; chosen != nil {
		return *chosen
	}
	return !c.AutoActivate && !c.WxActivate
}

// TakesCode tells whether cardExt must carry a code of ours: a custom-code card
// that delivers in real time. For system codes, and for codes deposited
// beforehand, WeChat picks one and refuses a cardExt that brings its own.
func (c Card) TakesCode() bool { return c.UseCustomCode && !c.Deposit }

// CodeMode says who makes the codes: "system" is WeChat, "custom" we in real
// time, "deposit" the merchant beforehand.
func (c Card) CodeMode() string {
	switch {
	case c.Deposit:
		return "deposit"
	case c.UseCustomCode:
		return "custom"
	}
	return "system"
}

// Take says which way a mini-program takes the card: "open_card" through the
// open-card component (开卡组件), which needs a one-click card whose codes are
// not real-time and whose form leads back, else "add_card" through wx.addCard.
func (c Card) Take() string {
	if c.WxActivate && c.JumpForm && !c.TakesCode() {
		return "open_card"
	}
	return "add_card"
}

// Claimable tells whether a phone would accept the card. A card still in review
// is accepted by the testers on its whitelist. held says that the member has a
// code of the card already, which the stock was counted for.
func (c Card) Claimable(held bool) bool {
	switch c.Status {
	case VerifyFailed, Deleted:
		return false
	}
	return held || c.Quantity != 0
}
