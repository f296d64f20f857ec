package web

import (
	"fmt"

	"github.com/addcard/addcard/internal/card"
)

// Face is what a card says to those who hold it, or may take it.
type Face struct {
	CardID           string `json:"card_id"`
	Title            string `json:"title,omitempty"`
	BrandName        string `json:"brand_name,omitempty"`
	LogoURL          string `json:"logo_url,omitempty"`
	Color            string `json:"color,omitempty" example:"Color010"`
	BackgroundPicURL string `json:"background_pic_url,omitempty"`
	Take             string `json:"take" enum:"add_card,open_card" doc:"Which way a mini-program takes this card: wx.addCard, or the open-card component."`
	Activation       string `json:"activation" enum:"auto,on_claim,form,component" doc:"How a card that was taken becomes active: by WeChat at once, by addcard at once, by the member in the wallet, or with the open-card component."`
	SoldOut          bool   `json:"sold_out" doc:"No stock is left for a member who has no code of the card yet."`
	CodeType         string `json:"code_type,omitempty" example:"CODE_TYPE_QRCODE" doc:"How the wallet shows the code: WeChat's CODE_TYPE_TEXT, _BARCODE, _QRCODE, _ONLY_QRCODE, _ONLY_BARCODE or _NONE."`

	Prerogative   string      `json:"prerogative,omitempty" doc:"What a member gets, in the merchant's words."`
	Description   string      `json:"description,omitempty" doc:"The terms, in the merchant's words."`
	Notice        string      `json:"notice,omitempty" doc:"What to do with the card at the till, in the merchant's words."`
	ServicePhone  string      `json:"service_phone,omitempty"`
	SupplyBonus   bool        `json:"supply_bonus" doc:"The card shows points."`
	SupplyBalance bool        `json:"supply_balance" doc:"The card shows a balance."`
	CustomFields  []FaceField `json:"custom_fields,omitempty" doc:"What the values in a member card's fields are called."`
}

// FaceField is the name of one custom field. One of the two names is set.
type FaceField struct {
	Field    string `json:"field" enum:"custom_field1,custom_field2,custom_field3"`
	Name     string `json:"name,omitempty"`
	NameType string `json:"name_type,omitempty" example:"FIELD_NAME_TYPE_LEVEL" doc:"A name of WeChat's own, which it shows in the holder's language."`
	URL      string `json:"url,omitempty" doc:"Where a tap on the field leads."`
}

// FaceOf returns the face of a card.
func FaceOf(c card.Card) Face {
	return Face{
		CardID: c.ID, Title: c.Title, BrandName: c.BrandName, LogoURL: c.LogoURL, Color: c.Color, BackgroundPicURL: c.BackgroundPicURL,
		Take: c.ClaimMethod(), Activation: c.Activation(), SoldOut: c.SoldOut(), CodeType: c.CodeType,
		Prerogative: c.Prerogative, Description: c.Description,
		Notice: c.Notice, ServicePhone: c.ServicePhone,
		SupplyBonus: c.SupplyBonus, SupplyBalance: c.SupplyBalance, CustomFields: FaceFieldsOf(c),
	}
}

// FaceFieldsOf returns the names of the custom fields that a card has.
func FaceFieldsOf(c card.Card) (fields []FaceField) {
	for i, f := range c.CustomFields {
		if f != (card.CustomField{}) {
			fields = append(fields, FaceField{fmt.Sprintf("custom_field%d", i+1), f.Name, f.Type, f.URL})
		}
	}
	return fields
}
