package card

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	strict "github.com/go-json-experiment/json"
)

const (
	maxQuantity = 100_000_000
	maxPicture  = 1 << 20
	// hanzi is how many bytes of UTF-8 WeChat counts a 汉字 as.
	hanzi = 3
)

// tree reads the operator's JSON. Numbers are float64, as WeChat's own fit.
type tree map[string]any

// draft collects what is wrong with a card that is to be created or changed.
// What it does not know passes: WeChat adds fields without telling.
type draft struct{ fields []Field }

// bad notes what is wrong with a field, of several things the first.
func (d *draft) bad(path, format string, args ...any) {
	path = strings.TrimPrefix(path, ".")
	if !slices.ContainsFunc(d.fields, func(f Field) bool { return f.Path == path }) {
		d.fields = append(d.fields, Field{path, fmt.Sprintf(format, args...)})
	}
}

func (d *draft) err() error {
	if len(d.fields) == 0 {
		return nil
	}
	return &InvalidError{d.fields}
}

// text is the string at path.name; "" if it is absent or, which is said, none.
func (d *draft) text(in tree, path, name string) string {
	value, there := in[name]
	text, ok := value.(string)
	switch {
	case there && !ok:
		d.bad(path+"."+name, "must be a text")
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && r != '\n' }):
		d.bad(path+"."+name, "has control characters")
	}
	return text
}

func (d *draft) truth(in tree, path, name string) bool {
	value, there := in[name]
	truth, ok := value.(bool)
	if there && !ok {
		d.bad(path+"."+name, "must be true or false")
	}
	return truth
}

// whole is the whole number at path.name; there tells that it is one.
func (d *draft) whole(in tree, path, name string) (n int64, there bool) {
	value, given := in[name]
	if !given {
		return 0, false
	}
	f, ok := value.(float64)
	if !ok || f != float64(int64(f)) {
		d.bad(path+"."+name, "must be a whole number")
		return 0, false
	}
	return int64(f), true
}

func (d *draft) object(in tree, path, name string) tree {
	value, there := in[name]
	object, ok := value.(map[string]any)
	if there && !ok {
		d.bad(path+"."+name, "must be an object")
	}
	return object
}

// lengths are the texts of base_info with the most 汉字 that WeChat takes, 0 for
// those that it counts differently (page "创建会员卡", base_info).
var lengths = map[string]int{"brand_name": 12, "title": 9, "notice": 16, "description": 1024}

var required = []string{"logo_url", "brand_name", "code_type", "title", "color", "notice", "description"}

var codeTypes = []string{"CODE_TYPE_TEXT", "CODE_TYPE_BARCODE", "CODE_TYPE_QRCODE", "CODE_TYPE_ONLY_QRCODE", "CODE_TYPE_ONLY_BARCODE", "CODE_TYPE_NONE"}

var colour = regexp.MustCompile(`^Color(0[1-9]0|08[12]|10[0-2])$`)

// depositMode is the only value of get_custom_code_mode.
const depositMode = "GET_CUSTOM_CODE_MODE_DEPOSIT"

// checkCard finds what WeChat would refuse of a new card, as far as its pages
// say it. raw is {"card_type","member_card"}.
func checkCard(raw json.RawMessage) (tree, error) {
	d := &draft{}
	card, err := parse(raw)
	if err != nil {
		return nil, invalid("card", err.Error())
	}
	if kind := d.text(card, "card", "card_type"); kind != "MEMBER_CARD" {
		d.bad("card.card_type", "must be MEMBER_CARD: this is a server for membership cards")
	}
	const path = "card.member_card"
	if _, there := card["member_card"]; !there {
		d.bad(path, "is required")
		return nil, d.err()
	}
	member := d.object(card, "card", "member_card")
	d.needs(member, path, "base_info", "prerogative", "supply_bonus", "supply_balance")
	base := d.object(member, path, "base_info")
	d.needs(base, path+".base_info", required...)
	d.needs(base, path+".base_info", "sku", "date_info")
	d.member(member, path)
	d.base(base, path+".base_info")
	d.codeMode(base, path+".base_info")
	d.activation(member, path)
	return base, d.err()
}

// checkChange finds what is wrong with the member_card of an update.
func checkChange(raw json.RawMessage) error {
	d := &draft{}
	member, err := parse(raw)
	if err != nil {
		return invalid("member_card", err.Error())
	}
	if len(member) == 0 {
		d.bad("member_card", "changes nothing")
	}
	d.member(member, "member_card")
	base := d.object(member, "member_card", "base_info")
	d.base(base, "member_card.base_info")
	for _, name := range []string{"use_custom_code", "bind_openid", "get_custom_code_mode"} {
		if _, there := base[name]; there {
			d.bad("member_card.base_info."+name, "is fixed when the card is created")
		}
	}
	if _, there := base["sku"]; there {
		d.bad("member_card.base_info.sku", "changes with POST /v1/cards/{card_id}/stock")
	}
	return d.err()
}

func parse(raw json.RawMessage) (tree, error) {
	var v any
	if err := strict.Unmarshal(raw, &v); err != nil {
		return nil, errors.New("is not one JSON value without duplicates")
	}
	object, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("must be an object")
	}
	return object, nil
}

func (d *draft) needs(in tree, path string, names ...string) {
	for _, name := range names {
		if value, there := in[name]; !there || value == "" {
			d.bad(path+"."+name, "is required")
		}
	}
}

// base checks what is there of base_info.
func (d *draft) base(base tree, path string) {
	for _, name := range required {
		text := d.text(base, path, name)
		if most := lengths[name]; most > 0 && len(text) > most*hanzi {
			d.bad(path+"."+name, "takes %d bytes; WeChat takes %d, that is %d 汉字", len(text), most*hanzi, most)
		}
	}
	if c := d.text(base, path, "color"); c != "" && !colour.MatchString(c) {
		d.bad(path+".color", "must be one of Color010 to Color102")
	}
	if c := d.text(base, path, "code_type"); c != "" && !slices.Contains(codeTypes, c) {
		d.bad(path+".code_type", "must be one of %s", strings.Join(codeTypes, ", "))
	}
	if logo := d.text(base, path, "logo_url"); logo != "" {
		d.picture(logo, path+".logo_url")
		if len(logo) > 128 {
			d.bad(path+".logo_url", "is longer than 128 bytes")
		}
	}
	if n, there := d.whole(base, path, "get_limit"); there && (n < 1 || n > 50) {
		d.bad(path+".get_limit", "must be 1 to 50; 1 is advised for a membership card")
	}
	sku := d.object(base, path, "sku")
	if n, there := d.whole(sku, path+".sku", "quantity"); there && (n < 0 || n > maxQuantity) {
		d.bad(path+".sku.quantity", "must be 0 to %d", maxQuantity)
	} else if sku != nil && !there {
		d.bad(path+".sku.quantity", "is required")
	}
	d.dates(d.object(base, path, "date_info"), path+".date_info")
	for _, name := range []string{"can_share", "can_give_friend", "bind_openid", "use_custom_code", "need_push_on_view"} {
		d.truth(base, path, name)
	}
}

func (d *draft) dates(info tree, path string) {
	if info == nil {
		return
	}
	switch kind := d.text(info, path, "type"); kind {
	case "DATE_TYPE_PERMANENT":
	case "DATE_TYPE_FIX_TIME_RANGE":
		begin, _ := d.whole(info, path, "begin_timestamp")
		if end, _ := d.whole(info, path, "end_timestamp"); begin <= 0 || end <= begin {
			d.bad(path, "needs begin_timestamp and a later end_timestamp")
		}
	case DateFixTerm:
		if days, _ := d.whole(info, path, "fixed_term"); days < 1 {
			d.bad(path+".fixed_term", "must be a number of days")
		}
		d.whole(info, path, "fixed_begin_term")
	default:
		d.bad(path+".type", "must be DATE_TYPE_PERMANENT, DATE_TYPE_FIX_TIME_RANGE or DATE_TYPE_FIX_TERM")
	}
}

// member checks what is there of member_card beside base_info.
func (d *draft) member(member tree, path string) {
	if text := d.text(member, path, "prerogative"); len(text) > 1024*hanzi {
		d.bad(path+".prerogative", "is longer than 1024 汉字")
	}
	for _, name := range []string{"supply_bonus", "supply_balance", "auto_activate", "wx_activate", "wx_activate_after_submit"} {
		d.truth(member, path, name)
	}
	if picture := d.text(member, path, "background_pic_url"); picture != "" {
		d.picture(picture, path+".background_pic_url")
	}
	for _, name := range []string{"custom_field1", "custom_field2", "custom_field3", "custom_cell1"} {
		d.object(member, path, name)
	}
	if n, there := d.whole(member, path, "discount"); there && (n < 0 || n > 100) {
		d.bad(path+".discount", "must be 0 to 100; 10 is 九折")
	}
}

// picture wants what /cgi-bin/media/uploadimg gives (40141 otherwise).
func (d *draft) picture(address, path string) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host != "mmbiz.qpic.cn" && u.Host != "mmbiz.qlogo.cn" {
		d.bad(path, "must be a picture on WeChat's CDN: upload it with POST /v1/images")
	}
}

func (d *draft) codeMode(base tree, path string) {
	custom, mode := d.truth(base, path, "use_custom_code"), d.text(base, path, "get_custom_code_mode")
	quantity, _ := d.whole(d.object(base, path, "sku"), path+".sku", "quantity")
	switch {
	case mode == "":
	case mode != depositMode:
		d.bad(path+".get_custom_code_mode", "can only be %s", depositMode)
	case !custom:
		d.bad(path+".get_custom_code_mode", "needs use_custom_code true")
	case quantity != 0:
		d.bad(path+".sku.quantity", "must be 0 for a card whose codes are deposited: stock follows the codes")
	}
}

// activation wants one of the three ways, and the pieces that belong together.
func (d *draft) activation(member tree, path string) {
	ways := 0
	for _, set := range []bool{
		d.truth(member, path, "auto_activate"), d.truth(member, path, "wx_activate"),
		d.text(member, path, "activate_url") != "" || d.text(member, path, "activate_app_brand_user_name") != "",
	} {
		if set {
			ways++
		}
	}
	if ways != 1 {
		d.bad(path, "needs exactly one of auto_activate, wx_activate and activate_url")
	}
	jump := d.truth(member, path, "wx_activate_after_submit")
	if jump && !d.truth(member, path, "wx_activate") {
		d.bad(path+".wx_activate_after_submit", "needs wx_activate true")
	}
	if jump && d.text(member, path, "wx_activate_after_submit_url") == "" {
		d.bad(path+".wx_activate_after_submit_url", "is required: without it WeChat gives no activate_ticket")
	}
}

func checkForm(raw json.RawMessage) error {
	form, err := parse(raw)
	if err != nil {
		return invalid("", err.Error())
	}
	d := &draft{}
	if _, there := form["card_id"]; there {
		d.bad("card_id", "stands in the path")
	}
	if form["required_form"] == nil && form["optional_form"] == nil {
		d.bad("required_form", "is required, or optional_form")
	}
	return d.err()
}

// checkShelf refuses cards that a shelf cannot show.
func (o *Operator) checkShelf(ctx context.Context, raw json.RawMessage) error {
	shelf, err := parse(raw)
	if err != nil {
		return invalid("", err.Error())
	}
	d := &draft{}
	d.needs(shelf, "", "banner", "page_title", "scene", "card_list")
	list, _ := shelf["card_list"].([]any)
	for i, one := range list {
		item, _ := one.(map[string]any)
		path := fmt.Sprintf("card_list[%d]", i)
		d.needs(item, path, "card_id", "thumb_url")
		id := d.text(item, path, "card_id")
		if id == "" {
			continue
		}
		c, err := o.catalogue.Learn(ctx, id)
		switch {
		case errors.Is(err, ErrNotFound):
			d.bad(path+".card_id", "the account has no such card")
		case err != nil:
			return err
		case c.TakesCode():
			d.bad(path+".card_id", "a real-time custom-code card cannot be on a shelf: use system codes or deposited ones")
		}
	}
	return d.err()
}

func checkSettings(c Card, change SettingsChange) error {
	d := &draft{}
	for name, n := range map[string]*int64{"init_bonus": change.InitBonus, "init_balance": change.InitBalance} {
		if n != nil && (*n < 0 || *n > maxInit) {
			d.bad(name, "must be 0 to %d", maxInit)
		}
	}
	if r := change.InitBonusRecord; r != nil && len(*r) > maxRecord {
		d.bad("init_bonus_record", "is longer than 14 汉字")
	}
	if f := change.FixedBeginTimestamp; f != nil && *f && c.DateType != DateFixTerm {
		d.bad("fixed_begintimestamp", "is only for a DATE_TYPE_FIX_TERM card")
	}
	if a := change.ActivateOnClaim; a != nil && *a && c.AutoActivate {
		d.bad("activate_on_claim", "the card activates itself (auto_activate)")
	}
	return d.err()
}

// pictureName is a file name that says what the picture is.
func pictureName(picture []byte) (string, bool) {
	switch http.DetectContentType(picture) {
	case "image/png":
		return "picture.png", true
	case "image/jpeg":
		return "picture.jpg", true
	}
	return "", false
}
