package wechatsim_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechatsim"
)

func TestAddCard_SuccessAndTheFace(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id := r.create(nil, nil)
	list := cardList(id, r.ext(r.ticket("wx_card"), id, tree{"code": "A1B2C3", "outer_str": "mp_home"}))
	got := r.post("/_sim/phones/ann/add-card", list)
	item := reply(got["cardList"].([]any)[0].(tree))
	sent := list["cardList"].([]any)[0].(tree)
	if got.text("errMsg") != "addCard:ok" || item.text("cardId") != id || item["isSuccess"] != true || item["cardExt"] != sent["cardExt"] {
		t.Fatalf("got %v", got)
	}
	if code := item.text("code"); len(code) != 64 || strings.Contains(code, "A1B2C3") {
		t.Errorf("code %q is not encrypted", code)
	}
	face := r.faces("ann")[0]
	if face.text("code") != "A1B2C3" || face.text("title") != "会员卡" || face.text("outer_str") != "mp_home" ||
		face.text("status") != "NORMAL" || face["has_active"] != false {
		t.Errorf("face %v", face)
	}
}

func TestAddCard_TakesATimestampAsAssumed(t *testing.T) {
	t.Parallel()
	for assumed, want := range map[string][2]bool{"both": {true, true}, "number": {true, false}, "string": {false, true}} {
		r := newRig(t, wechatsim.Options{Assumptions: wechatsim.Assumptions{CardExtTimestamp: assumed}})
		id, ticket := r.create(tree{"use_custom_code": false, "get_limit": 2}, nil), r.ticket("wx_card")
		now := r.sim.Now().Unix()
		for i, timestamp := range []any{now, fmt.Sprint(now)} {
			got := r.add("ann", id, r.ext(ticket, id, tree{"timestamp": timestamp}))
			if ok := got.text("errMsg") == "addCard:ok"; ok != want[i] {
				t.Errorf("%s, %T: %v", assumed, timestamp, got)
			}
		}
	}
}

// Each case sends one cardExt to a custom-code card and names what is wrong.
func TestAddCard_EveryByteOfCardExtCounts(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id, ticket := r.create(nil, nil), r.ticket("wx_card")
	good := func(fields tree) tree {
		m := tree{"code": "A1"}
		overlay(m, fields)
		return r.ext(ticket, id, m)
	}
	after := func(e, fields tree) tree { overlay(e, fields); return e }
	text := strings.TrimSpace(encode(good(nil)))
	signature := good(nil)["signature"].(string)
	for name, c := range map[string]struct {
		ext          any
		words, cause string
	}{
		"object":              {[]any{}, "签名错误", "card_ext_not_string"},
		"missing":             {nil, "签名错误", "card_ext_not_string"},
		"stringified twice":   {strconv.Quote(text), "签名错误", "card_ext_not_object"},
		"no JSON":             {"{", "参数错误", "card_ext_malformed"},
		"duplicate key":       {strings.Replace(text, "{", `{"code":"B2",`, 1), "参数错误", "card_ext_malformed"},
		"trailing bytes":      {text + "x", "参数错误", "card_ext_malformed"},
		"unknown key":         {good(tree{"extra": "1"}), "参数错误", "unknown_member"},
		"wrong case":          {after(good(nil), tree{"Code": "A1"}), "参数错误", "unknown_member"},
		"code a number":       {after(good(nil), tree{"code": 5}), "参数错误", "member_type"},
		"no timestamp":        {after(good(nil), tree{"timestamp": nil}), "参数错误", "timestamp_missing"},
		"timestamp a boolean": {after(good(nil), tree{"timestamp": true}), "参数错误", "timestamp_type"},
		"milliseconds":        {good(tree{"timestamp": r.sim.Now().UnixMilli()}), "签名错误", "timestamp_milliseconds"},
		"fraction":            {good(tree{"timestamp": json.Number("1700000000.0")}), "参数错误", "timestamp_format"},
		"leading zero":        {good(tree{"timestamp": "01700000000"}), "参数错误", "timestamp_format"},
		"nonce too long":      {good(tree{"nonce_str": strings.Repeat("n", 33)}), "参数错误", "nonce_length"},
		"nonce empty":         {good(tree{"nonce_str": ""}), "参数错误", "nonce_length"},
		"outer_str too long":  {good(tree{"outer_str": strings.Repeat("o", 129)}), "参数错误", "outer_str_length"},
		"no code":             {good(tree{"code": nil}), "参数错误", "code_missing"},
		"code empty":          {good(tree{"code": ""}), "参数错误", "code_characters"},
		"code too long":       {good(tree{"code": strings.Repeat("1", 21)}), "参数错误", "code_length"},
		"code with a dash":    {good(tree{"code": "A-1"}), "参数错误", "code_characters"},
		"openid unwanted":     {good(tree{"openid": "oX"}), "参数错误", "openid_unwanted"},
		"openid empty":        {good(tree{"openid": ""}), "参数错误", "openid_unwanted"},
		"begin unwanted":      {good(tree{"fixed_begintimestamp": 1700000000}), "参数错误", "fixed_begintimestamp_unwanted"},
		"begin a string":      {good(tree{"fixed_begintimestamp": "1700000000"}), "参数错误", "fixed_begintimestamp_type"},
		"no signature":        {after(good(nil), tree{"signature": nil}), "签名错误", "signature_missing"},
		"upper case":          {after(good(nil), tree{"signature": strings.ToUpper(signature)}), "签名错误", "signature_upper_case"},
		"another signature":   {after(good(nil), tree{"signature": strings.Repeat("0", 40)}), "签名错误", "signature_wrong"},
		"timestamp changed":   {after(good(nil), tree{"timestamp": 1700000000}), "签名错误", "signature_wrong"},
		"code not signed":     {after(good(tree{"code": nil}), tree{"code": "A1"}), "签名错误", "code_not_signed"},
		"nonce not signed": {after(r.ext(ticket, id, tree{"code": "A1", "nonce_str": nil}), tree{"nonce_str": "n"}), "签名错误",
			"nonce_not_signed"},
		"milliseconds signed":  {signedWith(ticket, id, "A1", "n", "1700000000000", 1700000000), "签名错误", "timestamp_differs"},
		"space after ticket":   {signedWith(ticket+" ", id, "A1", "n", "1700000000", 1700000000), "签名错误", "ticket_space"},
		"jsapi ticket":         {r.ext(r.ticket("jsapi"), id, tree{"code": "A1"}), "签名错误", "ticket_kind"},
		"no item at all":       {"", "参数错误", "card_ext_malformed"},
		"broken UTF-8 escaped": {strings.Replace(text, "A1", `\ud800`, 1), "参数错误", "code_characters"},
	} {
		if c.ext == nil {
			says(t, r.post("/_sim/phones/ann/add-card", tree{"cardList": []any{tree{"cardId": id}}}), c.words, c.cause)
			continue
		}
		got := r.add("ann", id, c.ext)
		if got.text("errMsg") != "addCard:fail "+c.words || got.object("detail").text("cause") != c.cause {
			t.Errorf("%s: got %v, want %s %s", name, got, c.words, c.cause)
		}
		if strings.Contains(encode(got), ticket) {
			t.Errorf("%s: the ticket is in the answer", name)
		}
	}
	if len(r.faces("ann")) != 0 {
		t.Error("a refused card reached the wallet")
	}
}

// signedWith signs one timestamp and sends another.
func signedWith(ticket, cardID, code, nonce, signed string, sent int64) tree {
	return tree{"code": code, "nonce_str": nonce, "timestamp": sent, "signature": sign(ticket, cardID, code, nonce, signed)}
}

func TestAddCard_DetailShowsTheValuesInOrderWithoutTheTicket(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id, ticket := r.create(nil, nil), r.ticket("wx_card")
	got := r.add("ann", id, signedWith("x", id, "A1", "n", "1700000000", 1700000000)).object("detail")
	if text := encode(got["sorted_values"]); strings.TrimSpace(text) != encode2("1700000000", "A1", "(api_ticket)", "n", id) ||
		strings.Contains(text, ticket) {
		t.Errorf("sorted_values %s", text)
	}
}

func encode2(values ...string) string { return strings.TrimSpace(encode(values)) }

func TestAddCard_TicketOfTheWrongAccountOrAge(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id := r.create(nil, nil)
	says(t, r.add("ann", id, r.ext("never fetched", id, tree{"code": "A1"})), "签名错误", "no_ticket")

	mini := r.stable(r.a.MiniProgram, false).text("access_token")
	foreign := r.get("/cgi-bin/ticket/getticket?type=wx_card&access_token=" + mini).text("ticket")
	says(t, r.add("ann", id, r.ext(foreign, id, tree{"code": "A1"})), "签名错误", "ticket_account")

	old := r.ticket("wx_card")
	r.post("/_sim/tokens/expire", tree{"what": "wx_card"})
	says(t, r.add("ann", id, r.ext(old, id, tree{"code": "A1"})), "签名错误", "ticket_expired")
	r.sim.Advance(2 * time.Hour)
	says(t, r.add("ann", id, r.ext(old, id, tree{"code": "A1"})), "签名错误", "ticket_expired")
}

func TestAddCard_SystemCodeCardsBringNone(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id := r.create(systemCodes(), nil)
	says(t, r.add("ann", id, r.ext(r.ticket("wx_card"), id, tree{"code": "A1"})), "参数错误", "code_unwanted")
	says(t, r.add("ann", id, r.ext(r.ticket("wx_card"), id, tree{"code": ""})), "参数错误", "code_unwanted")
	r.mustAdd("ann", id, nil)
	if code := r.faces("ann")[0].text("code"); len(code) != 12 {
		t.Errorf("code %q", code)
	}
}

func TestAddCard_BoundCardsWantTheRightOpenID(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	ann, _ := r.sim.Person("ann")
	bob, _ := r.sim.Person("bob")
	id, ticket := r.create(tree{"use_custom_code": false, "bind_openid": true, "get_limit": 2}, nil), r.ticket("wx_card")
	says(t, r.add("ann", id, r.ext(ticket, id, nil)), "参数错误", "openid_missing")
	says(t, r.add("ann", id, r.ext(ticket, id, tree{"openid": ann.MiniOpenID})), "参数错误", "openid_wrong_app")
	says(t, r.add("ann", id, r.ext(ticket, id, tree{"openid": bob.OpenID})), "参数错误", "openid_other_person")
	r.mustAdd("ann", id, tree{"openid": ann.OpenID})
	unsigned := r.ext(ticket, id, nil)
	unsigned["openid"] = ann.OpenID
	says(t, r.add("ann", id, unsigned), "签名错误", "openid_not_signed")

	r.do("PUT", "/_sim/guesses", tree{"card_ext_openid": "miniprogram"})
	says(t, r.add("ann", id, r.ext(ticket, id, tree{"openid": ann.OpenID})), "参数错误", "openid_wrong_app")
	r.mustAdd("ann", id, tree{"openid": ann.MiniOpenID})
}

func TestAddCard_ANonceServesOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id, ticket := r.create(tree{"use_custom_code": false, "get_limit": 5}, nil), r.ticket("wx_card")
	now := r.sim.Now().Unix()
	first := r.ext(ticket, id, tree{"nonce_str": "n", "timestamp": now})
	if got := r.add("ann", id, first); got.text("errMsg") != "addCard:ok" {
		t.Fatal(got)
	}
	says(t, r.add("bob", id, first), "已领完", "nonce_reused")
	r.mustAdd("bob", id, tree{"nonce_str": "n", "timestamp": now + 1})

	free := r.ext(ticket, id, tree{"nonce_str": nil})
	for range 2 { // WeChat's page: without nonce_str it can be replayed
		if got := r.add("cid", id, free); got.text("errMsg") != "addCard:ok" {
			t.Error(got)
		}
	}
	r.do("PUT", "/_sim/guesses", tree{"nonce_str": "required"})
	says(t, r.add("cid", id, r.ext(ticket, id, tree{"nonce_str": nil})), "参数错误", "nonce_missing")
}

func TestAddCard_CodeDeliveredOnceButRestored(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id, ticket := r.create(nil, nil), r.ticket("wx_card")
	take := func(user string) reply {
		return r.add(user, id, r.ext(ticket, id, tree{"code": "A1", "outer_str": "again"}))
	}
	take("ann")
	says(t, take("ann"), "已领完", "code_reused")
	says(t, take("bob"), "已领完", "code_reused")
	r.post("/_sim/phones/ann/delete-card", tree{"card_id": id, "code": "A1"})
	if got := r.faces("ann")[0].text("status"); got != "DELETE" {
		t.Errorf("status %s", got)
	}
	says(t, take("bob"), "已领完", "code_reused")
	if got := take("ann"); got.text("errMsg") != "addCard:ok" {
		t.Fatal(got)
	}
	if faces := r.faces("ann"); len(faces) != 1 || faces[0].text("status") != "NORMAL" {
		t.Errorf("faces %v", faces)
	}
	r.do("PUT", "/_sim/guesses", tree{"reused_code": "参数错误"})
	says(t, take("bob"), "参数错误", "code_reused")
}

// A phone has several words for a card that is held, and says them to others too.
func TestAddCard_SaysThatTheCardIsHeld(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	custom, system, ticket := r.create(nil, nil), r.create(systemCodes(), nil), r.ticket("wx_card")
	takeCustom := func(user string) reply { return r.add(user, custom, r.ext(ticket, custom, tree{"code": "A1"})) }
	takeSystem := func(user string) reply { return r.add(user, system, r.ext(ticket, system, nil)) }
	takeCustom("ann")
	takeSystem("ann")
	for _, words := range []string{"用户已领取", "已领取", "超过领取限制", "已领完"} {
		r.do("PUT", "/_sim/guesses", tree{"held_card": words})
		says(t, takeCustom("ann"), words, "code_reused")
		says(t, takeSystem("ann"), words, "get_limit")
		says(t, takeCustom("bob"), "已领完", "code_reused")
		says(t, r.post("/_sim/phones/cid/add-card?says="+url.QueryEscape(words), tree{"cardList": []tree{}}), words, "requested")
	}
	r.do("PUT", "/_sim/guesses", tree{"restore": "已领取"})
	r.post("/_sim/phones/ann/delete-card", tree{"card_id": custom, "code": "A1"})
	r.post("/_sim/phones/ann/delete-card", tree{"card_id": system, "code": r.faces("ann")[1].text("code")})
	says(t, takeCustom("ann"), "已领取", "not_restored")
	says(t, takeSystem("ann"), "已领取", "not_restored")
	if got := takeSystem("bob"); got.text("errMsg") != "addCard:ok" {
		t.Errorf("another person: %v", got)
	}
	if len(r.faces("cid")) != 0 {
		t.Error("a refused card is in the wallet")
	}
}

func TestAddCard_LimitsStockAndReview(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id, ticket := r.create(tree{"use_custom_code": false, "sku": tree{"quantity": 2}}, nil), r.ticket("wx_card")
	take := func(user string) reply { return r.add(user, id, r.ext(ticket, id, nil)) }
	take("ann")
	says(t, take("ann"), "已领完", "get_limit")
	take("bob")
	says(t, take("cid"), "已领完", "out_of_stock")

	r.post("/_sim/phones/bob/delete-card", tree{"card_id": id, "code": r.faces("bob")[0].text("code")})
	if got := take("bob"); got.text("errMsg") != "addCard:ok" {
		t.Errorf("restoring needs no stock: %v", got)
	}
	for step, cause := range map[string]string{"reject": "card_refused", "": "card_deleted"} {
		other := r.create(systemCodes(), nil)
		if step == "" {
			r.card("/card/delete", tree{"card_id": other})
		} else {
			r.post("/_sim/cards/"+other+"/"+step, nil)
		}
		says(t, r.add("ann", other, r.ext(ticket, other, nil)), "已领完", cause)
	}
	pending := r.card("/card/create", memberCard(systemCodes(), nil)).text("card_id")
	says(t, r.add("ann", pending, r.ext(ticket, pending, nil)), "已领完", "card_in_review")
}

func TestAddCard_FixedBeginOnlyForFixedTerms(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id := r.create(tree{"date_info": tree{"type": "DATE_TYPE_FIX_TERM", "fixed_term": 1, "fixed_begin_term": 0}}, nil)
	r.mustAdd("ann", id, tree{"code": "A1", "fixed_begintimestamp": r.sim.Now().Unix()})
	r.sim.Advance(23 * time.Hour)
	if got := r.faces("ann")[0].text("status"); got != "NORMAL" {
		t.Errorf("within its day: %s", got)
	}
	r.sim.Advance(time.Hour)
	if got := r.faces("ann")[0].text("status"); got != "EXPIRE" {
		t.Errorf("after its day: %s", got)
	}
}

func TestAddCard_AListIsTakenWholeOrNot(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id, ticket := r.create(tree{"use_custom_code": false, "get_limit": 50, "sku": tree{"quantity": 3}}, nil), r.ticket("wx_card")
	list := func(n int) tree {
		items := []any{}
		for range n {
			items = append(items, cardList(id, r.ext(ticket, id, nil))["cardList"].([]any)[0])
		}
		return tree{"cardList": items}
	}
	send := func(body any) reply { return r.post("/_sim/phones/ann/add-card", body) }
	says(t, send(list(4)), "已领完", "out_of_stock")
	says(t, send(list(11)), "参数错误", "card_list_length")
	says(t, send(list(0)), "参数错误", "card_list_length")
	same := list(1)["cardList"].([]any)[0]
	says(t, send(tree{"cardList": []any{same, same}}), "已领完", "nonce_reused")
	if got := send(list(3)); len(got["cardList"].([]any)) != 3 {
		t.Errorf("three: %v", got)
	}
	r.do("PUT", "/_sim/guesses", tree{"max_cards": "1"})
	says(t, send(list(2)), "参数错误", "card_list_length")
	says(t, send(tree{"cardlist": []any{}}), "参数错误", "argument_shape")
	says(t, send("nonsense"), "参数错误", "argument_malformed")
	says(t, send(tree{"cardList": []any{tree{"cardId": id, "cardExt": "{}", "x": 1}}}), "参数错误", "item_unknown_member")
	says(t, send(tree{"cardList": []any{tree{"cardId": "pNone", "cardExt": "{}"}}}), "参数错误", "card_unknown")
	says(t, send(tree{"cardList": []any{5}}), "参数错误", "item_not_object")
	says(t, send(tree{"cardList": []any{tree{"cardExt": "{}"}}}), "参数错误", "card_id_missing")
	says(t, r.post("/_sim/phones/ann/add-card?cancel=1", list(1)), "cancel", "cancelled")
}

func TestAddCard_TwoDeletedCopiesComeBackOneByOne(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id, ticket := r.create(tree{"use_custom_code": false, "get_limit": 2, "sku": tree{"quantity": 1}}, nil), r.ticket("wx_card")
	r.mustAdd("ann", id, nil)
	r.post("/_sim/phones/ann/delete-card", tree{"card_id": id, "code": r.faces("ann")[0].text("code")})
	items := []any{}
	for range 2 {
		items = append(items, cardList(id, r.ext(ticket, id, nil))["cardList"].([]any)[0])
	}
	says(t, r.post("/_sim/phones/ann/add-card", tree{"cardList": items}), "已领完", "out_of_stock")
}

func TestAddCard_TimestampWindow(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{Assumptions: wechatsim.Assumptions{TimestampWindow: "300"}})
	id, ticket := r.create(systemCodes(), nil), r.ticket("wx_card")
	says(t, r.add("ann", id, r.ext(ticket, id, tree{"timestamp": r.sim.Now().Unix() - 400})), "签名错误", "timestamp_far")
	r.mustAdd("ann", id, nil)
}

func TestAddCard_InParallelDeliversACodeOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id, ticket := r.create(nil, nil), r.ticket("wx_card")
	var wins sync.Map
	var all sync.WaitGroup
	for i := range 20 {
		list := []byte(encode(cardList(id, r.ext(ticket, id, tree{"code": "A1"}))))
		all.Go(func() {
			if _, err := r.sim.AddCard(fmt.Sprintf("user%d", i), list); err == nil {
				wins.Store(i, true)
			}
		})
	}
	all.Wait()
	n := 0
	wins.Range(func(any, any) bool { n++; return true })
	if n != 1 {
		t.Errorf("%d phones got the one code", n)
	}
}

func TestDeleteCard_NamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	res, body := r.raw("POST", "/_sim/phones/ann/delete-card", `{"card_id":"p","code":"1"}`)
	if res.StatusCode != 404 || !strings.Contains(string(body), `"field":"code"`) {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func TestScanQR_BringsACardWithoutCardExt(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	system, custom := r.create(systemCodes(), nil), r.create(nil, nil)
	scan := func(body tree) reply { return r.post("/_sim/phones/ann/scan-qr", body) }
	got := scan(tree{"card_id": system, "outer_str": "door"})
	if len(got.text("code")) != 12 || got.text("outer_str") != "door" {
		t.Errorf("got %v", got)
	}
	wantCode(t, r.card("/card/code/get", tree{"code": got.text("code")}), 0)
	says(t, scan(tree{"card_id": system}), "已领完", "get_limit")
	for field, body := range map[string]tree{"code": {"card_id": custom}, "card_id": {"card_id": "pNone"}} {
		if got := scan(body); got.text("field") != field {
			t.Errorf("%s: %v", field, got)
		}
	}
	if got := scan(tree{"card_id": custom, "code": "A1"}); got.text("code") != "A1" {
		t.Errorf("got %v", got)
	}
	if got := r.get("/_sim/events?event=user_get_card")["events"].([]any); len(got) != 2 {
		t.Errorf("events %v", got)
	}
}
