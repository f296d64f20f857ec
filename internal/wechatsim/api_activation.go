package wechatsim

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// formAnswers is what the user filled in.
func (w *walletCard) formAnswers() object {
	common := []object{}
	for _, name := range slices.Sorted(maps.Keys(w.form)) {
		common = append(common, object{"name": name, "value": w.form[name]})
	}
	return object{"common_field_list": common, "custom_field_list": []object{}}
}

// isJumpType tells whether the form leads back to the merchant with an
// activate_ticket (跳转型).
func (c *card) isJumpType() bool {
	to, _ := c.memberCard["wx_activate_after_submit_url"].(string)
	return c.flag("wx_activate_after_submit") && to != ""
}

// requireOneClick refuses a card without the activation form.
func (c *card) requireOneClick() error {
	if !c.flag("wx_activate") {
		return refuse(72026, "the card is not one-click")
	}
	return nil
}

// setActivationForm is POST /card/membercard/activateuserform/set ("Set activation form").
func (s *Sim) setActivationForm(c *call) (object, error) {
	found, err := s.findCard(c.body)
	if err != nil {
		return nil, err
	}
	if err := found.requireOneClick(); err != nil {
		return nil, err
	}
	if !c.body.has("required_form") && !c.body.has("optional_form") {
		return nil, refuse(41011, "neither required_form nor optional_form")
	}
	for _, name := range []string{"required_form", "optional_form"} {
		c.body.object(name).checkForm()
	}
	for _, name := range []string{"service_statement", "bind_old_card"} {
		link := c.body.object(name)
		link.text("name")
		link.text("url")
	}
	if c.body.state.err != nil {
		return nil, c.body.state.err
	}
	found.form = cloneTree(c.body.values).(map[string]any)
	return done(), nil
}

func (f fields) checkForm() {
	f.boolean("can_modify")
	f.textList("common_field_id_list")
	f.textList("custom_field_list")
	for _, one := range get[[]any](f, "rich_field_list", "a list") {
		item, isObject := one.(map[string]any)
		if !isObject {
			f.fail(47001, "rich_field_list holds something that is not an object")
		}
		rich := fields{item, f.state}
		rich.text("type")
		rich.text("name")
		rich.textList("values")
	}
}

// getActivateURL is POST /card/membercard/activate/geturl ("Get the plugin's
// parameters"). The odd && and the fragment are WeChat's.
func (s *Sim) getActivateURL(c *call) (object, error) {
	found, err := s.findCard(c.body)
	if err != nil {
		return nil, err
	}
	outerStr := c.body.text("outer_str")
	switch {
	case c.body.state.err != nil:
		return nil, c.body.state.err
	case found.isRealTime():
		return nil, refuse(40158, "codes of this card are given out by the merchant in real time")
	case found.requireOneClick() != nil:
		return nil, found.requireOneClick()
	}
	q := "action=preshow&&encrypt_card_id=" + percent(s.encryptIDOf(found)) + "&outer_str=" + percent(outerStr) + "&biz=" + percent(s.biz())
	return object{"errcode": 0, "errmsg": "ok", "url": "https://mp.weixin.qq.com/bizmall/activatemembercard?" + q + "#wechat_redirect"}, nil
}

// percent escapes a value of a query, a space as %20.
func percent(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// encryptIDOf is the card's encrypt_card_id; there are always +, / and = in it.
func (s *Sim) encryptIDOf(c *card) string {
	if c.encryptID == "" {
		c.encryptID = s.randomString(alphanumeric, 20) + "+" + s.randomString(alphanumeric, 10) + "//" + s.randomString(alphanumeric, 18) + "=="
	}
	return c.encryptID
}

// biz is the account's number in base64, with padding.
func (s *Sim) biz() string {
	if s.bizID == "" {
		s.bizID = base64.StdEncoding.EncodeToString([]byte("3" + s.randomString(digits, 9)))
	}
	return s.bizID
}

// submittedForm is what a user handed in under one activate_ticket.
type submittedForm struct {
	holding *walletCard
	until   time.Time
}

// getTempInfo is POST /card/membercard/activatetempinfo/get.
func (s *Sim) getTempInfo(c *call) (object, error) {
	ticket := c.body.text("activate_ticket")
	if c.body.state.err != nil {
		return nil, c.body.state.err
	}
	f, known := s.submittedForms[ticket]
	switch {
	case !known:
		return nil, refuse(72011, "no such activate_ticket; was it URL-decoded?")
	case !c.now.Before(f.until):
		return nil, refuse(72012, "the activate_ticket has expired")
	}
	return object{"errcode": 0, "errmsg": "ok", "info": f.holding.formAnswers()}, nil
}

// openComponent plays the open-card component on the phone of a user: it checks
// what navigateToMiniProgram was given, has the user fill in the form and take
// the card, and comes back with what App.onShow gets.
func (s *Sim) openComponent(r *http.Request) (any, error) {
	in, err := decode[struct {
		AppID     string            `json:"appId"`
		ExtraData map[string]string `json:"extraData"`
		Form      map[string]string `json:"form"`
	}](r)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.person(r.PathValue("user"))
	if err != nil {
		return nil, err
	}
	c := s.cardByEncryptID(in.ExtraData["encrypt_card_id"])
	switch {
	case in.AppID != "" && in.AppID != "wxeb490c6f9b154ef9":
		return nil, invalidField("appId", "appId is not the component's")
	case c == nil:
		return nil, invalidField("extraData", "encrypt_card_id opens no card: encoded, decoded twice, or of another account")
	case in.ExtraData["biz"] != s.biz():
		return nil, invalidField("extraData", "biz is not the account's")
	}
	h := p.usableCard(c)
	if h != nil && h.active {
		return object{}, nil // nothing comes back of a card that is active
	}
	if h == nil {
		o := &offer{cardID: c.id, card: c, outerStr: in.ExtraData["outer_str"]}
		if rejected := s.checkAvailable(newBatch(), p, o); rejected != nil {
			rejected.CardID = c.id
			return nil, rejected
		}
		h = s.takeFrom(p, o, "SOURCE_SCENE_PRE_ACTIVATE")
	}
	if in.Form != nil {
		h.form = in.Form
	}
	h.active = h.active || !c.isJumpType()
	s.emitCode("submit_membercard_user_info", h, nil)
	if !c.isJumpType() {
		return object{}, nil
	}
	ticket := s.randomString(alphanumeric, 40) + "+" + s.randomString(alphanumeric, 20) + "="
	s.submittedForms[ticket] = &submittedForm{h, s.Now().Add(time.Duration(number(s.assumptions.ActivateTicket)) * time.Second)}
	return object{"activate_ticket": ticket, "card_id": c.id, "code": h.code}, nil
}

func (s *Sim) cardByEncryptID(secret string) *card {
	for _, c := range s.cardOrder {
		if secret != "" && c.encryptID == secret {
			return c
		}
	}
	return nil
}

// usableCard is the copy of the card that p holds now, or nil.
func (p *person) usableCard(c *card) *walletCard {
	for i := len(p.wallet) - 1; i >= 0; i-- {
		if h := p.wallet[i]; h.card == c && h.status == codeNormal {
			return h
		}
	}
	return nil
}
