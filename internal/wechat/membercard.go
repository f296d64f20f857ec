package wechat

import (
	"context"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Activation has the initial values of a member card. A nil number or an empty text is
// not sent.
type Activation struct {
	CardID           string // may be empty for a card with WeChat's own codes
	Code             string
	MembershipNumber string
	InitBonus        *int64 // points
	InitBonusRecord  string
	InitBalance      *int64    // fen (分)
	CustomFields     [3]string // each at most 12 bytes
	Begin, End       time.Time // validity; zero: that of the card
	BackgroundPicURL string
}

// Activate activates a card in a wallet (page "激活会员卡"). Activating it again
// replaces the membership number and is not an error.
func (c *Client) Activate(ctx context.Context, a Activation) error {
	return c.post(ctx, "/card/membercard/activate", activateBody{
		MembershipNumber: a.MembershipNumber, Code: a.Code, CardID: a.CardID,
		InitBonus: a.InitBonus, InitBonusRecord: a.InitBonusRecord, InitBalance: a.InitBalance,
		Field1: a.CustomFields[0], Field2: a.CustomFields[1], Field3: a.CustomFields[2],
		Begin: unixSeconds(a.Begin), End: unixSeconds(a.End), BackgroundPicURL: a.BackgroundPicURL,
	}, nil)
}

type activateBody struct {
	MembershipNumber string `json:"membership_number"`
	Code             string `json:"code"`
	CardID           string `json:"card_id,omitempty"`
	InitBonus        *int64 `json:"init_bonus,omitempty"`
	InitBonusRecord  string `json:"init_bonus_record,omitempty"`
	InitBalance      *int64 `json:"init_balance,omitempty"`
	Field1           string `json:"init_custom_field_value1,omitempty"`
	Field2           string `json:"init_custom_field_value2,omitempty"`
	Field3           string `json:"init_custom_field_value3,omitempty"`
	Begin            int64  `json:"activate_begin_time,omitzero"`
	End              int64  `json:"activate_end_time,omitzero"`
	BackgroundPicURL string `json:"background_pic_url,omitempty"`
}

func unixSeconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

// UserInfo is the state of a member card at WeChat.
type UserInfo struct {
	OpenID           string // the Official Account's
	Nickname         string
	Sex              string // MALE, FEMALE, UNKNOWN
	MembershipNumber string // empty before the activation
	Bonus            *int64 // nil: WeChat did not say
	Balance          *int64 // fen (分); nil: WeChat did not say
	Status           string // as of CodeState
	HasActive        bool
	Common, Custom   []FormField // of the activation form
}

// FormField is one answer on the activation form.
type FormField struct {
	Name   string   `json:"name"` // USER_FORM_INFO_FLAG_…, or the merchant's own
	Value  string   `json:"value"`
	Values []string `json:"value_list"` // of a check box
}

// UserInfo returns the state of a member card (page "拉取会员信息").
func (c *Client) UserInfo(ctx context.Context, cardID, code string) (UserInfo, error) {
	var a userInfoAnswer
	if err := c.post(ctx, "/card/membercard/userinfo/get", object{"card_id": cardID, "code": code}, &a); err != nil {
		return UserInfo{}, err
	}
	return UserInfo{
		OpenID: a.OpenID, Nickname: a.Nickname, Sex: a.Sex, MembershipNumber: a.MembershipNumber,
		Bonus: a.Bonus, Balance: a.Balance, Status: a.Status, HasActive: a.HasActive,
		Common: a.UserInfo.Common, Custom: a.UserInfo.Custom,
	}, nil
}

type userInfoAnswer struct {
	OpenID           string      `json:"openid"`
	Nickname         string      `json:"nickname"`
	Sex              string      `json:"sex"`
	MembershipNumber string      `json:"membership_number"`
	Bonus            *int64      `json:"bonus"`
	Balance          *int64      `json:"balance"`
	Status           string      `json:"user_card_status"`
	HasActive        bool        `json:"has_active"`
	UserInfo         formAnswers `json:"user_info"`
}

type formAnswers struct {
	Common []FormField `json:"common_field_list"`
	Custom []FormField `json:"custom_field_list"`
}

func (a *userInfoAnswer) invalidField() string {
	return unprintableIfSet("openid", a.OpenID, maxOpenID)
}

// Change is a new total of points or money on a card's face (page "更新会员信息").
// Total is what the card will show; Add and Record are only shown in the message
// about it, so a change that is sent twice counts once.
type Change struct {
	Total  int64  // points, or fen (分)
	Add    int64  // 0: not sent
	Record string // at most 14 汉字; empty: not sent
	Notify bool   // the member gets the message
}

// Field is a new text of one of the three custom fields on a card's face.
type Field struct {
	Value  string
	Notify bool
}

// Update has the changes of a member card; a nil or empty field does not change.
type Update struct {
	CardID, Code     string
	Bonus, Balance   *Change
	CustomFields     [3]*Field
	BackgroundPicURL string
}

// Totals are the figures of a card after an update; nil: WeChat did not say.
type Totals struct{ Bonus, Balance *int64 }

// UpdateUser changes an active member card (page "更新会员信息"). It is idempotent.
// WeChat notifies the member of bonus and balance by default, so the flags are always
// sent.
func (c *Client) UpdateUser(ctx context.Context, u Update) (Totals, error) {
	var result struct {
		Bonus   jsontext.Value `json:"result_bonus"`
		Balance jsontext.Value `json:"result_balance"`
	}
	if err := c.post(ctx, "/card/membercard/updateuser", u.body(), &result); err != nil {
		return Totals{}, err
	}
	return Totals{figure(result.Bonus), figure(result.Balance)}, nil
}

// figure reads a figure that WeChat returns. The update was carried out, so a figure
// of an unexpected form counts as none and the update is not repeated.
func figure(raw jsontext.Value) (n *int64) {
	if raw == nil || unmarshal(raw, &n) != nil {
		return nil
	}
	return n
}

type updateBody struct {
	Code             string  `json:"code"`
	CardID           string  `json:"card_id,omitempty"`
	BackgroundPicURL string  `json:"background_pic_url,omitempty"`
	RecordBonus      string  `json:"record_bonus,omitempty"`
	Bonus            *int64  `json:"bonus,omitempty"`
	AddBonus         int64   `json:"add_bonus,omitzero"`
	Balance          *int64  `json:"balance,omitempty"`
	AddBalance       int64   `json:"add_balance,omitzero"`
	RecordBalance    string  `json:"record_balance,omitempty"`
	Field1           *string `json:"custom_field_value1,omitzero"`
	Field2           *string `json:"custom_field_value2,omitzero"`
	Field3           *string `json:"custom_field_value3,omitzero"`
	Notify           struct {
		Bonus   bool `json:"is_notify_bonus"`
		Balance bool `json:"is_notify_balance"`
		Field1  bool `json:"is_notify_custom_field1,omitzero"`
		Field2  bool `json:"is_notify_custom_field2,omitzero"`
		Field3  bool `json:"is_notify_custom_field3,omitzero"`
	} `json:"notify_optional"`
}

func (u Update) body() (b updateBody) {
	b.CardID, b.Code, b.BackgroundPicURL = u.CardID, u.Code, u.BackgroundPicURL
	if c := u.Bonus; c != nil {
		b.Bonus, b.AddBonus, b.RecordBonus, b.Notify.Bonus = &c.Total, c.Add, c.Record, c.Notify
	}
	if c := u.Balance; c != nil {
		b.Balance, b.AddBalance, b.RecordBalance, b.Notify.Balance = &c.Total, c.Add, c.Record, c.Notify
	}
	values := [...]**string{&b.Field1, &b.Field2, &b.Field3}
	flags := [...]*bool{&b.Notify.Field1, &b.Notify.Field2, &b.Notify.Field3}
	for i, f := range u.CustomFields {
		if f != nil {
			*values[i], *flags[i] = &f.Value, f.Notify
		}
	}
	return b
}
