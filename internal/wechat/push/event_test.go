package push_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechat/push"
)

// sample is one event as its page describes it, with our own values.
type sample struct {
	name   string
	fields string // Name=value, separated by semicolons; # before a number
	check  func(push.Event) bool
}

func samples() []sample {
	const card, code = "CardId=pCard00000000000000000000001;", "UserCardCode=297466945104;"
	return []sample{
		{push.CardPassCheck, card + "RefuseReason=", func(e push.Event) bool { return e.RefuseReason == "" && e.UserCardCode == "" }},
		{push.CardNotPassCheck, card + "RefuseReason=图文不清 & <无>", func(e push.Event) bool { return e.RefuseReason == "图文不清 & <无>" }},
		{push.UserGetCard, card + "#IsGiveByFriend=1;" + code + "FriendUserName=oGiver;#OuterId=0;OldUserCardCode=111;OuterStr=mp_home;" +
			"#IsRestoreMemberCard=1;#IsRecommendByFriend=0;UnionId=o6_union;SourceScene=SOURCE_SCENE_MINI", func(e push.Event) bool {
			return e.IsGiveByFriend && e.IsRestoreMemberCard && e.FriendUserName == "oGiver" && e.OldUserCardCode == "111" &&
				e.OuterStr == "mp_home" && e.UnionID == "o6_union" && e.Fields["SourceScene"] == "SOURCE_SCENE_MINI"
		}},
		{push.UserGiftingCard, card + code + "#IsReturnBack=1;FriendUserName=oFriend;#IsChatRoom=1", func(e push.Event) bool {
			return e.IsReturnBack && e.IsChatRoom && e.FriendUserName == "oFriend" && !e.IsGiveByFriend
		}},
		{push.UserDelCard, card + code, func(push.Event) bool { return true }},
		{push.UserConsumeCard, card + code + "ConsumeSource=FROM_API;LocationName=;StaffOpenId=oStaff;VerifyCode=;RemarkAmount=;OuterStr=x",
			func(e push.Event) bool {
				return e.OuterStr == "x" && e.Fields["ConsumeSource"] == "FROM_API" && e.Fields["StaffOpenId"] == "oStaff"
			}},
		{push.UserPayFromPayCell, card + code + "TransId=10022403432015;#LocationId=291710000;Fee=10000;OriginalFee=10000",
			func(e push.Event) bool { return e.Fields["TransId"] == "10022403432015" && e.Fields["Fee"] == "10000" }},
		{push.UserViewCard, card + code + "OuterStr=12b", func(e push.Event) bool { return e.OuterStr == "12b" }},
		{push.UserEnterSessionFromCard, card + code, func(push.Event) bool { return true }},
		{push.UpdateMemberCard, card + code + "#ModifyBonus=-30;#ModifyBalance=5", func(e push.Event) bool {
			return e.ModifyBonus == -30 && e.ModifyBalance == 5
		}},
		{push.CardSKURemind, card + "Detail=the card's quantity is equal to 0",
			func(e push.Event) bool { return e.Detail == "the card's quantity is equal to 0" }},
		{
			push.CardPayOrder,
			"OrderId=404091456;Status=ORDER_STATUS_FINANCE_SUCC;#CreateOrderTime=1472013489;#PayFinishTime=0;Desc=;FreeCoinCount=200;" +
				"PayCoinCount=0;RefundFreeCoinCount=0;RefundPayCoinCount=0;OrderType=ORDER_TYPE_SYS_ADD;Memo=;ReceiptInfo=",
			func(e push.Event) bool {
				return e.CardID == "" && e.UserCardCode == "" && e.Fields["OrderId"] == "404091456"
			},
		},
		{push.SubmitMemberCardUserInfo, card + code, func(push.Event) bool { return true }},
	}
}

// write returns the event as XML, with white space as in some of WeChat's samples.
func (s sample) write(spaced bool, leaveOut ...string) string {
	cdata := func(v string) string { return "<![CDATA[" + v + "]]>" }
	gap, before, after := "", "", ""
	if spaced {
		gap, before, after = "\n    ", "\r\n  ", " \t"
	}
	var b strings.Builder
	b.WriteString(gap + "<xml>")
	for _, field := range strings.Split("ToUserName=gh_3fcea188bf78;FromUserName=oLxxxxxxxxxxxxxxxxxxxxxxxxxx;#CreateTime=1700000000;MsgType=event;Event="+s.name+";"+s.fields, ";") {
		name, value, found := strings.Cut(field, "=")
		if name, number := strings.CutPrefix(name, "#"); found && !slices.Contains(leaveOut, name) {
			if !number {
				value = before + cdata(value) + after
			}
			b.WriteString(gap + "<" + name + ">" + value + "</" + name + ">")
		}
	}
	b.WriteString(gap + "</xml>" + gap)
	return b.String()
}

func (s sample) optional() []string {
	var names []string
	for _, field := range strings.Split(s.fields, ";") {
		name, _, _ := strings.Cut(strings.TrimPrefix(field, "#"), "=")
		if !slices.Contains([]string{"CardId", "UserCardCode", "OrderId", ""}, name) {
			names = append(names, name)
		}
	}
	return names
}

func TestOpen_ReadsEachCardEvent(t *testing.T) {
	t.Parallel()
	var names []string
	for _, s := range samples() {
		names = append(names, s.name)
		for _, spaced := range []bool{false, true} {
			both(t, s.name, s.write(spaced), func(e push.Event, err error) {
				if err != nil || e.Name != s.name || e.ToUserName != originalID || e.FromUserName != openID || e.CreateTime != when || !s.check(e) {
					t.Errorf("%s: %+v, %v", s.name, e, err)
				}
				if s.name != push.CardPayOrder && e.CardID != "pCard00000000000000000000001" {
					t.Errorf("%s: card %q", s.name, e.CardID)
				}
				if e.Fields["MsgType"] != "event" || e.Fields["CreateTime"] != "1700000000" {
					t.Errorf("%s: fields %v", s.name, e.Fields)
				}
			})
		}
	}
	if !slices.Equal(names, push.Names()) {
		t.Errorf("tried %v, known are %v", names, push.Names())
	}
}

func TestOpen_ReadsEachCardEventWithoutWhatMayBeMissing(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		both(t, s.name, s.write(false, s.optional()...), func(e push.Event, err error) {
			if err != nil || e.Name != s.name {
				t.Errorf("%s: %v", s.name, err)
			}
			e.Fields = nil
			rest := push.Event{ToUserName: originalID, FromUserName: openID, CreateTime: when, Name: s.name, CardID: e.CardID,
				UserCardCode: e.UserCardCode}
			if fmt.Sprint(e) != fmt.Sprint(rest) {
				t.Errorf("%s: %+v", s.name, e)
			}
		})
	}
}

func TestOpen_NamesWhatAnEventLacks(t *testing.T) {
	t.Parallel()
	for _, s := range samples() {
		needed := []string{"FromUserName", "CreateTime", "CardId"}
		switch s.name {
		case push.CardPayOrder:
			needed[2] = "OrderId"
		case push.CardPassCheck, push.CardNotPassCheck, push.CardSKURemind:
		default:
			needed = append(needed, "UserCardCode")
		}
		for _, name := range needed {
			both(t, s.name, s.write(false, name), func(_ push.Event, err error) {
				var useless *push.UnusableError
				if !errors.As(err, &useless) || useless.Reason != push.MissingField || useless.Field != name {
					t.Errorf("%s without %s: %v", s.name, name, err)
				}
			})
		}
	}
}

func TestOpen_TakesNoOtherNumberThanPlainDigits(t *testing.T) {
	t.Parallel()
	element := func(name, value string) string {
		rest := message("")
		if name == "CreateTime" {
			rest = strings.Replace(rest, "<CreateTime>1700000000</CreateTime>", "", 1)
		}
		return strings.Replace(rest, "</xml>", "<"+name+">"+value+"</"+name+"></xml>", 1)
	}
	for name, values := range map[string][]string{
		"CreateTime": {"+1700000000", "-1", "0", "1.7e9", "1700000000.0", "17 00", "0x10", "17000000000", "１７", "abc", "1_000",
			"9223372036854775808"},
		"IsGiveByFriend":      {"2", "true", "-1", "01", "yes"},
		"IsRestoreMemberCard": {"1 1", "１"},
		"IsReturnBack":        {"false"},
		"IsChatRoom":          {"null"},
		"ModifyBonus":         {"+3", "--3", "-", "3.0", "1e3", "1234567890123456789", "3-"},
		"ModifyBalance":       {"0.01", "５", "1,000"},
	} {
		for _, value := range values {
			both(t, name, element(name, value), func(_ push.Event, err error) {
				var useless *push.UnusableError
				if !errors.As(err, &useless) || useless.Reason != push.BadField || useless.Field != name {
					t.Errorf("%s %q: %v", name, value, err)
				}
			})
		}
	}
}

// A sender with the Token can send such an identifier. A database would refuse it, and
// every retry.
func TestOpen_TakesNoIdentifierThatNoneIs(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"FromUserName", "CardId", "UserCardCode", "OldUserCardCode", "FriendUserName", "UnionId", "MsgId"} {
		for _, value := range []string{strings.Repeat("x", 129), "a b", "a\nb", "a\tb", "a\u3000b", "a\u200bb", "a\u2028b", "a\u0085b"} {
			text := message("")
			if strings.Contains(text, "<"+name+">") {
				head, rest, _ := strings.Cut(text, "<"+name+">")
				_, rest, _ = strings.Cut(rest, "</"+name+">")
				text = head + rest
			}
			text = strings.Replace(text, "</xml>", "<"+name+"><![CDATA["+value+"]]></"+name+"></xml>", 1)
			both(t, name, text, func(_ push.Event, err error) {
				var useless *push.UnusableError
				if !errors.As(err, &useless) || useless.Reason != push.BadField || useless.Field != name {
					t.Errorf("%s %q: %v", name, value, err)
				}
			})
		}
	}
	both(t, "long", message("<UnionId>"+strings.Repeat("x", 128)+"</UnionId>"), func(e push.Event, err error) {
		if err != nil || len(e.UnionID) != 128 {
			t.Errorf("%+v, %v", e, err)
		}
	})
}

func TestOpen_HasNoUseForWhatIsNoCardEventOfOurs(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, to, want string }{
		{"gh_3fcea188bf78", "gh_000000000000", push.OtherAccount},
		{"gh_3fcea188bf78", "GH_3fcea188bf78", push.OtherAccount},
		{"gh_3fcea188bf78", "", push.OtherAccount},
		{"<MsgType>event</MsgType>", "<MsgType>text</MsgType><Content>user_del_card</Content>", push.NotAnEvent},
		{"<MsgType>event</MsgType>", "", push.NotAnEvent},
		{"<MsgType>event</MsgType>", "<MsgType>Event</MsgType>", push.NotAnEvent},
		{"user_del_card", "subscribe", push.UnknownEvent},
		{"user_del_card", "USER_DEL_CARD", push.UnknownEvent},
		{"user_del_card", "card_merchant_check_result", push.UnknownEvent},
		{"user_del_card", "", push.UnknownEvent},
	} {
		both(t, c.to, strings.Replace(message(""), c.from, c.to, 1), func(_ push.Event, err error) {
			if got := reason(t, err); got != c.want {
				t.Errorf("%s → %s: %s, want %s", c.from, c.to, got, c.want)
			}
		})
	}
}

func TestUnusable_SaysNothingThatWasPushed(t *testing.T) {
	t.Parallel()
	secret := "4929123456781234 x"
	_, err := plain(strings.Replace(message(""), "1234", secret, 1)).to(plainReceiver(t))
	if err == nil || strings.Contains(err.Error(), secret) || err.Error() != "push: unusable: bad_field UserCardCode" {
		t.Error(err)
	}
}

// A join without lengths would not distinguish these tuples.
func TestDedupeKey_DiffersForDifferentEvents(t *testing.T) {
	t.Parallel()
	base := push.Event{ToUserName: "gh_1", FromUserName: "o1", CreateTime: when, Name: push.UserGetCard, CardID: "p1", UserCardCode: "11",
		MsgID: "1"}
	events := []push.Event{base, {}}
	for _, change := range []func(*push.Event){
		func(e *push.Event) { e.ToUserName, e.FromUserName = "gh_1o", "1" },
		func(e *push.Event) { e.ToUserName, e.FromUserName = "", "gh_1o1" },
		func(e *push.Event) { e.FromUserName, e.ToUserName = e.ToUserName, e.FromUserName },
		func(e *push.Event) { e.FromUserName = "o1\x00" },
		func(e *push.Event) { e.FromUserName = "o1:" },
		func(e *push.Event) { e.CreateTime++ },
		func(e *push.Event) { e.Name = push.UserDelCard },
		func(e *push.Event) { e.CardID, e.UserCardCode = "p11", "1" },
		func(e *push.Event) { e.CardID, e.UserCardCode = "", "p111" },
		func(e *push.Event) { e.UserCardCode, e.MsgID = "1", "11" },
		func(e *push.Event) { e.UserCardCode, e.MsgID = "111", "" },
		func(e *push.Event) { e.UserCardCode = "12" },
		func(e *push.Event) { e.MsgID = "" },
		func(e *push.Event) { e.UserCardCode = "11,1:1" },
		func(e *push.Event) { e.IsRestoreMemberCard = true },
		func(e *push.Event) { e.IsReturnBack = true },
		func(e *push.Event) { e.OldUserCardCode = "10" },
		func(e *push.Event) { e.Fields = map[string]string{"OrderId": "1"} },
		func(e *push.Event) { e.Fields = map[string]string{"TransId": "1"} },
		func(e *push.Event) { e.Name = push.UpdateMemberCard },
		func(e *push.Event) { e.Name, e.Fields = push.UpdateMemberCard, map[string]string{"ModifyBonus": "1"} },
		func(e *push.Event) {
			e.Name, e.Fields = push.UpdateMemberCard, map[string]string{"ModifyBalance": "1"}
		},
	} {
		e := base
		change(&e)
		events = append(events, e)
	}
	seen := map[string]int{}
	for i, e := range events {
		key := e.DedupeKey()
		if other, found := seen[key]; found {
			t.Errorf("%+v and %+v have one key", events[other], e)
		}
		if seen[key] = i; len(key) != 64 || strings.Trim(key, "0123456789abcdef") != "" {
			t.Errorf("%q is no key", key)
		}
	}
}

// The key is stored: after a change, every event of that day would be processed twice.
func TestDedupeKey_StaysWhatItIs(t *testing.T) {
	t.Parallel()
	e, err := plain(getCard).to(plainReceiver(t))
	if err != nil {
		t.Fatal(err)
	}
	const want = "bfd8f00f21d0153a515332f1c390016162f043874da01c8c9467957e1924e8d0"
	if got := e.DedupeKey(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestDedupeKey_IsTheSameHoweverTheEventCame(t *testing.T) {
	t.Parallel()
	first, err := plain(getCard).to(plainReceiver(t))
	if err != nil {
		t.Fatal(err)
	}
	later := safe(sealed(getCard).encrypt())
	later.query.Set("nonce", "7")
	later.query.Set("msg_signature", sign(token, fmt.Sprint(when), "7", sealed(getCard).encrypt()))
	again, err := later.to(sealedReceiver(t))
	if err != nil || again.DedupeKey() != first.DedupeKey() {
		t.Errorf("%v, %v", again, err)
	}
	spaced, err := plain(strings.ReplaceAll(getCard, "<![CDATA[", "\n <![CDATA[")).to(plainReceiver(t))
	if err != nil || spaced.DedupeKey() != first.DedupeKey() {
		t.Errorf("%v, %v", spaced, err)
	}
}
