package wechat

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// maxCardID is four times the length of WeChat's card_ids.
const maxCardID = 128

// Card is a card in WeChat's catalogue, with the attributes that decide what a
// cardExt may contain, how the card is claimed, and how it looks (page
// "查看卡券详情").
type Card struct {
	ID     string
	Type   string // MEMBER_CARD
	Status string // CARD_STATUS_…, in one spelling: NOT_VERIFY, VERIFY_FAIL, VERIFY_OK, DELETE, DISPATCH

	Title            string
	BrandName        string
	LogoURL          string
	Color            string
	BackgroundPicURL string
	Prerogative      string // the member's benefits
	Description      string // the terms
	Notice           string // what to do with the card at the till
	ServicePhone     string
	CodeType         string // CODE_TYPE_…
	CustomFields     [3]CustomField

	UseCustomCode     bool
	GetCustomCodeMode string // GET_CUSTOM_CODE_MODE_DEPOSIT, or empty
	BindOpenID        bool
	DateType          string // DATE_TYPE_…
	Quantity          int64  // the stock that is left; -1 if WeChat did not say
	TotalQuantity     int64
	GetLimit          int64

	AutoActivate             bool
	WxActivate               bool
	WxActivateAfterSubmit    bool
	WxActivateAfterSubmitURL string
	SupplyBonus              bool
	SupplyBalance            bool
}

// CustomField is the heading of custom_field1, custom_field2 or custom_field3 on the
// card's face: a name of the merchant's, or one of WeChat's. Both are empty if the
// card has no such field.
type CustomField struct {
	Name string `json:"name"`
	Type string `json:"name_type"` // FIELD_NAME_TYPE_…
	URL  string `json:"url"`       // where a tap on the field leads
}

// Card returns one card (page "查看卡券详情"). raw is the complete card as WeChat sent
// it. If there is no such card, the error is an *Error and UnknownCard returns true.
func (c *Client) Card(ctx context.Context, cardID string) (card Card, raw json.RawMessage, err error) {
	answer := cardAnswer{cardID: cardID}
	if err := c.post(ctx, pathCard, object{"card_id": cardID}, &answer); err != nil {
		return Card{}, nil, err
	}
	return answer.card(), json.RawMessage(answer.Card), nil
}

// Cards returns at most 50 card_ids of the account, from offset on, and the number
// of all cards (page "批量查询卡券列表").
func (c *Client) Cards(ctx context.Context, offset, count int) (ids []string, total int, err error) {
	var list cardList
	body := struct {
		Offset int `json:"offset"`
		Count  int `json:"count"`
	}{offset, count}
	if err := c.post(ctx, "/card/batchget", body, &list); err != nil {
		return nil, 0, err
	}
	return list.IDs, int(list.Total), nil
}

// cardList is the answer of /card/batchget.
type cardList struct {
	IDs   []string `json:"card_id_list"`
	Total int64    `json:"total_num"`
}

func (l *cardList) invalidField() string {
	for _, id := range l.IDs {
		if !printable(id, maxCardID) {
			return "card_id_list"
		}
	}
	return ""
}

// cardAnswer is the answer of /card/get. The key of the attributes is the card's
// type in lower case.
type cardAnswer struct {
	Card jsontext.Value `json:"card"`

	cardID   string
	cardType id
	body     cardAttributes
}

type cardAttributes struct {
	BaseInfo struct {
		ID        string `json:"id"`
		Status    string `json:"status"`
		Title     string `json:"title"`
		BrandName string `json:"brand_name"`
		LogoURL   string `json:"logo_url"`
		Color     string `json:"color"`
		Terms     string `json:"description"`
		Notice    shown  `json:"notice"`
		Phone     shown  `json:"service_phone"`
		CodeType  shown  `json:"code_type"`

		UseCustomCode     bool   `json:"use_custom_code"`
		GetCustomCodeMode string `json:"get_custom_code_mode"`
		BindOpenID        bool   `json:"bind_openid"`
		GetLimit          int64  `json:"get_limit"`
		DateInfo          struct {
			Type string `json:"type"`
		} `json:"date_info"`
		SKU struct {
			Quantity      *int64 `json:"quantity"`
			TotalQuantity int64  `json:"total_quantity"`
		} `json:"sku"`
	} `json:"base_info"`
	BackgroundPicURL         string `json:"background_pic_url"`
	AutoActivate             bool   `json:"auto_activate"`
	WxActivate               bool   `json:"wx_activate"`
	WxActivateAfterSubmit    bool   `json:"wx_activate_after_submit"`
	WxActivateAfterSubmitURL string `json:"wx_activate_after_submit_url"`
	SupplyBonus              bool   `json:"supply_bonus"`
	SupplyBalance            bool   `json:"supply_balance"`
	Prerogative              string `json:"prerogative"`

	Field1 jsontext.Value `json:"custom_field1"`
	Field2 jsontext.Value `json:"custom_field2"`
	Field3 jsontext.Value `json:"custom_field3"`
}

// invalidField also reads the attributes, because all of them can be missing. A
// single missing attribute is false or zero, which are WeChat's defaults.
func (a *cardAnswer) invalidField() string {
	var parts map[string]jsontext.Value
	if a.Card == nil || unmarshal(a.Card, &parts) != nil || unmarshal(parts["card_type"], &a.cardType) != nil {
		return "card"
	}
	details, found := parts[strings.ToLower(string(a.cardType))]
	switch {
	case !found, unmarshal(details, &a.body) != nil:
		return "card"
	case a.body.BaseInfo.ID != "" && a.body.BaseInfo.ID != a.cardID:
		return "card of that id"
	case a.body.BaseInfo.Status == "":
		return "status"
	}
	return ""
}

func (a *cardAnswer) card() Card {
	body, base := a.body, a.body.BaseInfo
	left := int64(-1)
	if base.SKU.Quantity != nil {
		left = *base.SKU.Quantity
	}
	return Card{
		ID: a.cardID, Type: string(a.cardType), Status: cardStatus(base.Status),
		Title: base.Title, BrandName: base.BrandName, LogoURL: base.LogoURL, Color: base.Color,
		BackgroundPicURL: body.BackgroundPicURL, Prerogative: body.Prerogative, Description: base.Terms,
		Notice: string(base.Notice), ServicePhone: string(base.Phone), CodeType: string(base.CodeType),
		CustomFields:  [3]CustomField{customField(body.Field1), customField(body.Field2), customField(body.Field3)},
		UseCustomCode: base.UseCustomCode, GetCustomCodeMode: base.GetCustomCodeMode,
		BindOpenID: base.BindOpenID, DateType: base.DateInfo.Type,
		Quantity: left, TotalQuantity: base.SKU.TotalQuantity, GetLimit: base.GetLimit,
		AutoActivate: body.AutoActivate, WxActivate: body.WxActivate,
		WxActivateAfterSubmit: body.WxActivateAfterSubmit, WxActivateAfterSubmitURL: body.WxActivateAfterSubmitURL,
		SupplyBonus: body.SupplyBonus, SupplyBalance: body.SupplyBalance,
	}
}

// shown is a text that is only shown, so one of an unexpected form counts as none and
// the card is still accepted.
type shown string

func (s *shown) UnmarshalJSON(raw []byte) error {
	var text string
	if unmarshal(raw, &text) == nil {
		*s = shown(text)
	}
	return nil
}

// customField reads a heading. It is only shown, so one of an unexpected form counts
// as none and the card is still accepted.
func customField(raw jsontext.Value) (f CustomField) {
	if raw == nil || unmarshal(raw, &f) != nil {
		return CustomField{}
	}
	return f
}

// cardStatus returns one spelling for the three statuses that WeChat's pages spell
// in two ways; it is uncertain which WeChat sends.
func cardStatus(s string) string {
	switch s {
	case "CARD_STATUS_VERIFY_FALL":
		return "CARD_STATUS_VERIFY_FAIL"
	case "CARD_STATUS_USER_DELETE":
		return "CARD_STATUS_DELETE"
	case "CARD_STATUS_USER_DISPATCH":
		return "CARD_STATUS_DISPATCH"
	}
	return s
}
