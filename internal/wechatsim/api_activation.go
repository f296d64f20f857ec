package wechatsim

import (
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// isJumpType reports whether the activation form leads back to the merchant with
// an activate_ticket (跳转型).
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

// setActivationForm is POST /card/membercard/activateuserform/set ("Set activation
// form").
func (s *Sim) setActivationForm(c *call, found *card) (object, error) {
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
	if err := c.body.err(); err != nil {
		return nil, err
	}
	found.form = cloneTree(c.body.values).(map[string]any)
	return success(nil), nil
}

func (f fields) checkForm() {
	f.boolean("can_modify")
	f.textList("common_field_id_list")
	f.textList("custom_field_list")
	for _, rich := range f.objectList("rich_field_list") {
		rich.text("type")
		rich.text("name")
		rich.textList("values")
	}
}

// getActivateURL is POST /card/membercard/activate/geturl ("Get the plugin's
// parameters"). The doubled && and the fragment are WeChat's.
func (s *Sim) getActivateURL(c *call, found *card) (object, error) {
	outerStr := c.body.text("outer_str")
	switch {
	case c.body.err() != nil:
		return nil, c.body.err()
	case found.isRealTime():
		return nil, refuse(40158, "codes of this card are given out by the merchant in real time")
	case found.requireOneClick() != nil:
		return nil, found.requireOneClick()
	}
	q := "action=preshow&&encrypt_card_id=" + percent(s.encryptIDOf(found)) + "&outer_str=" + percent(outerStr) + "&biz=" + percent(s.biz())
	return success(object{"url": "https://mp.weixin.qq.com/bizmall/activatemembercard?" + q + "#wechat_redirect"}), nil
}

// percent escapes a value of a query; a space becomes %20.
func percent(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// encryptIDOf returns the card's encrypt_card_id; there are always +, / and = in
// it.
func (s *Sim) encryptIDOf(c *card) string {
	if c.encryptID == "" {
		c.encryptID = s.randomString(alphanumeric, 20) + "+" + s.randomString(alphanumeric, 10) + "//" + s.randomString(alphanumeric, 18) + "=="
	}
	return c.encryptID
}

// biz returns the account's number in base64, with padding.
func (s *Sim) biz() string {
	if s.bizID == "" {
		s.bizID = base64.StdEncoding.EncodeToString([]byte("3" + s.randomString(digits, 9)))
	}
	return s.bizID
}

// submittedForm is the form that a user submitted under one activate_ticket.
type submittedForm struct {
	card  *walletCard
	until time.Time
}

// getTempInfo is POST /card/membercard/activatetempinfo/get.
func (s *Sim) getTempInfo(c *call) (object, error) {
	ticket := c.body.text("activate_ticket")
	if err := c.body.err(); err != nil {
		return nil, err
	}
	f, known := s.submittedForms[ticket]
	switch {
	case !known:
		return nil, refuse(72011, "no such activate_ticket; was it URL-decoded?")
	case !c.now.Before(f.until):
		return nil, refuse(72012, "the activate_ticket has expired")
	}
	return success(object{"info": f.card.formAnswers()}), nil
}

// formAnswers returns what the user filled in: WeChat's own fields, and those that
// the merchant named.
func (w *walletCard) formAnswers() object {
	common, custom := []object{}, []object{}
	for _, name := range slices.Sorted(maps.Keys(w.form)) {
		if strings.HasPrefix(name, "USER_FORM_INFO_FLAG_") {
			common = append(common, object{"name": name, "value": w.form[name]})
		} else {
			custom = append(custom, object{"name": name, "value": w.form[name], "value_list": []string{}})
		}
	}
	return object{"common_field_list": common, "custom_field_list": custom}
}
