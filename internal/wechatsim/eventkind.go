package wechatsim

import "slices"

// EventField is one element of an event: its name, what Trigger fills in, and
// whether it is a number, which WeChat writes without CDATA.
type EventField struct {
	Name   string `json:"name"`
	Sample string `json:"sample"`
	Number bool   `json:"number,omitempty"`
}

// EventKind is one card event with its elements in WeChat's order, besides the
// common ones (ToUserName, FromUserName, CreateTime, MsgType, Event).
type EventKind struct {
	Name   string       `json:"name"`
	About  string       `json:"about"`
	Fields []EventField `json:"fields"`
}

const (
	sampleAccount = "gh_51a5a3c0ffee"
	samplePerson  = "oSimSAMPLEPERSON000000000000"
	sampleCard    = "pSimSAMPLECARD00000000000000"
	sampleCode    = "123456789012"
)

// EventKinds lists every card event ("Card event push").
func EventKinds() []EventKind {
	text := func(name, sample string) EventField { return EventField{name, sample, false} }
	whole := func(name, sample string) EventField { return EventField{name, sample, true} }
	card, code := text("CardId", sampleCard), text("UserCardCode", sampleCode)
	return []EventKind{
		{"card_pass_check", "the review ended well", []EventField{card, text("RefuseReason", "")}},
		{"card_not_pass_check", "the review ended badly", []EventField{card, text("RefuseReason", "图文不清")}},
		{"user_get_card", "a card came into a wallet", []EventField{card, whole("IsGiveByFriend", "0"), code, text("FriendUserName", ""),
			whole("OuterId", "0"), text("OldUserCardCode", ""), text("OuterStr", ""), whole("IsRestoreMemberCard", "0"),
			whole("IsRecommendByFriend", "0"), text("UnionId", "")}},
		{"user_gifting_card", "a card is on its way to a friend, or back", []EventField{card, code, whole("IsReturnBack", "0"),
			text("FriendUserName", ""), whole("IsChatRoom", "0")}},
		{"user_del_card", "the user threw the card away", []EventField{card, code}},
		{"user_consume_card", "the card was redeemed", []EventField{card, code, text("ConsumeSource", "FROM_API"), text("LocationName", ""),
			text("StaffOpenId", ""), text("VerifyCode", ""), text("RemarkAmount", ""), text("OuterStr", "")}},
		{"user_pay_from_pay_cell", "a payment from the card", []EventField{card, code, text("TransId", "10022403432015000000"),
			whole("LocationId", "291710000"), whole("Fee", "10000"), whole("OriginalFee", "10000")}},
		{"user_view_card", "the user looked at the card", []EventField{card, code, text("OuterStr", "")}},
		{"user_enter_session_from_card", "the user came to the account from the card", []EventField{card, code}},
		{"update_member_card", "bonus or balance changed", []EventField{card, code, whole("ModifyBonus", "3"), whole("ModifyBalance", "0")}},
		{"card_sku_remind", "the stock is low", []EventField{card, text("Detail", "the card's quantity is equal to 0")}},
		{"card_pay_order", "card coins were bought or used", []EventField{text("OrderId", "404091456"), text("Status", "ORDER_STATUS_FINANCE_SUCC"),
			whole("CreateOrderTime", "1472013489"), whole("PayFinishTime", "0"), text("Desc", ""), text("FreeCoinCount", "200"),
			text("PayCoinCount", "0"), text("RefundFreeCoinCount", "0"), text("RefundPayCoinCount", "0"),
			text("OrderType", "ORDER_TYPE_SYS_ADD"), text("Memo", ""), text("ReceiptInfo", "")}},
		{"submit_membercard_user_info", "the user sent the one-click form", []EventField{card, code}},
	}
}

func eventKind(name string) (EventKind, bool) {
	kinds := EventKinds()
	i := slices.IndexFunc(kinds, func(k EventKind) bool { return k.Name == name })
	if i < 0 {
		return EventKind{}, false
	}
	return kinds[i], true
}
