package wechatsim

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/addcard/addcard/internal/wechatsim/signature"
)

// The three messages with which a phone refuses a card, from the official article on
// card signature errors. Users report more for a card that is held; see the guesses
// held_card and restore. The details are in RejectionError, for the developer.
const (
	saysSignature = "签名错误"
	saysParameter = "参数错误"
	saysGone      = "已领完"
)

var (
	secondsFormat = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)
	codeFormat    = regexp.MustCompile(`^[0-9A-Za-z]+$`)
)

// RejectionError explains to a developer why the phone only shows 签名错误, 参数错误 or
// 已领完.
type RejectionError struct {
	Says         string   `json:"-"`
	Item         int      `json:"item"` // index in cardList
	CardID       string   `json:"card_id,omitempty"`
	Cause        string   `json:"cause"`                   // stable, snake_case
	Explanation  string   `json:"explanation"`             // never holds a ticket
	SortedValues []string `json:"sorted_values,omitempty"` // the values to sign, in order; the ticket is masked
}

func (r *RejectionError) Error() string { return "addCard:fail " + r.Says + " (" + r.Cause + ")" }

func reject(says, cause, why string, args ...any) *RejectionError {
	return &RejectionError{Says: says, Cause: cause, Explanation: fmt.Sprintf(why, args...)}
}

// offer is one card that is offered to a phone: an item of a cardList, or a card
// from a QR code or the open-card component.
type offer struct {
	cardID, ext string
	card        *card
	present     map[string]bool // fields that cardExt has
	code        string
	openID      string
	timestamp   string // its digits, which are signed
	nonce       string
	outerStr    string
	begin       time.Time // of fixed_begintimestamp
	signature   string
	restores    *walletCard // the deleted copy that it restores, once accepted
}

// readOffer reads one item of a cardList; every byte of cardExt is checked.
func (s *Sim) readOffer(raw any) (*offer, *RejectionError) {
	item, ok := raw.(map[string]any)
	if !ok {
		return nil, reject(saysParameter, "item_not_object", "a cardList item is {cardId, cardExt}")
	}
	for key := range item {
		if key != "cardId" && key != "cardExt" {
			return nil, reject(saysParameter, "item_unknown_member", "cardList item holds %q; wx.addCard knows cardId and cardExt", key)
		}
	}
	o := &offer{present: map[string]bool{}}
	if o.cardID, ok = item["cardId"].(string); !ok || o.cardID == "" {
		return nil, reject(saysParameter, "card_id_missing", "cardId must be a string")
	}
	if o.card = s.cards[o.cardID]; o.card == nil {
		return nil, reject(saysParameter, "card_unknown", "no card has this cardId")
	}
	if o.ext, ok = item["cardExt"].(string); !ok {
		return nil, reject(saysSignature, "card_ext_not_string", "cardExt must be a JSON string, not %s", kindOf(item["cardExt"]))
	}
	return o, s.readExt(o)
}

func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "missing"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case json.Number:
		return "a number"
	case bool:
		return "a boolean"
	}
	return "a string"
}

// readExt reads the JSON text of cardExt.
func (s *Sim) readExt(o *offer) *RejectionError {
	tree, err := parseJSON([]byte(o.ext))
	if err != nil {
		return reject(saysParameter, "card_ext_malformed", "the text of cardExt is %v", err)
	}
	ext, ok := tree.(map[string]any)
	if !ok {
		return reject(saysSignature, "card_ext_not_object", "the text of cardExt holds %s: was it stringified twice?", kindOf(tree))
	}
	for key := range ext {
		o.present[key] = true
	}
	if r := s.readTimestamp(o, ext); r != nil {
		return r
	}
	return o.readFields(ext)
}

func (o *offer) readFields(ext map[string]any) *RejectionError {
	texts := map[string]*string{"code": &o.code, "openid": &o.openID, "nonce_str": &o.nonce,
		"outer_str": &o.outerStr, "signature": &o.signature}
	for key, value := range ext {
		if key == "timestamp" || key == "outer_id" {
			continue
		}
		if key == "fixed_begintimestamp" {
			if r := o.readBegin(value); r != nil {
				return r
			}
			continue
		}
		target, known := texts[key]
		if !known {
			return reject(saysParameter, "unknown_member", "cardExt holds %q, which WeChat does not know", key)
		}
		text, isText := value.(string)
		if !isText {
			return reject(saysParameter, "member_type", "%s in cardExt must be a string, not %s", key, kindOf(value))
		}
		*target = text
	}
	return nil
}

func (s *Sim) readTimestamp(o *offer, ext map[string]any) *RejectionError {
	var kind string
	switch value := ext["timestamp"].(type) {
	case nil:
		return reject(saysParameter, "timestamp_missing", "cardExt needs a timestamp")
	case json.Number:
		o.timestamp, kind = value.String(), "number"
	case string:
		o.timestamp, kind = value, "string"
	default:
		return reject(saysParameter, "timestamp_type", "timestamp is %s", kindOf(value))
	}
	if want := s.assumptions.CardExtTimestamp; want != "both" && want != kind {
		return reject(saysParameter, "timestamp_type", "timestamp must be a %s (guess card_ext_timestamp)", want)
	}
	return s.checkTimestamp(o.timestamp)
}

func (s *Sim) checkTimestamp(text string) *RejectionError {
	if !secondsFormat.MatchString(text) {
		return reject(saysParameter, "timestamp_format", "timestamp must be decimal seconds")
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds > 9_999_999_999 {
		return reject(saysSignature, "timestamp_milliseconds", "timestamp must be seconds; %d digits look like milliseconds", len(text))
	}
	window := number(s.assumptions.TimestampWindow)
	if off := s.Now().Unix() - seconds; window > 0 && max(off, -off) > int64(window) {
		return reject(saysSignature, "timestamp_far", "timestamp is %d s away from WeChat's clock (guess timestamp_window)", off)
	}
	return nil
}

func (o *offer) readBegin(value any) *RejectionError {
	n, _ := value.(json.Number)
	seconds, err := n.Int64()
	if err != nil || seconds <= 0 {
		return reject(saysParameter, "fixed_begintimestamp_type", "fixed_begintimestamp must be whole seconds")
	}
	o.begin = time.Unix(seconds, 0)
	return nil
}

// checkOffer checks cardExt against the attributes of the card and the person.
func (s *Sim) checkOffer(o *offer, p *person) *RejectionError {
	switch {
	case o.present["nonce_str"] && (o.nonce == "" || len(o.nonce) > 32):
		return reject(saysParameter, "nonce_length", "nonce_str must be 1 to 32 characters")
	case !o.present["nonce_str"] && s.assumptions.NonceStr == "required":
		return reject(saysParameter, "nonce_missing", "cardExt has no nonce_str (guess nonce_str)")
	case len(o.outerStr) > 128:
		return reject(saysParameter, "outer_str_length", "outer_str must be at most 128 bytes")
	case o.present["fixed_begintimestamp"] && o.card.dateInfo().text("type") != "DATE_TYPE_FIX_TERM":
		return reject(saysParameter, "fixed_begintimestamp_unwanted", "fixed_begintimestamp is for DATE_TYPE_FIX_TERM cards only")
	}
	if r := o.checkCode(); r != nil {
		return r
	}
	return s.checkOpenID(o, p)
}

func (o *offer) checkCode() *RejectionError {
	switch {
	case o.present["code"] && o.card.isDeposit():
		return reject(saysParameter, "code_unwanted", "a deposit card takes its codes from the deposit; cardExt must not hold code")
	case o.present["code"] && !o.card.isRealTime():
		return reject(saysParameter, "code_unwanted", "WeChat makes the codes of this card; cardExt must not hold code")
	case !o.present["code"] && o.card.isRealTime():
		return reject(saysParameter, "code_missing", "a use_custom_code card needs code in cardExt")
	case o.present["code"] && len(o.code) > maxCodeLength:
		return reject(saysParameter, "code_length", "code has %d characters, 20 are allowed", len(o.code))
	case o.present["code"] && !codeFormat.MatchString(o.code):
		return reject(saysParameter, "code_characters", "code must be letters and digits")
	}
	return nil
}

func (s *Sim) checkOpenID(o *offer, p *person) *RejectionError {
	bind := o.card.baseFlag("bind_openid")
	right, other := p.openID, p.miniOpenID
	if s.assumptions.CardExtOpenID == "miniprogram" {
		right, other = other, right
	}
	switch {
	case o.present["openid"] && !bind:
		return reject(saysParameter, "openid_unwanted", "the card has bind_openid false; cardExt must not hold openid")
	case !o.present["openid"] && bind:
		return reject(saysParameter, "openid_missing", "the card has bind_openid true; cardExt needs openid")
	case bind && o.openID == other && right != other:
		return reject(saysParameter, "openid_wrong_app", "openid is this person's, but in the wrong app (guess card_ext_openid)")
	case bind && o.openID != right:
		return reject(saysParameter, "openid_other_person", "openid is not this person's")
	}
	return nil
}

// signedValues returns the values to sign, without the ticket.
func (o *offer) signedValues() []string {
	values := []string{o.timestamp, o.cardID}
	for _, key := range []string{"code", "openid", "nonce_str"} {
		if o.present[key] {
			values = append(values, map[string]string{"code": o.code, "openid": o.openID, "nonce_str": o.nonce}[key])
		}
	}
	return values
}

// checkSignature computes the signature with every ticket that is valid now.
func (s *Sim) checkSignature(o *offer) *RejectionError {
	now := s.Now()
	for _, t := range s.official.tickets["wx_card"] {
		if now.Before(t.until) && signature.Sorted(append(o.signedValues(), t.value)...) == o.signature {
			return nil
		}
	}
	r := s.diagnose(o, now)
	r.SortedValues = s.sortedValues(o)
	return r
}

// sortedValues returns the values to sign in order, with the newest ticket masked.
func (s *Sim) sortedValues(o *offer) []string {
	ticket := ""
	if list := s.official.tickets["wx_card"]; len(list) > 0 {
		ticket = list[len(list)-1].value
	}
	values := append(o.signedValues(), ticket)
	slices.Sort(values)
	values[slices.Index(values, ticket)] = "(api_ticket)"
	return values
}
