package push

import "slices"

// Element is one XML element of an event. [Trigger] fills in Sample. WeChat
// writes a Number without CDATA.
type Element struct {
	Name   string `json:"name"`
	Sample string `json:"sample"`
	Number bool   `json:"number,omitempty"`
}

// Kind is one card event with its elements in WeChat's order. The elements common
// to all events (ToUserName, FromUserName, CreateTime, MsgType, Event) are left
// out.
type Kind struct {
	Name   string    `json:"name"`
	About  string    `json:"about"`
	Fields []Element `json:"fields"`
}

const (
	sampleAccount = "gh_51a5a3c0ffee"
	samplePerson  = "oSimSAMPLEPERSON000000000000"
	sampleCard    = "pSimSAMPLECARD00000000000000"
	sampleCode    = "123456789012"
)

// Kinds returns every card event ("Card event push").
func Kinds() []Kind {
	text := func(name, sample string) Element { return Element{name, sample, false} }
	whole := func(name, sample string) Element { return Element{name, sample, true} }
	card, code := text("CardId", sampleCard), text("UserCardCode", sampleCode)
	return []Kind{
		{"card_pass_check", "the review ended well", []Element{card, text("RefuseReason", "")}},
		{"card_not_pass_check", "the review ended badly", []Element{card, text("RefuseReason", "图文不清")}},
		{"user_get_card", "a card came into a wallet", []Element{card, whole("IsGiveByFriend", "0"), code, text("FriendUserName", ""),
			whole("OuterId", "0"), text("OldUserCardCode", ""), text("OuterStr", ""), whole("IsRestoreMemberCard", "0"),
			whole("IsRecommendByFriend", "0"), text("UnionId", "")}},
		{"user_gifting_card", "a card is on its way to a friend, or back", []Element{card, code, whole("IsReturnBack", "0"),
			text("FriendUserName", ""), whole("IsChatRoom", "0")}},
		{"user_del_card", "the user threw the card away", []Element{card, code}},
		{"user_consume_card", "the card was redeemed", []Element{card, code, text("ConsumeSource", "FROM_API"), text("LocationName", ""),
			text("StaffOpenId", ""), text("VerifyCode", ""), text("RemarkAmount", ""), text("OuterStr", "")}},
		{"user_pay_from_pay_cell", "a payment from the card", []Element{card, code, text("TransId", "10022403432015000000"),
			whole("LocationId", "291710000"), whole("Fee", "10000"), whole("OriginalFee", "10000")}},
		{"user_view_card", "the user looked at the card", []Element{card, code, text("OuterStr", "")}},
		{"user_enter_session_from_card", "the user came to the account from the card", []Element{card, code}},
		{"update_member_card", "bonus or balance changed", []Element{card, code, whole("ModifyBonus", "3"), whole("ModifyBalance", "0")}},
		{"card_sku_remind", "the stock is low", []Element{card, text("Detail", "the card's quantity is equal to 0")}},
		{"card_pay_order", "card coins were bought or used", []Element{text("OrderId", "404091456"), text("Status", "ORDER_STATUS_FINANCE_SUCC"),
			whole("CreateOrderTime", "1472013489"), whole("PayFinishTime", "0"), text("Desc", ""), text("FreeCoinCount", "200"),
			text("PayCoinCount", "0"), text("RefundFreeCoinCount", "0"), text("RefundPayCoinCount", "0"),
			text("OrderType", "ORDER_TYPE_SYS_ADD"), text("Memo", ""), text("ReceiptInfo", "")}},
		{"submit_membercard_user_info", "the user sent the one-click form", []Element{card, code}},
	}
}

// KindOf returns the card event of that name. It reports whether there is one.
func KindOf(name string) (Kind, bool) {
	kinds := Kinds()
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return kinds[i], true
}
