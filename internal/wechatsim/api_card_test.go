package wechatsim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
)

func TestCreateCard_WaitsForItsReview(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id := r.card("/card/create", memberCard(nil, nil)).text("card_id")
	if len(id) != 28 {
		t.Errorf("card_id %q", id)
	}
	status := func() string {
		return r.card("/card/get", tree{"card_id": id}).object("card").object("member_card").object("base_info").text("status")
	}
	if got := status(); got != "CARD_STATUS_NOT_VERIFY" {
		t.Errorf("status %s", got)
	}
	r.post("/_sim/cards/"+id+"/reject", tree{"reason": "blurred"})
	if got := status(); got != "CARD_STATUS_VERIFY_FAIL" {
		t.Errorf("status %s", got)
	}
	r.post("/_sim/cards/"+id+"/approve", nil)
	if got := status(); got != "CARD_STATUS_VERIFY_OK" {
		t.Errorf("status %s", got)
	}
}

func TestCreateCard_Rules(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	for name, c := range map[string]struct {
		base, member tree
		want         int
	}{
		"good":                 {nil, nil, 0},
		"no title":             {tree{"title": nil}, nil, 41011},
		"empty title":          {tree{"title": ""}, nil, 41011},
		"title 9 汉字":           {tree{"title": "一二三四五六七八九"}, nil, 0},
		"title 10 汉字":          {tree{"title": "一二三四五六七八九十"}, nil, 45021},
		"brand 13 汉字":          {tree{"brand_name": strings.Repeat("茶", 13)}, nil, 45021},
		"notice 17 汉字":         {tree{"notice": strings.Repeat("示", 17)}, nil, 45021},
		"description 1025 汉字":  {tree{"description": strings.Repeat("须", 1025)}, nil, 45021},
		"logo_url 129":         {tree{"logo_url": strings.Repeat("u", 129)}, nil, 45021},
		"colour":               {tree{"color": "Color015"}, nil, 40076},
		"colour 100":           {tree{"color": "Color100"}, nil, 0},
		"code type":            {tree{"code_type": "CODE"}, nil, 40150},
		"title a number":       {tree{"title": 5}, nil, 47001},
		"custom code a string": {tree{"use_custom_code": "true"}, nil, 47001},
		"quantity a string":    {tree{"sku": tree{"quantity": "1"}}, nil, 47001},
		"quantity missing":     {tree{"sku": tree{}}, nil, 41011},
		"quantity too large":   {tree{"sku": tree{"quantity": 100_000_001}}, nil, 40122},
		"get_limit 51":         {tree{"get_limit": 51}, nil, 72009},
		"date type":            {tree{"date_info": tree{"type": "FOR_EVER"}}, nil, 40100},
		"range backwards": {tree{"date_info": tree{"type": "DATE_TYPE_FIX_TIME_RANGE", "begin_timestamp": 20, "end_timestamp": 10}}, nil,
			40079},
		"range": {tree{"date_info": tree{"type": "DATE_TYPE_FIX_TIME_RANGE", "begin_timestamp": 10, "end_timestamp": 20}}, nil,
			0},
		"term of no days":       {tree{"date_info": tree{"type": "DATE_TYPE_FIX_TERM", "fixed_term": 0}}, nil, 40100},
		"term":                  {tree{"date_info": tree{"type": "DATE_TYPE_FIX_TERM", "fixed_term": 30, "fixed_begin_term": 0}}, nil, 0},
		"deposit":               {tree{"get_custom_code_mode": "GET_CUSTOM_CODE_MODE_DEPOSIT", "sku": tree{"quantity": 0}}, nil, 0},
		"deposit with stock":    {tree{"get_custom_code_mode": "GET_CUSTOM_CODE_MODE_DEPOSIT"}, nil, 40136},
		"deposit, system codes": {tree{"get_custom_code_mode": "GET_CUSTOM_CODE_MODE_DEPOSIT", "use_custom_code": false}, nil, 40150},
		"no prerogative":        {nil, tree{"prerogative": nil}, 41011},
		"no supply_bonus":       {nil, tree{"supply_bonus": nil}, 41011},
		"no way to activate":    {nil, tree{"activate_url": nil}, 41011},
		"two ways to activate":  {nil, tree{"wx_activate": true}, 40150},
		"as in WeChat's sample": {nil, tree{"auto_activate": true}, 0},
		"one-click":             {nil, tree{"activate_url": nil, "wx_activate": true}, 0},
		"background elsewhere":  {nil, tree{"background_pic_url": "https://shop.example/a.png"}, 40141},
		"background":            {nil, tree{"background_pic_url": "https://mmbiz.qlogo.cn/a"}, 0},
	} {
		if got := r.card("/card/create", memberCard(c.base, c.member)); got.code() != c.want {
			t.Errorf("%s: got %v, want %d", name, got, c.want)
		}
	}
	wantCode(t, r.card("/card/create", tree{"card": tree{"card_type": "GROUPON", "groupon": tree{}}}), 40071)
	wantCode(t, r.card("/card/create", tree{"card": tree{"card_type": "MEMBER_CARD"}}), 41011)
	wantCode(t, r.card("/card/create", tree{"card_type": "MEMBER_CARD"}), 41011)
}

func TestCard_BodiesAreReadStrictly(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id := r.create(nil, nil)
	for body, want := range map[string]int{
		``:                                       44002,
		`{`:                                      47001,
		`[]`:                                     47001,
		`{"card_id":5}`:                          47001,
		`{"card_id":"` + id + `"} x`:             47001,
		`{"card_id":"` + id + `","x":"\u4f1a"}`:  47002,
		`{"card_id":"` + id + `","x":"\\u4f1a"}`: 0,
		`{"card_id":"` + id + `","x":"会"}`:       0,
		`{"card_id":""}`:                         41012,
		`{"card_id":"pNone"}`:                    40073,
		"{\"card_id\":\"\xff\"}":                 47001,
	} {
		if got := r.card("/card/get", body); got.code() != want {
			t.Errorf("%q: got %v, want %d", body, got, want)
		}
	}
	wantCode(t, r.get("/card/get?access_token="+r.token()), 43002)
}

func TestCard_TheWrongAccountOrNoPermission(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	mini := r.stable(r.a.MiniProgram, false).text("access_token")
	got := r.post("/card/get?access_token="+mini, tree{"card_id": "p"})
	wantCode(t, got, 48001)
	if !strings.HasPrefix(got.text("errmsg"), "api unauthorized hint: [") {
		t.Errorf("errmsg %q", got.text("errmsg"))
	}
	r.do("PUT", "/_sim/guesses", tree{"card_permission": "denied"})
	wantCode(t, r.card("/card/get", tree{"card_id": "p"}), 48001)
}

func TestGetCard_ShowsWhatWasMade(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id := r.create(tree{"bind_openid": true, "title": "茶&卡<1>"}, nil)
	card := r.card("/card/get", tree{"card_id": id}).object("card")
	base := card.object("member_card").object("base_info")
	if card.text("card_type") != "MEMBER_CARD" || base.text("id") != id || base.text("title") != "茶&卡<1>" ||
		base["use_custom_code"] != true || base["bind_openid"] != true || base["need_push_on_view"] != false {
		t.Errorf("card %v", card)
	}
	if sku := base.object("sku"); sku.whole("quantity") != 100 || sku.whole("total_quantity") != 100 {
		t.Errorf("sku %v", sku)
	}
}

func TestBatchGet_PagesAndFilters(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	a, b, c := r.create(nil, nil), r.create(nil, nil), r.create(nil, nil)
	r.card("/card/delete", tree{"card_id": b})
	ids := func(body tree) []any {
		got := r.card("/card/batchget", body)
		wantCode(t, got, 0)
		return got["card_id_list"].([]any)
	}
	if got := ids(tree{"offset": 1, "count": 50}); !slices.Equal(got, []any{b, c}) {
		t.Errorf("from 1: %v", got)
	}
	if got := ids(tree{"offset": 0, "count": 10, "status_list": []string{"CARD_STATUS_VERIFY_OK"}}); !slices.Equal(got, []any{a, c}) {
		t.Errorf("approved: %v", got)
	}
	if got := ids(tree{"offset": 9, "count": 10}); len(got) != 0 {
		t.Errorf("past the end: %v", got)
	}
	wantCode(t, r.card("/card/batchget", tree{"offset": 0, "count": 51}), 40097)
	r.do("PUT", "/_sim/guesses", tree{"status_names": "user"})
	if got := ids(tree{"offset": 0, "count": 10, "status_list": []string{"CARD_STATUS_USER_DELETE"}}); !slices.Equal(got, []any{b}) {
		t.Errorf("deleted, other spelling: %v", got)
	}
}

func TestUpdateCard_ReviewAndWhatIsFixed(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id := r.create(nil, nil)
	update := func(member tree) reply { return r.card("/card/update", tree{"card_id": id, "member_card": member}) }
	if got := update(tree{"base_info": tree{"service_phone": "020-88888888"}}); got.code() != 0 || got["send_check"] != false {
		t.Errorf("phone: %v", got)
	}
	for name, c := range map[string]struct {
		member tree
		want   int
	}{
		"bind_openid":     {tree{"base_info": tree{"bind_openid": true}}, 40112},
		"use_custom_code": {tree{"base_info": tree{"use_custom_code": false}}, 40150},
		"sku":             {tree{"base_info": tree{"sku": tree{"quantity": 5}}}, 40150},
		"supply_bonus":    {tree{"supply_bonus": false}, 40135},
		"title too long":  {tree{"base_info": tree{"title": "一二三四五六七八九十"}}, 45021},
		"wrong type":      {tree{"base_info": "x"}, 47001},
	} {
		if got := update(c.member); got.code() != c.want {
			t.Errorf("%s: got %v, want %d", name, got, c.want)
		}
	}
	if got := update(tree{"base_info": tree{"title": "新卡"}}); got["send_check"] != true {
		t.Errorf("title: %v", got)
	}
	base := r.card("/card/get", tree{"card_id": id}).object("card").object("member_card").object("base_info")
	if base.text("title") != "新卡" || base.text("status") != "CARD_STATUS_NOT_VERIFY" || base.text("service_phone") != "020-88888888" {
		t.Errorf("after: %v", base)
	}
	auto := r.create(nil, tree{"activate_url": nil, "auto_activate": true})
	wantCode(t, r.card("/card/update", tree{"card_id": auto, "member_card": tree{"wx_activate": true}}), 40150)
}

func TestModifyStock(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id := r.create(nil, nil)
	for _, c := range []struct {
		body tree
		want int
	}{
		{tree{"increase_stock_value": 10}, 0},
		{tree{"reduce_stock_value": 60}, 0},
		{tree{"reduce_stock_value": 51}, 40122},
		{tree{"increase_stock_value": 99_999_950}, 0},
		{tree{"increase_stock_value": 1}, 40122},
		{tree{"reduce_stock_value": 99_999_950}, 0},
		{tree{"increase_stock_value": -1}, 40122},
		{tree{"increase_stock_value": "1"}, 47001},
	} {
		c.body["card_id"] = id
		if got := r.card("/card/modifystock", c.body); got.code() != c.want {
			t.Errorf("%v: got %v, want %d", c.body, got, c.want)
		}
	}
	sku := r.card("/card/get", tree{"card_id": id}).object("card").object("member_card").object("base_info").object("sku")
	if sku.whole("quantity") != 50 {
		t.Errorf("sku %v", sku)
	}
	r.card("/card/delete", tree{"card_id": id})
	wantCode(t, r.card("/card/modifystock", tree{"card_id": id, "increase_stock_value": 1}), 40078)
}

func TestTestWhitelist(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	ann, _ := r.sim.Person("ann")
	wantCode(t, r.card("/card/testwhitelist/set", tree{"openid": []string{ann.OpenID}, "username": []string{"bob"}}), 0)
	wantCode(t, r.card("/card/testwhitelist/set", tree{"openid": []string{ann.MiniOpenID}}), 40003)
	wantCode(t, r.card("/card/testwhitelist/set", tree{"username": slices.Repeat([]string{"x"}, 11)}), 40150)

	id := r.card("/card/create", memberCard(nil, nil)).text("card_id")
	ticket := r.ticket("wx_card")
	for user, words := range map[string]string{"ann": "addCard:ok", "bob": "addCard:ok", "cid": "addCard:fail 已领完"} {
		if got := r.add(user, id, r.ext(ticket, id, tree{"code": "C" + user})); got.text("errMsg") != words {
			t.Errorf("%s: %v", user, got)
		}
	}
}

func TestDeposit_StockFollowsTheCodes(t *testing.T) {
	t.Parallel()
	r := newRig(t, wechatsim.Options{})
	id := r.create(tree{"get_custom_code_mode": "GET_CUSTOM_CODE_MODE_DEPOSIT", "sku": tree{"quantity": 0}, "get_limit": 50}, nil)
	wantCode(t, r.card("/card/modifystock", tree{"card_id": id, "increase_stock_value": 1}), 40136)
	got := r.card("/card/code/deposit", tree{"card_id": id, "code": []string{"D1", "D2", strings.Repeat("9", 21)}})
	if len(got["succ_code"].([]any)) != 2 || len(got["fail_code"].([]any)) != 1 {
		t.Errorf("deposit: %v", got)
	}
	if got := r.card("/card/code/deposit", tree{"card_id": id, "code": []string{"D2"}}); len(got["duplicate_code"].([]any)) != 1 {
		t.Errorf("again: %v", got)
	}
	wantCode(t, r.card("/card/code/deposit", tree{"card_id": id, "code": []string{"E", "E"}}), 40111)
	wantCode(t, r.card("/card/code/deposit", tree{"card_id": id, "code": []string{""}}), 40110)
	wantCode(t, r.card("/card/code/deposit", tree{"card_id": id, "code": slices.Repeat([]string{"E"}, 101)}), 40109)
	if got := r.card("/card/code/checkcode", tree{"card_id": id, "code": []string{"D1", "D9"}}); len(got["exist_code"].([]any)) != 1 ||
		len(got["not_exist_code"].([]any)) != 1 {
		t.Errorf("checkcode: %v", got)
	}
	if got := r.card("/card/code/getdepositcount", tree{"card_id": id}); got.whole("count") != 2 {
		t.Errorf("count: %v", got)
	}
	wantCode(t, r.card("/card/modifystock", tree{"card_id": id, "increase_stock_value": 2}), 0)
	for i, want := range []string{"D1", "D2"} {
		r.mustAdd("ann", id, nil)
		if code := r.faces("ann")[i].text("code"); code != want {
			t.Errorf("card %d has code %s, want %s", i, code, want)
		}
	}
	says(t, r.add("ann", id, r.ext(r.ticket("wx_card"), id, nil)), "已领完", "out_of_stock")
	says(t, r.add("ann", id, r.ext(r.ticket("wx_card"), id, tree{"code": "D1"})), "参数错误", "code_unwanted")
}

// What WeChat's pages do not have is accepted and forgotten, or kept.
func TestCard_UnknownFields(t *testing.T) {
	t.Parallel()
	for _, choice := range []string{"dropped", "kept"} {
		r := newRig(t, wechatsim.Options{Assumptions: wechatsim.Assumptions{UnknownField: choice}})
		id := r.create(tree{"titel": "x"}, tree{"wallpaper": "x"})
		shown := fmt.Sprint(r.card("/card/get", tree{"card_id": id}))
		got := r.card("/card/update", tree{"card_id": id, "member_card": tree{"hologram": "x"}})
		if got.code() != 0 {
			t.Errorf("%s: %v", choice, got)
		}
		updated := fmt.Sprint(r.card("/card/get", tree{"card_id": id}))
		for name, in := range map[string]string{"titel": shown, "wallpaper": shown, "hologram": updated} {
			if kept := strings.Contains(in, name); kept != (choice == "kept") {
				t.Errorf("%s: %s is kept: %v", choice, name, kept)
			}
		}
	}
}
