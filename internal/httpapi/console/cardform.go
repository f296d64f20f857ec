package console

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/addcard/addcard/internal/card"
)

// colours are WeChat's names for the colours of cards.
var colours = []string{"Color010", "Color020", "Color030", "Color040", "Color050", "Color060", "Color070", "Color080", "Color081",
	"Color082", "Color090", "Color100", "Color101", "Color102"}

// newCardForm returns the form of a card with values that suit most shops.
func newCardForm() []group {
	return []group{
		{"face", []input{
			{Name: "brand_name", Kind: "text", Max: card.MaxBytes("brand_name")},
			{Name: "title", Kind: "text", Value: "会员卡", Max: card.MaxBytes("title")},
			{Name: "color", Kind: "colour", Value: colours[0], Options: colours},
			{Name: "logo", Kind: "file"},
			{Name: "logo_url", Kind: "url", Max: card.MaxBytes("logo_url"), Empty: true},
			{Name: "code_type", Kind: "select", Value: "CODE_TYPE_QRCODE",
				Options: []string{"CODE_TYPE_QRCODE", "CODE_TYPE_BARCODE", "CODE_TYPE_TEXT", "CODE_TYPE_NONE"}},
		}},
		{"texts", []input{
			{Name: "notice", Kind: "text", Value: "结账时出示此卡", Max: card.MaxBytes("notice")},
			{Name: "prerogative", Kind: "area", Max: card.MaxBytes("prerogative")},
			{Name: "description", Kind: "area", Max: card.MaxBytes("description")},
			{Name: "service_phone", Kind: "tel", Max: card.MaxBytes("service_phone"), Empty: true},
		}},
		{"figures", []input{
			{Name: "supply_bonus", Kind: "select", Value: "yes", Options: []string{"yes", "no"}},
			{Name: "supply_balance", Kind: "select", Value: "no", Options: []string{"no", "yes"}},
		}},
		{"rules", []input{
			{Name: "code_mode", Kind: "select", Value: "system", Options: []string{"system", "deposit", "custom"}},
			{Name: "quantity", Kind: "number", Value: "10000", When: "code_mode=system custom"},
			{Name: "activation", Kind: "select", Value: "auto", Options: []string{"auto", "form", "component", "on_claim"}},
			{Name: "activate_url", Kind: "url", When: "activation=component on_claim"},
			{Name: "date_info", Kind: "select", Value: datePermanent, Options: []string{datePermanent, dateTerm, dateRange}},
			{Name: "fixed_term", Kind: "number", Value: "365", When: "date_info=" + dateTerm},
			{Name: "begin_timestamp", Kind: "date", When: "date_info=" + dateRange},
			{Name: "end_timestamp", Kind: "date", When: "date_info=" + dateRange},
		}},
	}
}

// The ways in which WeChat counts the validity of a card.
const (
	datePermanent = "DATE_TYPE_PERMANENT"
	dateTerm      = "DATE_TYPE_FIX_TERM"
	dateRange     = "DATE_TYPE_FIX_TIME_RANGE"
)

// inputs returns the form of what can change on a card.
func (d definition) inputs() []input {
	b := d.BaseInfo
	return []input{
		{Name: "title", Kind: "text", Value: b.Title, Max: card.MaxBytes("title")},
		{Name: "color", Kind: "colour", Value: b.Color, Options: colours},
		{Name: "logo", Kind: "file", Empty: true},
		{Name: "logo_url", Kind: "url", Value: b.LogoURL, Max: card.MaxBytes("logo_url")},
		{Name: "notice", Kind: "text", Value: b.Notice, Max: card.MaxBytes("notice")},
		{Name: "prerogative", Kind: "area", Value: d.Prerogative, Max: card.MaxBytes("prerogative")},
		{Name: "description", Kind: "area", Value: b.Description, Max: card.MaxBytes("description")},
		{Name: "service_phone", Kind: "tel", Value: b.ServicePhone, Max: card.MaxBytes("service_phone"), Empty: true},
	}
}

// newCard shows the form of a card.
func (c *Console) newCard(r *request) error {
	r.calls = append(r.calls, call{Method: http.MethodPost, Path: "/v1/images", Picture: "logo.png"})
	r.offer(http.MethodPost, "/v1/cards", "", exampleCard())
	return r.render(http.StatusOK, "newcard", struct{ Groups []group }{newCardForm()})
}

// createCard creates a card from the form.
func (c *Console) createCard(r *request) error {
	id, err := r.create(c.zone)
	if err != nil {
		return r.again(err, c.newCard)
	}
	return r.back("/cards/" + id + "?done=card_created")
}

// create sends the card of the form to the API and returns its card_id.
func (r *request) create(zone *time.Location) (id string, err error) {
	if err := r.upload("logo", "logo_url"); err != nil {
		return "", err
	}
	if err := r.check(newCardForm()); err != nil {
		return "", err
	}
	definition, err := newDefinition(r.text, zone)
	if err != nil {
		return "", err
	}
	var made struct {
		ID string `json:"card_id"`
	}
	err = r.call(http.MethodPost, "/v1/cards", nil, map[string]any{"card": definition}, &made)
	return made.ID, err
}

// text returns what the person typed into a field.
func (r *request) text(field string) string { return tidy(r.PostForm(field)) }

// tidy returns a text without space around it and with the line ends of Unix.
func tidy(text string) string { return strings.TrimSpace(strings.ReplaceAll(text, "\r\n", "\n")) }

// exampleCard returns the card of an unchanged form.
func exampleCard() map[string]any {
	values := map[string]string{"brand_name": "示例小店", "logo_url": "http://mmbiz.qpic.cn/…/0", "prerogative": "会员日双倍积分",
		"description": "每消费一元积一分"}
	for _, g := range newCardForm() {
		for _, f := range g.Inputs {
			if values[f.Name] == "" {
				values[f.Name] = f.Value
			}
		}
	}
	definition, _ := newDefinition(func(field string) string { return values[field] }, time.UTC) // all fields are good
	return map[string]any{"card": definition}
}

// newDefinition returns the card of a form in the form of WeChat's own. What is not
// well-formed goes to the API as it is, which names the field.
func newDefinition(text func(field string) string, zone *time.Location) (map[string]any, error) {
	base := map[string]any{
		"sku": map[string]any{"quantity": number(text("quantity"))}, "get_limit": 1, "can_share": false, "can_give_friend": false,
		"use_custom_code": text("code_mode") != "system", "date_info": dates(text, zone),
	}
	for _, field := range []string{"brand_name", "title", "color", "logo_url", "code_type", "notice", "description"} {
		base[field] = text(field)
	}
	if phone := text("service_phone"); phone != "" {
		base["service_phone"] = phone
	}
	if text("code_mode") == "deposit" {
		base["get_custom_code_mode"], base["sku"] = "GET_CUSTOM_CODE_MODE_DEPOSIT", map[string]any{"quantity": 0}
	}
	member := map[string]any{
		"base_info": base, "prerogative": text("prerogative"),
		"supply_bonus": text("supply_bonus") == "yes", "supply_balance": text("supply_balance") == "yes",
	}
	page := text("activate_url")
	switch text("activation") {
	case "auto":
		member["auto_activate"] = true
	case "form":
		member["wx_activate"] = true
	case "component":
		member["wx_activate"], member["wx_activate_after_submit"], member["wx_activate_after_submit_url"] = true, true, page
	default:
		member["activate_url"] = page
	}
	if (text("activation") == "component" || text("activation") == "on_claim") && page == "" {
		return nil, wrong("activate_url", "is required")
	}
	return map[string]any{"card_type": "MEMBER_CARD", "member_card": member}, nil
}

// number returns a whole number, or the text that is none.
func number(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	return text
}

// dates returns when a card is valid. The last day is a whole day of the shop.
func dates(text func(field string) string, zone *time.Location) map[string]any {
	info := map[string]any{"type": text("date_info")}
	switch text("date_info") {
	case dateTerm:
		info["fixed_term"], info["fixed_begin_term"] = number(text("fixed_term")), 0
	case dateRange:
		if begin, err := time.ParseInLocation(time.DateOnly, text("begin_timestamp"), zone); err == nil {
			info["begin_timestamp"] = begin.Unix()
		}
		if end, err := time.ParseInLocation(time.DateOnly, text("end_timestamp"), zone); err == nil {
			info["end_timestamp"] = end.AddDate(0, 0, 1).Unix() - 1
		}
	}
	return info
}

// upload puts the picture in a field of the form, if there is one, on WeChat's CDN, and
// its URL into another field: it need not be chosen again if the form is wrong.
func (r *request) upload(field, urlField string) error {
	file, header, err := r.Request.FormFile(field)
	if err != nil || header.Size == 0 { // a browser sends an empty file for none
		return nil
	}
	defer file.Close()
	picture := make([]byte, header.Size)
	if _, err := file.ReadAt(picture, 0); err != nil {
		return err
	}
	var made struct {
		URL string `json:"url"`
	}
	err = r.send(http.MethodPost, "/v1/images", map[string]string{"Content-Type": http.DetectContentType(picture)}, picture, &made)
	if p := (*problem)(nil); errors.As(err, &p) && (p.Code == "unsupported_media_type" || p.Code == "invalid_input") {
		return &problem{Status: http.StatusUnprocessableEntity, Code: "not_a_picture", Errors: []fieldError{{Location: field}}}
	}
	if err == nil {
		r.Request.PostForm.Set(urlField, made.URL)
	}
	return err
}

// updateCard sends the API the fields that the person has changed. WeChat reviews some
// of them again.
func (c *Console) updateCard(r *request) error {
	done, err := r.update()
	if err != nil {
		return r.again(err, c.card)
	}
	return r.back(r.cardPath() + "?done=" + done)
}

func (r *request) update() (done string, err error) {
	if err := r.upload("logo", "logo_url"); err != nil {
		return "", err
	}
	shown, err := r.readCard()
	if err != nil {
		return "", err
	}
	base, member := map[string]any{}, map[string]any{}
	var changed []input
	for _, f := range shown.inputs() {
		text := r.text(f.Name)
		if _, sent := r.GetPostForm(f.Name); !sent || text == tidy(f.Value) {
			continue
		}
		changed = append(changed, f)
		if f.Name == "prerogative" {
			member[f.Name] = text
		} else {
			base[f.Name] = text
		}
	}
	if len(base) > 0 {
		member["base_info"] = base
	}
	if len(member) == 0 {
		return "card_unchanged", nil
	}
	if err := r.check([]group{{"", changed}}); err != nil {
		return "", err
	}
	var change struct {
		SendCheck bool `json:"send_check"`
		Changed   bool `json:"changed"`
	}
	err = r.call(http.MethodPatch, "/v1"+r.cardPath(), nil, map[string]any{"member_card": member}, &change)
	switch {
	case change.SendCheck:
		return "card_review", err
	case !change.Changed:
		return "card_unchanged", err
	}
	return "card_saved", err
}
