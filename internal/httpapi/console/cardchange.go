package console

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/sheet"
)

// actions returns the forms that change a card.
func (s shownCard) actions() (list []action) {
	add := func(name string, upload bool, inputs ...input) {
		list = append(list, action{name, upload, []group{{"", inputs}}})
	}
	if s.Codes() == "deposit" {
		add("codes", true, input{Name: "codes", Kind: "area", Empty: true}, input{Name: "codes_file", Kind: "table", Empty: true},
			input{Name: "codes_column", Kind: "text", Empty: true})
	}
	if s.WxActivate {
		add("form", false, formFields...)
	}
	add("update", true, s.inputs()...)
	if settings := s.settings(); len(settings) > 0 {
		add("settings", false, settings...)
	}
	if s.Codes() != "custom" {
		add("shelf", true, input{Name: "page_title", Kind: "text", Value: s.BaseInfo.BrandName, Max: 64},
			input{Name: "banner_file", Kind: "file", Empty: true}, input{Name: "banner", Kind: "url", Value: s.BaseInfo.LogoURL},
			input{Name: "scene", Kind: "select", Options: shelfScenes})
	}
	add("testers", false, input{Name: "username", Kind: "area", Empty: true}, input{Name: "openid", Kind: "area", Empty: true})
	add("delete", false, input{Name: "confirm", Kind: "text", Quote: s.BaseInfo.Title})
	return list
}

// settings returns the inputs of addcard's settings of a card. One without points or
// without a balance has none for them, unless there is a value to remove.
func (s shownCard) settings() (list []input) {
	choice := func(name string, on bool) input {
		return input{Name: name, Kind: "select", Value: map[bool]string{true: "yes", false: "no"}[on], Options: []string{"yes", "no"}}
	}
	if !s.AutoActivate {
		list = append(list, choice("activate_on_claim", s.Settings.ActivateOnClaim))
	}
	if s.BaseInfo.DateInfo.Type == dateTerm {
		list = append(list, choice("fixed_begintimestamp", s.Settings.FixedBeginTimestamp))
	}
	bonus := s.SupplyBonus || s.Settings.InitBonus > 0
	if bonus {
		list = append(list, input{Name: "init_bonus", Kind: "number", Value: strconv.FormatInt(s.Settings.InitBonus, 10)})
	}
	if s.SupplyBalance || s.Settings.InitBalance > 0 {
		list = append(list, input{Name: "init_balance", Kind: "text", Value: yuan(s.Settings.InitBalance)})
	}
	if bonus {
		list = append(list, input{Name: "init_bonus_record", Kind: "text", Value: s.Settings.InitBonusRecord, Empty: true,
			Max: card.MaxBytes("init_bonus_record")})
	}
	return list
}

// changed answers a form of the page of a card: by going back to the page, which says
// what was done, or with the page and the error.
func (c *Console) changed(r *request, err error, done string) error {
	if err != nil {
		return r.again(err, c.card)
	}
	return r.back(r.cardPath() + "?done=" + done)
}

// changeStock adds to the stock or takes from it.
func (c *Console) changeStock(r *request) error {
	n, err := strconv.ParseInt(r.text("delta"), 10, 64)
	if err != nil || n <= 0 {
		return r.again(wrong("delta", "must be a whole number above 0"), c.card)
	}
	if r.PostForm("direction") == "less" {
		n = -n
	}
	err = r.call(http.MethodPost, "/v1"+r.cardPath()+"/stock", nil, map[string]any{"delta": n}, nil)
	return c.changed(r, err, "card_stock")
}

// changeCardSettings changes what addcard does with a card.
func (c *Console) changeCardSettings(r *request) error {
	settings, err := r.cardSettings()
	if err == nil {
		err = r.call(http.MethodPut, "/v1"+r.cardPath()+"/settings", nil, settings, nil)
	}
	return c.changed(r, err, "card_settings")
}

// cardSettings returns the settings of the form. A member cannot see what a card without
// points or without a balance begins with.
func (r *request) cardSettings() (map[string]any, error) {
	shown, err := r.readCard()
	if err != nil {
		return nil, err
	}
	inputs := shown.settings()
	if err := r.check([]group{{"", inputs}}); err != nil {
		return nil, err
	}
	settings := map[string]any{}
	for _, f := range inputs {
		text, sent := r.text(f.Name), r.PostForm(f.Name) != ""
		switch {
		case f.Kind == "select" && sent:
			settings[f.Name] = text == "yes"
		case f.Name == "init_bonus":
			settings[f.Name] = number(text)
		case f.Name == "init_bonus_record":
			settings[f.Name] = text
		}
	}
	if text := r.text("init_bonus"); !shown.SupplyBonus && strings.Trim(text, "0") != "" {
		return nil, wrong("init_bonus", "the card has no points")
	}
	balance := r.text("init_balance")
	switch fen, ok := amount(balance, true); {
	case strings.Trim(balance, "0.") == "":
		settings["init_balance"] = 0
	case !shown.SupplyBalance:
		return nil, wrong("init_balance", "the card has no balance")
	case !ok:
		return nil, wrong("init_balance", "must be an amount in yuan")
	default:
		settings["init_balance"] = fen
	}
	return settings, nil
}

// formFields are WeChat's common fields, as far as shops ask for them.
var formFields = []input{
	ask("MOBILE", "required"), ask("NAME", "required"), ask("BIRTHDAY", "optional"), ask("SEX", "none"), ask("EMAIL", "none"),
	ask("LOCATION", "none"), ask("DETAIL_LOCATION", "none"), ask("IDCARD", "none"), ask("CAREER", "none"), ask("HABIT", "none"),
}

func ask(field, choice string) input {
	return input{Name: "USER_FORM_INFO_FLAG_" + field, Kind: "radio", Value: choice, Options: []string{"required", "optional", "none"}}
}

// activationForm returns the form that asks for these fields, in WeChat's own form.
func activationForm(required, optional []string) map[string]any {
	form := map[string]any{}
	for name, fields := range map[string][]string{"required_form": required, "optional_form": optional} {
		if len(fields) > 0 {
			form[name] = map[string]any{"can_modify": false, "common_field_id_list": fields}
		}
	}
	return form
}

// setForm sets what the activation form asks for.
func (c *Console) setForm(r *request) error {
	fields := map[string][]string{}
	for _, f := range formFields {
		choice := r.PostForm(f.Name)
		fields[choice] = append(fields[choice], f.Name)
	}
	form := activationForm(fields["required"], fields["optional"])
	if len(form) == 0 {
		return r.again(wrong("required_form", "choose at least one field"), c.card)
	}
	err := r.call(http.MethodPut, "/v1"+r.cardPath()+"/activation-form", nil, form, nil)
	return c.changed(r, err, "card_form")
}

// testers returns the body of PUT /v1/test-whitelist.
func testers(openIDs, usernames string) map[string]any {
	return map[string]any{"openid": words(openIDs), "username": words(usernames)}
}

// words returns the words of a text area, and never nil.
func words(text string) []string { return append([]string{}, strings.Fields(text)...) }

// setTesters replaces those who may take a card that is in review.
func (c *Console) setTesters(r *request) error {
	body := testers(r.PostForm("openid"), r.PostForm("username"))
	return c.changed(r, r.call(http.MethodPut, "/v1/test-whitelist", nil, body, nil), "card_testers")
}

// shelfScenes are the places from which a shelf is opened.
var shelfScenes = []string{"SCENE_MENU", "SCENE_ARTICLE", "SCENE_QRCODE", "SCENE_H5"}

// newShelf returns the body of POST /v1/shelves for a shelf with one card.
func newShelf(card shownCard, banner, title, scene string) map[string]any {
	return map[string]any{"banner": banner, "page_title": title, "can_share": false, "scene": scene,
		"card_list": []any{map[string]any{"card_id": card.ID, "thumb_url": card.BaseInfo.LogoURL}}}
}

// addShelf makes a page at WeChat that shows the card, and shows its URL.
func (c *Console) addShelf(r *request) error {
	address, err := r.shelf()
	if err != nil {
		return r.again(err, c.card)
	}
	return c.showCard(r, outcome{Shelf: address})
}

func (r *request) shelf() (address string, err error) {
	if err := r.upload("banner_file", "banner"); err != nil {
		return "", err
	}
	card, err := r.readCard()
	if err != nil {
		return "", err
	}
	var made struct {
		URL string `json:"url"`
	}
	body := newShelf(card, r.text("banner"), r.text("page_title"), r.text("scene"))
	err = r.call(http.MethodPost, "/v1/shelves", nil, body, &made)
	return made.URL, err
}

// deposit is what became of codes that were handed to WeChat.
type deposit struct {
	Deposited int `json:"deposited"`
	Results   []struct {
		Code   string `json:"code"`
		Result string `json:"result"`
		Reason string `json:"reason"`
	} `json:"results"`
}

// addCodes hands WeChat the codes of a deposit card, and shows those that it did not
// take. Sending them again does no harm.
func (c *Console) addCodes(r *request) error {
	var made deposit
	codes, err := r.codes()
	if err == nil {
		err = r.call(http.MethodPost, "/v1"+r.cardPath()+"/codes", nil, map[string]any{"codes": codes}, &made)
	}
	if err != nil {
		return r.again(err, c.card)
	}
	return c.showCard(r, outcome{Deposit: &made})
}

// codes returns the codes that the person has typed, and those of the file.
func (r *request) codes() ([]string, error) {
	typed := words(r.PostForm("codes"))
	file, header, err := r.Request.FormFile("codes_file")
	if err != nil || header.Size == 0 { // a browser sends an empty file for none
		return typed, nil
	}
	defer file.Close()
	list, err := sheet.NewReader(file, header.Size, card.CodeList(r.text("codes_column"), ""))
	var codes []string
	if err == nil {
		codes, err = card.ReadCodes(list)
	}
	if err != nil {
		return nil, wrong("codes_file", err.Error())
	}
	return append(typed, codes...), nil
}

// deleteCard deletes the card whose title the person has typed.
func (c *Console) deleteCard(r *request) error {
	card, err := r.readCard()
	if err == nil && r.text("confirm") != tidy(card.BaseInfo.Title) {
		err = wrong("confirm", "must be the title of the card")
	}
	if err == nil {
		err = r.call(http.MethodDelete, "/v1"+r.cardPath(), nil, nil, nil)
	}
	if err != nil {
		return r.again(err, c.card)
	}
	return r.back("/cards?done=card_deleted")
}
