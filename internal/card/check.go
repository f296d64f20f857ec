package card

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

const (
	maxQuantity = 100_000_000
	maxPicture  = 1 << 20
	// hanzi is the number of bytes of UTF-8 that WeChat counts for a 汉字.
	hanzi = 3
)

// validation collects what is wrong with a document.
type validation struct {
	fields   []Field
	unknown  []string          // paths of fields that are not known to be WeChat's
	files    map[string][]byte // the pictures that are still files
	uploaded map[string]string // hashes of the uploaded pictures, by URL
}

// add adds a problem of a field, unless the field already has one.
func (v *validation) add(path, format string, args ...any) {
	path = strings.TrimPrefix(path, ".")
	if !slices.ContainsFunc(v.fields, func(f Field) bool { return f.Path == path }) {
		v.fields = append(v.fields, Field{path, fmt.Sprintf(format, args...)})
	}
}

func (v *validation) err() error {
	if len(v.fields) == 0 {
		return nil
	}
	return &InvalidError{v.fields}
}

// get returns the field name of in, which is at path, as a T. It returns the zero
// value if there is no such field, or, with a problem, if it is not a T.
func get[T any](v *validation, in object, path, name, typeName string) T {
	field, there := in[name]
	value, ok := field.(T)
	if there && !ok {
		v.add(path+"."+name, "must be %s", typeName)
	}
	return value
}

func (v *validation) text(in object, path, name string) string {
	text := get[string](v, in, path, name, "a string")
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\r\n\t", r) }) {
		v.add(path+"."+name, "has control characters")
	}
	return text
}

func (v *validation) boolean(in object, path, name string) bool {
	return get[bool](v, in, path, name, "true or false")
}

func (v *validation) object(in object, path, name string) object {
	return get[object](v, in, path, name, "an object")
}

// integer returns the integer at path.name, and whether there is one.
func (v *validation) integer(in object, path, name string) (n int64, there bool) {
	f := get[float64](v, in, path, name, "a whole number")
	if f != float64(int64(f)) {
		v.add(path+"."+name, "must be a whole number")
		return 0, false
	}
	_, there = in[name].(float64)
	return int64(f), there
}

// maxBytes has the number of bytes that WeChat accepts in a text (page "创建会员卡",
// base_info).
var maxBytes = map[string]int{
	"brand_name": 12 * hanzi, "title": 9 * hanzi, "notice": 16 * hanzi, "description": 1024 * hanzi, "prerogative": 1024 * hanzi,
	"service_phone": 24, "logo_url": 128, "init_bonus_record": maxRecord,
}

// MaxBytes returns how many bytes of UTF-8 a text of a card may have, or 0 for no limit.
// The text is named as in base_info, in member_card or in the settings.
func MaxBytes(name string) int { return maxBytes[name] }

var requiredTexts = []string{"logo_url", "brand_name", "code_type", "title", "color", "notice", "description"}

var codeTypes = []string{
	"CODE_TYPE_TEXT", "CODE_TYPE_BARCODE", "CODE_TYPE_QRCODE",
	"CODE_TYPE_ONLY_QRCODE", "CODE_TYPE_ONLY_BARCODE", "CODE_TYPE_NONE",
}

var colorForm = regexp.MustCompile(`^Color(0[1-9]0|08[12]|10[0-2])$`)

// newValidation returns an empty validation. It reads the store.
func (o *Operator) newValidation(ctx context.Context) (*validation, error) {
	uploaded, err := o.store.Pictures(ctx)
	return &validation{uploaded: uploaded}, err
}

// checkCard returns a card that is to be created, {"card_type","member_card"}, or
// what WeChat would refuse about it as far as WeChat's pages say so.
func (o *Operator) checkCard(ctx context.Context, doc Document) (*draft, error) {
	const path = "card.member_card"
	v, err := o.newValidation(ctx)
	if err != nil {
		return nil, err
	}
	card, err := parse(doc.JSON)
	if err != nil {
		return nil, invalid("card", err.Error())
	}
	if _, there := card["card"]; there {
		v.onlyFields(card, names("card"))
		card = v.object(card, "", "card")
	}
	if cardType := v.text(card, "card", "card_type"); cardType != "MEMBER_CARD" {
		v.add("card.card_type", "must be MEMBER_CARD: addcard is only for membership cards")
	}
	d := v.read(doc, card, "card")
	v.names(card, "card", cardSchema)
	if _, there := card["member_card"]; !there {
		v.add(path, "is required")
		return nil, v.err()
	}
	memberCard := v.object(card, "card", "member_card")
	v.require(memberCard, path, "base_info", "prerogative", "supply_bonus", "supply_balance")
	baseInfo := v.object(memberCard, path, "base_info")
	v.require(baseInfo, path+".base_info", requiredTexts...)
	v.require(baseInfo, path+".base_info", "sku", "date_info")
	v.readOnly(baseInfo, path+".base_info", "id", "status", "create_time", "update_time")
	v.memberCard(memberCard, path)
	v.baseInfo(baseInfo, path+".base_info")
	v.codeMode(baseInfo, path+".base_info")
	v.activation(memberCard, path)
	d.unknown = v.onlyKnown(doc)
	return d, v.err()
}

// onlyKnown returns the paths of the fields that are not known to be WeChat's. It adds a
// problem for each if the document must not have such fields.
func (v *validation) onlyKnown(doc Document) []string {
	for _, path := range v.unknown {
		if doc.OnlyKnown {
			v.add(path, "is not known to be a field of WeChat's; --unknown sends it, and WeChat ignores what it does not have")
		}
	}
	return v.unknown
}

// readOnly adds a problem for each named field that is there.
func (v *validation) readOnly(in object, path string, names ...string) {
	for _, name := range names {
		if _, there := in[name]; there {
			v.add(path+"."+name, "is set by WeChat: leave it out")
		}
	}
}

// checkChange returns the member_card of an update of a card, or what is wrong
// with it.
func (o *Operator) checkChange(ctx context.Context, cardID string, doc Document) (*draft, error) {
	v, err := o.newValidation(ctx)
	if err != nil {
		return nil, err
	}
	root, err := parse(doc.JSON)
	if err != nil {
		return nil, invalid("member_card", err.Error())
	}
	memberCard := v.unwrap(root, cardID)
	d := v.read(doc, memberCard, "member_card")
	v.names(memberCard, "member_card", memberCardSchema)
	v.memberCard(memberCard, "member_card")
	baseInfo := v.object(memberCard, "member_card", "base_info")
	if baseInfo["id"] == cardID {
		delete(baseInfo, "id")
	}
	v.baseInfo(baseInfo, "member_card.base_info")
	v.readOnly(baseInfo, "member_card.base_info", "id", "status", "create_time", "update_time")
	for _, name := range []string{"use_custom_code", "bind_openid", "get_custom_code_mode"} {
		if _, there := baseInfo[name]; there {
			v.add("member_card.base_info."+name, "is fixed when the card is created")
		}
	}
	if _, there := baseInfo["sku"]; there {
		v.add("member_card.base_info.sku", "changes with POST /v1/cards/{card_id}/stock")
	}
	if !hasValue(memberCard) {
		v.add("member_card", "changes nothing")
	}
	d.unknown = v.onlyKnown(doc)
	return d, v.err()
}

// unwrap returns the member_card in the body of an update: the fields alone,
// {"member_card"}, WeChat's {"card_id","member_card"}, or {"card":{…}} as WeChat
// returns a card.
func (v *validation) unwrap(root object, cardID string) object {
	v.sameCard(root, cardID)
	if _, there := root["card"]; there {
		v.onlyFields(root, names("card_id card"))
		root = v.object(root, "", "card")
		v.sameCard(root, cardID)
	}
	if _, there := root["card_type"]; there && root.text("card_type") != "MEMBER_CARD" {
		v.add("card_type", "must be MEMBER_CARD: addcard is only for membership cards")
	}
	delete(root, "card_type")
	if _, there := root["member_card"]; there {
		v.onlyFields(root, names("card_id card_type member_card"))
		return v.object(root, "", "member_card")
	}
	for name := range root {
		if near := nearest(name, envelope); near != "" && !memberCardSchema.has(name) {
			v.add("member_card."+name, "is not a field of WeChat's; did you mean %s?", near)
		}
	}
	return root
}

// envelope has the fields around member_card.
var envelope = names("card card_id card_type member_card")

// sameCard removes card_id from a body. It must not name another card.
func (v *validation) sameCard(root object, cardID string) {
	if id, there := root["card_id"]; there && id != cardID {
		v.add("card_id", "differs from the card_id in the body")
	}
	delete(root, "card_id")
}

// onlyFields adds a problem for each field that an envelope does not have.
func (v *validation) onlyFields(envelope object, known schema) {
	v.names(envelope, "", known)
	for _, path := range v.unknown {
		v.add(path, "is not a field of WeChat's")
	}
}

// require adds a problem for each named field that is missing or empty.
func (v *validation) require(in object, path string, names ...string) {
	for _, name := range names {
		if value, there := in[name]; !there || value == "" {
			v.add(path+"."+name, "is required")
		}
	}
}

// baseInfo checks the fields that base_info has.
func (v *validation) baseInfo(base object, path string) {
	for _, name := range append([]string{"service_phone"}, requiredTexts...) {
		text := v.text(base, path, name)
		if most := maxBytes[name]; most > 0 && len(text) > most {
			v.add(path+"."+name, "has %d bytes; WeChat accepts %d, that is %d 汉字", len(text), most, most/hanzi)
		}
	}
	if c := v.text(base, path, "color"); c != "" && !colorForm.MatchString(c) {
		v.add(path+".color", "must be one of Color010 to Color102")
	}
	if c := v.text(base, path, "code_type"); c != "" && !slices.Contains(codeTypes, c) {
		v.add(path+".code_type", "must be one of %s", strings.Join(codeTypes, ", "))
	}
	if logo := v.text(base, path, "logo_url"); logo != "" {
		v.picture(logo, path+".logo_url")
	}
	if n, there := v.integer(base, path, "get_limit"); there && (n < 1 || n > 50) {
		v.add(path+".get_limit", "must be 1 to 50; 1 is advised for a membership card")
	}
	sku := v.object(base, path, "sku")
	if n, there := v.integer(sku, path+".sku", "quantity"); there && (n < 0 || n > maxQuantity) {
		v.add(path+".sku.quantity", "must be 0 to %d", maxQuantity)
	} else if sku != nil && !there {
		v.add(path+".sku.quantity", "is required")
	}
	v.dates(v.object(base, path, "date_info"), path+".date_info")
	for _, name := range []string{"can_share", "can_give_friend", "bind_openid", "use_custom_code", "need_push_on_view"} {
		v.boolean(base, path, name)
	}
}

func (v *validation) dates(info object, path string) {
	if info == nil {
		return
	}
	switch kind := v.text(info, path, "type"); kind {
	case "DATE_TYPE_PERMANENT":
	case "DATE_TYPE_FIX_TIME_RANGE":
		begin, _ := v.integer(info, path, "begin_timestamp")
		if end, _ := v.integer(info, path, "end_timestamp"); begin <= 0 || end <= begin {
			v.add(path, "needs begin_timestamp and a later end_timestamp")
		}
	case DateFixTerm:
		if days, _ := v.integer(info, path, "fixed_term"); days < 1 {
			v.add(path+".fixed_term", "must be a number of days")
		}
		v.integer(info, path, "fixed_begin_term")
	default:
		v.add(path+".type", "must be DATE_TYPE_PERMANENT, DATE_TYPE_FIX_TIME_RANGE or DATE_TYPE_FIX_TERM")
	}
}

// memberCard checks the fields that member_card has besides base_info.
func (v *validation) memberCard(memberCard object, path string) {
	if text := v.text(memberCard, path, "prerogative"); len(text) > maxBytes["prerogative"] {
		v.add(path+".prerogative", "is longer than 1024 汉字")
	}
	for _, name := range []string{"supply_bonus", "supply_balance", "auto_activate", "wx_activate", "wx_activate_after_submit"} {
		v.boolean(memberCard, path, name)
	}
	if picture := v.text(memberCard, path, "background_pic_url"); picture != "" {
		v.picture(picture, path+".background_pic_url")
	}
	for _, name := range []string{"custom_field1", "custom_field2", "custom_field3", "custom_cell1"} {
		v.object(memberCard, path, name)
	}
	if n, there := v.integer(memberCard, path, "discount"); there && (n < 0 || n > 100) {
		v.add(path+".discount", "must be 0 to 100; 10 is 九折")
	}
}

// picture requires a file that is to be uploaded, or a URL on a host where
// /cgi-bin/media/uploadimg keeps pictures; WeChat refuses others (40141).
func (v *validation) picture(address, path string) {
	if v.files[address] != nil || v.uploaded[address] != "" {
		return
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || !isPictureHost(u.Host) && !v.hasUploadedTo(u.Host) {
		v.add(path, "must be a picture on WeChat's CDN: upload it with POST /v1/images")
	}
}

// hasUploadedTo reports whether an uploaded picture is on a host.
func (v *validation) hasUploadedTo(host string) bool {
	for address := range v.uploaded {
		if u, err := url.Parse(address); err == nil && strings.EqualFold(u.Host, host) {
			return true
		}
	}
	return false
}

// isPictureHost reports whether a host is one of WeChat's for pictures, such as
// mmbiz.qpic.cn, mmecoa.qpic.cn and mmbiz.qlogo.cn.
func isPictureHost(host string) bool {
	host = strings.ToLower(host)
	return strings.HasSuffix(host, ".qpic.cn") || strings.HasSuffix(host, ".qlogo.cn")
}

func (v *validation) codeMode(base object, path string) {
	custom, mode := v.boolean(base, path, "use_custom_code"), v.text(base, path, "get_custom_code_mode")
	quantity, _ := v.integer(v.object(base, path, "sku"), path+".sku", "quantity")
	switch {
	case mode == "":
	case mode != DepositMode:
		v.add(path+".get_custom_code_mode", "can only be %s", DepositMode)
	case !custom:
		v.add(path+".get_custom_code_mode", "needs use_custom_code true")
	case quantity != 0:
		v.add(path+".sku.quantity", "must be 0 for a card with deposited codes: the stock follows the codes")
	}
}

// activation requires exactly one of the three ways to activate, and with it the
// fields that it needs. A card that activates itself may have an activate_url, as
// in WeChat's own sample: it is unused.
func (v *validation) activation(memberCard object, path string) {
	ways, auto := 0, v.boolean(memberCard, path, "auto_activate")
	page := v.text(memberCard, path, "activate_url") != "" || v.text(memberCard, path, "activate_app_brand_user_name") != ""
	for _, set := range []bool{auto, v.boolean(memberCard, path, "wx_activate"), page && !auto} {
		if set {
			ways++
		}
	}
	if ways != 1 {
		v.add(path, "needs exactly one of auto_activate, wx_activate and activate_url")
	}
	jump := v.boolean(memberCard, path, "wx_activate_after_submit")
	if jump && !v.boolean(memberCard, path, "wx_activate") {
		v.add(path+".wx_activate_after_submit", "needs wx_activate true")
	}
	if jump && v.text(memberCard, path, "wx_activate_after_submit_url") == "" {
		v.add(path+".wx_activate_after_submit_url", "is required: without it WeChat gives no activate_ticket")
	}
}

// checkForm returns the form of a card, or what is wrong with it.
func (o *Operator) checkForm(cardID string, doc Document) (json.RawMessage, error) {
	form, err := parse(doc.JSON)
	if err != nil {
		return nil, invalid("", err.Error())
	}
	v := &validation{}
	v.sameCard(form, cardID)
	v.names(form, "", formSchema)
	for _, path := range v.unknown {
		v.add(path, "is not a field of WeChat's form")
	}
	for _, part := range []string{"required_form", "optional_form"} {
		v.formPart(v.object(form, "", part), part)
	}
	if form["required_form"] == nil && form["optional_form"] == nil {
		v.add("required_form", "is required, or optional_form")
	}
	if err := v.err(); err != nil {
		return nil, err
	}
	return json.Marshal(form)
}

// formFields are the questions that WeChat itself asks (page "一键激活"), and formTypes
// the kinds of those with choices.
var (
	formFields = names(`USER_FORM_INFO_FLAG_MOBILE USER_FORM_INFO_FLAG_SEX USER_FORM_INFO_FLAG_NAME USER_FORM_INFO_FLAG_BIRTHDAY
		USER_FORM_INFO_FLAG_IDCARD USER_FORM_INFO_FLAG_EMAIL USER_FORM_INFO_FLAG_LOCATION USER_FORM_INFO_FLAG_DETAIL_LOCATION
		USER_FORM_INFO_FLAG_EDUCATION_BACKGROUND USER_FORM_INFO_FLAG_EDUCATION_BACKGRO USER_FORM_INFO_FLAG_CAREER
		USER_FORM_INFO_FLAG_INDUSTRY USER_FORM_INFO_FLAG_INCOME USER_FORM_INFO_FLAG_HABIT`)
	formTypes = names("FORM_FIELD_RADIO FORM_FIELD_SELECT FORM_FIELD_CHECK_BOX")
)

// formPart checks the questions of a part of a form.
func (v *validation) formPart(part object, path string) {
	v.boolean(part, path, "can_modify")
	for i, id := range get[[]any](v, part, path, "common_field_id_list", "a list of USER_FORM_INFO_FLAG_…") {
		v.oneOf(id, fmt.Sprintf("%s.common_field_id_list[%d]", path, i), formFields)
	}
	for i, element := range get[[]any](v, part, path, "rich_field_list", "a list of objects") {
		at := fmt.Sprintf("%s.rich_field_list[%d]", path, i)
		question, isObject := element.(object)
		if !isObject {
			v.add(at, "must be an object with type, name and values")
			continue
		}
		v.oneOf(question["type"], at+".type", formTypes)
	}
	get[[]any](v, part, path, "custom_field_list", "a list of names")
}

// oneOf requires a text that is one of WeChat's names.
func (v *validation) oneOf(value any, path string, known schema) {
	name, _ := value.(string)
	if known.has(name) {
		return
	}
	if near := nearest(name, known); name != "" && near != "" {
		v.add(path, "is not one of WeChat's; did you mean %s?", near)
		return
	}
	v.add(path, "must be one of %s", strings.Join(slices.Sorted(maps.Keys(known)), ", "))
}

// checkShelf returns what is wrong with a shelf, including cards that a shelf cannot
// show.
func (o *Operator) checkShelf(ctx context.Context, doc Document) (*draft, error) {
	shelf, err := parse(doc.JSON)
	if err != nil {
		return nil, invalid("", err.Error())
	}
	v := &validation{}
	d := v.read(doc, shelf, "")
	v.names(shelf, "", shelfSchema)
	v.require(shelf, "", "banner", "page_title", "scene", "card_list")
	list, _ := shelf["card_list"].([]any)
	for i, element := range list {
		item, _ := element.(object)
		path := fmt.Sprintf("card_list[%d]", i)
		v.require(item, path, "card_id", "thumb_url")
		id := v.text(item, path, "card_id")
		if id == "" {
			continue
		}
		c, err := o.catalogue.GetUnlimited(ctx, id)
		switch {
		case errors.Is(err, ErrNotFound):
			v.add(path+".card_id", "the account has no such card")
		case err != nil:
			return nil, err
		case c.TakesCode():
			v.add(path+".card_id", "a card with real-time custom codes cannot be on a shelf: use system or deposited codes")
		}
	}
	return d, v.err()
}

func checkSettings(c Card, change SettingsChange) error {
	v := &validation{}
	for name, n := range map[string]*int64{"init_bonus": change.InitBonus, "init_balance": change.InitBalance} {
		if n != nil && (*n < 0 || *n > maxInit) {
			v.add(name, "must be 0 to %d", maxInit)
		}
	}
	if b := change.InitBalance; b != nil && *b > 0 && !c.SupplyBalance {
		v.add("init_balance", "the card shows no balance (supply_balance)")
	}
	switch r := change.InitBonusRecord; {
	case r == nil:
	case len(*r) > maxRecord:
		v.add("init_bonus_record", "is longer than 14 汉字")
	case strings.ContainsFunc(*r, unicode.IsControl):
		v.add("init_bonus_record", "has control characters")
	}
	if f := change.FixedBeginTimestamp; f != nil && *f && c.DateType != DateFixTerm {
		v.add("fixed_begintimestamp", "is only for a DATE_TYPE_FIX_TERM card")
	}
	if a := change.ActivateOnClaim; a != nil && *a && c.AutoActivate {
		v.add("activate_on_claim", "the card activates itself (auto_activate)")
	}
	return v.err()
}

// pictureName returns a file name for a picture, or an *InvalidError for one that
// WeChat would refuse.
func pictureName(picture []byte) (string, error) {
	if len(picture) > maxPicture {
		return "", invalid("", "is larger than 1 MiB")
	}
	switch http.DetectContentType(picture) {
	case "image/png":
		return "picture.png", nil
	case "image/jpeg":
		return "picture.jpg", nil
	}
	return "", invalid("", "is neither a PNG nor a JPEG picture")
}
