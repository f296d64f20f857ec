package wechatsim

import (
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

const depositMode = "GET_CUSTOM_CODE_MODE_DEPOSIT"

const maxQuantity = 100_000_000

// fieldSpec is one row of the tables of "Create member card": the type of a field
// and, for a text, how many bytes it may have.
type fieldSpec struct {
	name     string
	kind     string // text, boolean, integer, object, list
	required bool
	max      int
}

func baseInfoFields() []fieldSpec {
	return []fieldSpec{
		{"logo_url", "text", true, 128}, {"brand_name", "text", true, hanzi(12)},
		{"code_type", "text", true, 0}, {"title", "text", true, hanzi(9)},
		{"color", "text", true, 0}, {"notice", "text", true, hanzi(16)},
		{"description", "text", true, hanzi(1024)},
		{"sku", "object", true, 0}, {"date_info", "object", true, 0},
		{"use_custom_code", "boolean", false, 0}, {"get_custom_code_mode", "text", false, 0},
		{"bind_openid", "boolean", false, 0}, {"get_limit", "integer", false, 0}, {"use_limit", "integer", false, 0},
		{"can_share", "boolean", false, 0}, {"can_give_friend", "boolean", false, 0},
		{"location_id_list", "list", false, 0}, {"use_all_locations", "boolean", false, 0},
		{"service_phone", "text", false, 0}, {"source", "text", false, 0},
		{"center_title", "text", false, 0}, {"center_sub_title", "text", false, 0}, {"center_url", "text", false, 0},
		{"center_app_brand_user_name", "text", false, 0}, {"center_app_brand_pass", "text", false, 0},
		{"custom_url_name", "text", false, 0}, {"custom_url", "text", false, 0}, {"custom_url_sub_title", "text", false, 0},
		{"custom_app_brand_user_name", "text", false, 0}, {"custom_app_brand_pass", "text", false, 0},
		{"promotion_url_name", "text", false, 0}, {"promotion_url", "text", false, 0}, {"promotion_url_sub_title", "text", false, 0},
		{"promotion_app_brand_user_name", "text", false, 0}, {"promotion_app_brand_pass", "text", false, 0},
		{"need_push_on_view", "boolean", false, 0}, {"pay_info", "object", false, 0}, {"is_pay_and_qrcode", "boolean", false, 0},
		{"sub_title", "text", false, 0}, {"use_dynamic_code", "boolean", false, 0}, {"area_code_list", "list", false, 0},
	}
}

func memberCardFields() []fieldSpec {
	return []fieldSpec{
		{"base_info", "object", true, 0}, {"prerogative", "text", true, hanzi(1024)},
		{"supply_bonus", "boolean", true, 0}, {"supply_balance", "boolean", true, 0},
		{"auto_activate", "boolean", false, 0}, {"wx_activate", "boolean", false, 0}, {"activate_url", "text", false, 0},
		{"wx_activate_after_submit", "boolean", false, 0}, {"wx_activate_after_submit_url", "text", false, 0},
		{"activate_app_brand_user_name", "text", false, 0}, {"activate_app_brand_pass", "text", false, 0},
		{"bonus_url", "text", false, 0}, {"balance_url", "text", false, 0}, {"bonus_cleared", "text", false, 0},
		{"bonus_rules", "text", false, 0}, {"balance_rules", "text", false, 0}, {"bonus_rule", "object", false, 0},
		{"discount", "integer", false, 0}, {"background_pic_url", "text", false, 0},
		{"custom_field1", "object", false, 0}, {"custom_field2", "object", false, 0}, {"custom_field3", "object", false, 0},
		{"custom_cell1", "object", false, 0}, {"custom_cell2", "object", false, 0}, {"custom_cell3", "object", false, 0},
		{"bonus_app_brand_user_name", "text", false, 0}, {"bonus_app_brand_pass", "text", false, 0},
		{"balance_app_brand_user_name", "text", false, 0}, {"balance_app_brand_pass", "text", false, 0},
		{"advanced_info", "object", false, 0}, {"modify_msg_operation", "object", false, 0},
	}
}

// checkFields checks presence, type and length of each field that has a row.
func (f fields) checkFields(specs []fieldSpec) {
	for _, m := range specs {
		if !f.has(m.name) {
			if m.required {
				f.fail(41011, "%s is missing", m.name)
			}
			continue
		}
		switch m.kind {
		case "text":
			f.checkText(m)
		case "boolean":
			f.boolean(m.name)
		case "integer":
			f.integer(m.name)
		case "object":
			f.object(m.name)
		case "list":
			get[[]any](f, m.name, "a list")
		}
	}
}

func (f fields) checkText(m fieldSpec) {
	value := f.text(m.name)
	if m.required && value == "" {
		f.fail(41011, "%s is empty", m.name)
	}
	if m.max > 0 && len(value) > m.max {
		f.fail(45021, "%s takes %d bytes, %d are allowed (three for a 汉字)", m.name, len(value), m.max)
	}
}

// dropUnknown removes the fields of member_card and base_info that have no row: as
// far as is known, WeChat accepts and forgets them.
func dropUnknown(memberCard map[string]any) {
	drop := func(in map[string]any, specs []fieldSpec) {
		for name := range in {
			if !slices.ContainsFunc(specs, func(m fieldSpec) bool { return m.name == name }) {
				delete(in, name)
			}
		}
	}
	drop(memberCard, memberCardFields())
	if base, ok := memberCard["base_info"].(map[string]any); ok {
		drop(base, baseInfoFields())
	}
}

// checkMemberCard checks a complete member_card object, new or updated.
func checkMemberCard(f fields) error {
	f.checkFields(memberCardFields())
	base := f.object("base_info")
	base.checkFields(baseInfoFields())
	base.checkEnums()
	base.checkCodeMode()
	base.checkDateInfo()
	base.checkSKU()
	f.checkActivation()
	f.checkImageURL("background_pic_url")
	return f.err()
}

func (f fields) checkEnums() {
	if !regexp.MustCompile(`^Color(0[1-9]0|08[12]|10[0-2])$`).MatchString(f.text("color")) {
		f.fail(40076, "color is none of Color010 to Color100")
	}
	types := []string{"CODE_TYPE_TEXT", "CODE_TYPE_BARCODE", "CODE_TYPE_QRCODE", "CODE_TYPE_ONLY_QRCODE", "CODE_TYPE_ONLY_BARCODE",
		"CODE_TYPE_NONE"}
	if !slices.Contains(types, f.text("code_type")) {
		f.fail(40150, "code_type is none of %s", strings.Join(types, ", "))
	}
	if f.integer("get_limit") > 50 {
		f.fail(72009, "get_limit is above 50")
	}
}

func (f fields) checkCodeMode() {
	mode := f.text("get_custom_code_mode")
	if mode != "" && mode != depositMode {
		f.fail(40150, "get_custom_code_mode can only be %s", depositMode)
	}
	if mode != "" && !f.boolean("use_custom_code") {
		f.fail(40150, "get_custom_code_mode needs use_custom_code true")
	}
}

func (f fields) checkSKU() {
	sku := f.object("sku")
	quantity := sku.integer("quantity")
	switch {
	case !sku.has("quantity"):
		f.fail(41011, "sku.quantity is missing")
	case quantity < 0 || quantity > maxQuantity:
		f.fail(40122, "sku.quantity is not 0 to %d", maxQuantity)
	case quantity != 0 && f.text("get_custom_code_mode") == depositMode:
		f.fail(40136, "a deposit card starts with sku.quantity 0")
	}
}

func (f fields) checkDateInfo() {
	info := f.object("date_info")
	switch info.text("type") {
	case "DATE_TYPE_PERMANENT":
	case "DATE_TYPE_FIX_TIME_RANGE":
		if info.integer("begin_timestamp") <= 0 || info.integer("end_timestamp") <= info.integer("begin_timestamp") {
			f.fail(40079, "date_info ends before it begins")
		}
	case "DATE_TYPE_FIX_TERM":
		if info.integer("fixed_term") < 1 || info.integer("fixed_begin_term") < 0 {
			f.fail(40100, "date_info.fixed_term is not a number of days")
		}
	default:
		f.fail(40100, "date_info.type is unknown")
	}
}

// checkActivation requires exactly one of the three ways to activate a card. An
// auto_activate card may have an activate_url besides, as in WeChat's own sample.
func (f fields) checkActivation() {
	ways := 0
	if f.boolean("auto_activate") {
		ways++
	}
	if f.boolean("wx_activate") {
		ways++
	}
	if !f.boolean("auto_activate") && (f.text("activate_url") != "" || f.text("activate_app_brand_user_name") != "") {
		ways++
	}
	switch {
	case ways == 0:
		f.fail(41011, "one of auto_activate, wx_activate, activate_url is needed")
	case ways > 1:
		f.fail(40150, "only one of auto_activate, wx_activate, activate_url can be set")
	}
}

// checkImageURL refuses a picture that is on none of the hosts where uploadimg
// keeps pictures.
func (f fields) checkImageURL(name string) {
	value := f.text(name)
	if value == "" {
		return
	}
	u, err := url.Parse(value)
	hosts := []string{"mmbiz.qlogo.cn", "mmbiz.qpic.cn", "mmecoa.qpic.cn", "pic.wechat.example"}
	if err != nil || !slices.Contains(hosts, strings.ToLower(u.Host)) {
		f.fail(40141, "%s is not on WeChat's CDN", name)
	}
}

// withDefaults sets the fields that WeChat sets when the merchant leaves them out.
func withDefaults(memberCard map[string]any) {
	base := memberCard["base_info"].(map[string]any)
	defaults := map[string]any{"use_custom_code": false, "bind_openid": false, "can_share": true,
		"can_give_friend": true, "get_limit": json.Number("50"), "need_push_on_view": false}
	for name, value := range defaults {
		if _, given := base[name]; !given {
			base[name] = value
		}
	}
}
