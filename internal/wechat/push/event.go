package push

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// The card events. ("Card event push" page, 卡券事件推送.)
const (
	CardPassCheck            = "card_pass_check"              // the review ended well
	CardNotPassCheck         = "card_not_pass_check"          // the review ended badly
	UserGetCard              = "user_get_card"                // a card came into a wallet: taken, given or restored
	UserGiftingCard          = "user_gifting_card"            // a card is on its way to a friend, or came back
	UserDelCard              = "user_del_card"                // the user threw the card away
	UserConsumeCard          = "user_consume_card"            // the card was redeemed
	UserPayFromPayCell       = "user_pay_from_pay_cell"       // a payment from the card
	UserViewCard             = "user_view_card"               // the user looked at the card
	UserEnterSessionFromCard = "user_enter_session_from_card" // the user came to the account from the card
	UpdateMemberCard         = "update_member_card"           // bonus or balance changed
	CardSKURemind            = "card_sku_remind"              // the stock is low
	CardPayOrder             = "card_pay_order"               // card coins were bought or used; it names no card
	SubmitMemberCardUserInfo = "submit_membercard_user_info"  // the user sent the one-click form
)

// Names returns the names of the card events that [Receiver.Open] returns.
func Names() []string {
	return []string{CardPassCheck, CardNotPassCheck, UserGetCard, UserGiftingCard, UserDelCard, UserConsumeCard, UserPayFromPayCell,
		UserViewCard, UserEnterSessionFromCard, UpdateMemberCard, CardSKURemind, CardPayOrder, SubmitMemberCardUserInfo}
}

// Event is one card event. What an event does not contain is empty, 0 or false.
type Event struct {
	ToUserName   string // the account's original ID, gh_…
	FromUserName string // a person's openid in the Official Account, never the mini-program's
	CreateTime   int64  // Unix seconds by WeChat's clock
	Name         string // one of Names
	MsgID        string // events usually have none

	CardID          string // empty in CardPayOrder only
	UserCardCode    string // in every event that is about one person's card
	OldUserCardCode string // UserGetCard of a given card: its code in the giver's wallet
	FriendUserName  string // openid: the giver (UserGetCard), or the recipient (UserGiftingCard)
	UnionID         string // only if the account is bound to an Open Platform account
	OuterStr        string // the channel through which the card was distributed; a restored card may have none

	IsGiveByFriend      bool // UserGetCard: the card was given
	IsRestoreMemberCard bool // UserGetCard: a deleted card is back under its code
	IsReturnBack        bool // UserGiftingCard: the card came back to its giver
	IsChatRoom          bool // UserGiftingCard: given to a group

	ModifyBonus   int64 // UpdateMemberCard: points, negative for less
	ModifyBalance int64 // UpdateMemberCard: fen, negative for less

	RefuseReason string // CardNotPassCheck
	Detail       string // CardSKURemind

	// Fields are all elements, those above and others, without the white space around
	// them. The caller may change it.
	Fields map[string]string
}

// DedupeKey returns 64 characters of lower-case hex that are equal for all deliveries of
// one event. Two events have different keys if they differ in ToUserName, FromUserName,
// CreateTime, Event, CardId, UserCardCode or MsgId, or in what distinguishes two events
// of one card in one second: claimed and restored, given and returned, two orders, two
// changes. WeChat's own advice, FromUserName and CreateTime, would take two events of
// one second for one.
func (e Event) DedupeKey() string {
	parts := []string{
		e.ToUserName, e.FromUserName, strconv.FormatInt(e.CreateTime, 10), e.Name, e.CardID, e.UserCardCode, e.MsgID,
		strconv.FormatBool(e.IsRestoreMemberCard), strconv.FormatBool(e.IsReturnBack), e.OldUserCardCode,
		e.Fields["OrderId"], e.Fields["TransId"],
	}
	if e.Name == UpdateMemberCard { // the others keep the keys that databases already contain
		parts = append(parts, e.Fields["ModifyBonus"], e.Fields["ModifyBalance"])
	}
	var tuple []byte
	for _, part := range parts {
		tuple = strconv.AppendInt(tuple, int64(len(part)), 10)
		tuple = append(append(tuple, ':'), part...)
	}
	sum := sha256.Sum256(tuple)
	return hex.EncodeToString(sum[:])
}

// event returns the card event of the document; the error is an *UnusableError.
func (d document) event(originalID string) (Event, error) {
	switch {
	case originalID != "" && d["ToUserName"] != originalID:
		return Event{}, &UnusableError{Reason: OtherAccount}
	case d["MsgType"] != "event":
		return Event{}, &UnusableError{Reason: NotAnEvent}
	case !slices.Contains(Names(), d["Event"]):
		return Event{}, &UnusableError{Reason: UnknownEvent}
	}
	for _, name := range required(d["Event"]) {
		if d[name] == "" {
			return Event{}, &UnusableError{Reason: MissingField, Field: name}
		}
	}
	f := fields{doc: d}
	e := f.event()
	if f.invalid != "" {
		return Event{}, &UnusableError{Reason: BadField, Field: f.invalid}
	}
	return e, nil
}

// required returns the elements that a card event must have.
func required(event string) []string {
	names := []string{"ToUserName", "FromUserName", "CreateTime"}
	switch event {
	case CardPayOrder:
		return append(names, "OrderId")
	case CardPassCheck, CardNotPassCheck, CardSKURemind:
		return append(names, "CardId")
	default:
		return append(names, "CardId", "UserCardCode")
	}
}

// fields reads the values of a document and keeps the name of the first invalid one.
type fields struct {
	doc     document
	invalid string
}

func (f *fields) event() Event {
	return Event{
		ToUserName:          f.id("ToUserName"),
		FromUserName:        f.id("FromUserName"),
		CreateTime:          f.seconds("CreateTime"),
		Name:                f.doc["Event"],
		MsgID:               f.id("MsgId"),
		CardID:              f.id("CardId"),
		UserCardCode:        f.id("UserCardCode"),
		OldUserCardCode:     f.id("OldUserCardCode"),
		FriendUserName:      f.id("FriendUserName"),
		UnionID:             f.id("UnionId"),
		OuterStr:            f.doc["OuterStr"],
		IsGiveByFriend:      f.flag("IsGiveByFriend"),
		IsRestoreMemberCard: f.flag("IsRestoreMemberCard"),
		IsReturnBack:        f.flag("IsReturnBack"),
		IsChatRoom:          f.flag("IsChatRoom"),
		ModifyBonus:         f.change("ModifyBonus"),
		ModifyBalance:       f.change("ModifyBalance"),
		RefuseReason:        f.doc["RefuseReason"],
		Detail:              f.doc["Detail"],
		Fields:              f.doc,
	}
}

// value returns the text of name. If good refuses it, value returns "" and records
// name.
func (f *fields) value(name string, good func(string) bool) string {
	text := f.doc[name]
	if text == "" || good(text) {
		return text
	}
	if f.invalid == "" {
		f.invalid = name
	}
	return ""
}

// id reads an identifier of at most 128 bytes: a database index would refuse a longer
// one, again at every retry.
func (f *fields) id(name string) string {
	return f.value(name, func(s string) bool {
		return len(s) <= 128 && !strings.ContainsFunc(s, func(c rune) bool { return c == ' ' || !unicode.IsPrint(c) })
	})
}

func (f *fields) flag(name string) bool {
	return f.value(name, func(s string) bool { return s == "0" || s == "1" }) == "1"
}

// seconds reads a time of at most 10 digits, as in a signed timestamp.
func (f *fields) seconds(name string) int64 {
	return number(f.value(name, func(s string) bool { return matches(s, 1, 10, digits) && number(s) > 0 }))
}

// change reads an amount of points or fen; it may be negative.
func (f *fields) change(name string) int64 {
	return number(f.value(name, func(s string) bool { return matches(strings.TrimPrefix(s, "-"), 1, 18, digits) }))
}

// number returns the value of at most 18 digits; "" is 0.
func number(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64)
	return n
}
