package app_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
)

// operate sends one request of the operator.
func (s *server) operate(method, path string, body any, edit ...func(*http.Request)) answer {
	s.t.Helper()
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			s.t.Fatal(err)
		}
	}
	return request(s.t, method, s.admin+path, adminToken, raw, edit...)
}

func (a answer) is(t *testing.T, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("got %d %s, want %d", a.status, a.body, status)
	}
	return a
}

type object = map[string]any

// definition is a good card; edit changes it.
func definition(edit ...func(base, member object)) object {
	base := object{
		"logo_url": "http://mmbiz.qpic.cn/a/0", "brand_name": "示例", "code_type": "CODE_TYPE_TEXT", "title": "会员卡<&>😀"[:9], "color": "Color010",
		"notice": "出示", "description": "说明 <b>&</b> 😀", "sku": object{"quantity": 100}, "date_info": object{"type": "DATE_TYPE_PERMANENT"},
		"use_custom_code": false, "get_limit": 1, "can_share": false, "can_give_friend": false,
	}
	member := object{"base_info": base, "supply_bonus": true, "supply_balance": false, "prerogative": "特权", "activate_url": "https://shop.example/"}
	for _, f := range edit {
		f(base, member)
	}
	return object{"card": object{"card_type": "MEMBER_CARD", "member_card": member}}
}

func deposit(base, _ object) {
	base["use_custom_code"], base["get_custom_code_mode"], base["sku"] = true, "GET_CUSTOM_CODE_MODE_DEPOSIT", object{"quantity": 0}
}

func realTime(base, _ object) { base["use_custom_code"] = true }

// newCard creates a card by the operator's API and has it approved.
func (w *world) newCard(s *server, edit ...func(base, member object)) string {
	w.t.Helper()
	got := s.operate(http.MethodPost, "/v1/cards", definition(edit...))
	var made struct {
		CardID string `json:"card_id"`
	}
	got.json(w.t, &made)
	if got.status != http.StatusCreated || made.CardID == "" {
		w.t.Fatalf("create: %d %s", got.status, got.body)
	}
	if err := w.sim.Approve(made.CardID); err != nil {
		w.t.Fatal(err)
	}
	return made.CardID
}

func TestOperator_a_cards_whole_life(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	id := w.newCard(s)
	path := "/v1/cards/" + id

	var shown struct {
		CardID   string `json:"card_id"`
		Status   string
		Settings object
		WeChat   struct {
			MemberCard struct {
				BaseInfo object `json:"base_info"`
			} `json:"member_card"`
		}
	}
	s.operate(http.MethodGet, path, nil).is(t, 200).json(t, &shown)
	if shown.CardID != id || shown.Status != "CARD_STATUS_VERIFY_OK" || shown.WeChat.MemberCard.BaseInfo["description"] != "说明 <b>&</b> 😀" || shown.Settings["activate_on_claim"] != true {
		t.Errorf("shown: %+v", shown)
	}
	var list struct {
		Cards []struct {
			CardID   string `json:"card_id"`
			CodeMode string `json:"code_mode"`
			Quantity int64
		}
	}
	s.operate(http.MethodGet, "/v1/cards", nil).is(t, 200).json(t, &list)
	if len(list.Cards) != 1 || list.Cards[0].CardID != id || list.Cards[0].CodeMode != "system" || list.Cards[0].Quantity != 100 {
		t.Errorf("list: %+v", list)
	}

	var checked struct {
		SendCheck bool `json:"send_check"`
	}
	s.operate(http.MethodPatch, path, object{"member_card": object{"base_info": object{"title": "新卡"}}}).is(t, 200).json(t, &checked)
	if !checked.SendCheck {
		t.Error("a new title goes without review")
	}
	if err := w.sim.Approve(id); err != nil {
		t.Fatal(err)
	}
	s.operate(http.MethodPost, path+"/stock", object{"delta": -40}).is(t, 204)
	s.operate(http.MethodGet, "/v1/cards", nil).is(t, 200).json(t, &list)
	if list.Cards[0].Quantity != 60 {
		t.Errorf("stock: %+v", list.Cards[0])
	}
	s.operate(http.MethodPut, "/v1/test-whitelist", object{"openid": []string{}, "username": []string{"ming"}}).is(t, 204)

	s.operate(http.MethodPut, path+"/settings", object{"init_bonus": 100, "init_bonus_record": "开卡送"}).is(t, 200)
	var settings object
	s.operate(http.MethodPut, path+"/settings", object{"activate_on_claim": false}).is(t, 200).json(t, &settings)
	if fmt.Sprint(settings) != "map[activate_on_claim:false fixed_begintimestamp:false init_balance:0 init_bonus:100 init_bonus_record:开卡送]" {
		t.Errorf("settings: %v", settings)
	}

	s.operate(http.MethodDelete, path, nil).is(t, 204)
	token, _ := w.login(s, "ming")
	s.post("/v1/card-ext", token, want(id)).problem(t, 409, "card_not_claimable")
	s.operate(http.MethodDelete, "/v1/cards/pNone", nil).problem(t, 404, "card_not_found")
	s.operate(http.MethodGet, "/v1/cards/pNone", nil).problem(t, 404, "card_not_found")
	s.operate(http.MethodPut, "/v1/cards/pNone/settings", object{"init_bonus": 1}).problem(t, 404, "card_not_found")
}

// What can be known to be wrong is named, field by field, and WeChat is not asked.
func TestOperator_names_each_field_that_is_wrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	id, custom := w.newCard(s), w.newCard(s, realTime)
	w.sim.AddFault(wechatsim.Fault{Path: "/card/create", Times: -1, ErrCode: -1})
	const base = "body.card.member_card.base_info."
	for location, edit := range map[string]func(base, member object){
		base + "title":                             func(b, _ object) { b["title"] = strings.Repeat("卡", 10) },
		base + "brand_name":                        func(b, _ object) { delete(b, "brand_name") },
		base + "color":                             func(b, _ object) { b["color"] = "#123456" },
		base + "code_type":                         func(b, _ object) { b["code_type"] = "QR" },
		base + "logo_url":                          func(b, _ object) { b["logo_url"] = "https://shop.example/logo.png" },
		base + "sku.quantity":                      func(b, _ object) { b["sku"] = object{"quantity": "5"} },
		base + "date_info.type":                    func(b, _ object) { b["date_info"] = object{"type": "FOREVER"} },
		base + "get_limit":                         func(b, _ object) { b["get_limit"] = 51 },
		base + "get_custom_code_mode":              func(b, _ object) { b["get_custom_code_mode"] = "GET_CUSTOM_CODE_MODE_DEPOSIT" },
		base + "use_custom_code":                   func(b, _ object) { b["use_custom_code"] = "true" },
		"body.card.member_card":                    func(_, m object) { m["wx_activate"] = true },
		"body.card.member_card.prerogative":        func(_, m object) { delete(m, "prerogative") },
		"body.card.member_card.background_pic_url": func(_, m object) { m["background_pic_url"] = "https://shop.example/b.png" },
		"body.card.member_card.wx_activate_after_submit_url": func(_, m object) {
			delete(m, "activate_url")
			m["wx_activate"], m["wx_activate_after_submit"] = true, true
		},
	} {
		p := s.operate(http.MethodPost, "/v1/cards", definition(edit)).problem(t, 422, "invalid_input")
		if len(p.Errors) != 1 || p.Errors[0].Location != location {
			t.Errorf("%s: got %+v", location, p.Errors)
		}
	}
	for _, c := range []struct {
		method, path, location string
		body                   any
	}{
		{http.MethodPost, "/v1/cards", "body.card", object{"card": []int{1}}},
		{http.MethodPost, "/v1/cards", "body.card", object{}},
		{http.MethodPatch, "/v1/cards/" + id, "body.member_card.base_info.use_custom_code", object{"member_card": object{"base_info": object{"use_custom_code": true}}}},
		{http.MethodPatch, "/v1/cards/" + id, "body.member_card", object{"member_card": object{}}},
		{http.MethodPost, "/v1/cards/" + id + "/stock", "body.delta", object{"delta": 0}},
		{http.MethodPut, "/v1/cards/" + id + "/settings", "body.init_bonus", object{"init_bonus": -1}},
		{http.MethodPut, "/v1/cards/" + id + "/settings", "body.fixed_begintimestamp", object{"fixed_begintimestamp": true}},
		{http.MethodPut, "/v1/cards/" + id + "/activation-form", "path.card_id", object{"required_form": object{}}},
		{http.MethodPost, "/v1/cards/" + id + "/codes", "path.card_id", object{"codes": []string{"1"}}},
		{http.MethodPost, "/v1/cards/" + custom + "/qrcode", "body.code", object{"outer_str": "door"}},
		{http.MethodPost, "/v1/cards/" + custom + "/qrcode", "body.code", object{"code": "a b&"}},
		{http.MethodPost, "/v1/cards/" + id + "/qrcode", "body.expire_seconds", object{"expire_seconds": 59}},
		{http.MethodPost, "/v1/shelves", "body.card_list[0].card_id", object{"banner": "b", "page_title": "t", "scene": "SCENE_H5", "card_list": []any{object{"card_id": custom, "thumb_url": "u"}}}},
	} {
		p := s.operate(c.method, c.path, c.body).problem(t, 422, "invalid_input")
		if len(p.Errors) == 0 || p.Errors[0].Location != c.location {
			t.Errorf("%s %s: got %+v, want %s", c.method, c.path, p.Errors, c.location)
		}
	}
	if n := w.sim.Calls()["/card/create"].Total; n != 2 {
		t.Errorf("/card/create was called %d times", n)
	}
}

func TestOperator_hears_WeChat_s_refusals_in_its_words(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	id := w.newCard(s)
	fault := func(path string, code int) {
		t.Helper()
		if err := w.sim.AddFault(wechatsim.Fault{Path: path, ErrCode: code}); err != nil {
			t.Fatal(err)
		}
	}
	fault("/card/create", 40151)
	if p := s.operate(http.MethodPost, "/v1/cards", definition()).problem(t, 422, "wechat_refused"); !strings.Contains(p.Detail, "40151") || strings.Contains(p.Detail, "hint") {
		t.Errorf("detail: %s", p.Detail)
	}
	for _, code := range []int{48001, 40164, 45009} {
		fault("/card/modifystock", code)
		if p := s.operate(http.MethodPost, "/v1/cards/"+id+"/stock", object{"delta": 1}).problem(t, 503, "wechat_unavailable"); !strings.Contains(p.Detail, fmt.Sprint(code)) {
			t.Errorf("detail: %s", p.Detail)
		}
	}
	s.operate(http.MethodPost, "/v1/cards/"+id+"/codes/123/unavailable", object{}).problem(t, 404, "code_not_found")
}

// A card whose creation was answered with silence is found, not made twice.
func TestOperator_creates_one_card_whatever_the_answer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	w.newCard(s)
	for _, when := range []string{"after", "before"} {
		if err := w.sim.AddFault(wechatsim.Fault{Path: "/card/create", Drop: true, When: when}); err != nil {
			t.Fatal(err)
		}
		got := s.operate(http.MethodPost, "/v1/cards", definition())
		if when == "after" {
			got.is(t, 201)
		} else {
			got.problem(t, 503, "wechat_unavailable")
		}
	}
	var list struct{ Cards []object }
	got := request(t, http.MethodGet, w.wechat.URL+"/_sim/cards", "", nil)
	if got.json(t, &list); len(list.Cards) != 2 {
		t.Errorf("WeChat has %d cards, want 2", len(list.Cards))
	}
}

// Whoever repeats a creation that was not answered gets the card that was made,
// though WeChat could not be searched the first time and the picture has
// another URL by now. Once that is answered, another card like it is another.
func TestOperator_repeats_a_creation_without_fear(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	create := func(logo string) answer {
		return s.operate(http.MethodPost, "/v1/cards", definition(func(base, _ object) { base["logo_url"] = logo }))
	}
	for _, f := range []wechatsim.Fault{{Path: "/card/create", Drop: true, When: "after"}, {Path: "/card/batchget", Skip: 1, Times: -1, ErrCode: -1}} {
		if err := w.sim.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	create("http://mmbiz.qpic.cn/a/0").problem(t, 503, "wechat_unavailable")
	request(t, http.MethodDelete, w.wechat.URL+"/_sim/faults", "", nil).is(t, 200)
	s = w.serve() // by another process, even
	create("http://mmbiz.qpic.cn/b/0").is(t, 201)
	if n := w.sim.Calls()["/card/create"].Total; n != 1 {
		t.Errorf("WeChat was asked for %d cards, want 1", n)
	}
	create("http://mmbiz.qpic.cn/b/0").is(t, 201)
	if n := w.sim.Calls()["/card/create"].Total; n != 2 {
		t.Errorf("WeChat was asked for %d cards, want 2", n)
	}
}

func TestOperator_is_told_that_the_stock_may_have_changed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	id := w.newCard(s)
	if err := w.sim.AddFault(wechatsim.Fault{Path: "/card/modifystock", Drop: true, When: "after"}); err != nil {
		t.Fatal(err)
	}
	p := s.operate(http.MethodPost, "/v1/cards/"+id+"/stock", object{"delta": 5}).problem(t, 503, "wechat_unavailable")
	if !strings.Contains(p.Detail, "look at the card") {
		t.Errorf("detail: %s", p.Detail)
	}
}

func TestOperator_pictures_QR_codes_and_shelves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewRGBA(image.Rect(0, 0, 4, 4))); err != nil {
		t.Fatal(err)
	}
	as := func(kind string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Content-Type", kind) }
	}
	var up struct{ URL string }
	request(t, http.MethodPost, s.admin+"/v1/images", adminToken, picture.Bytes(), as("image/png")).is(t, 201).json(t, &up)
	request(t, http.MethodPost, s.admin+"/v1/images", adminToken, picture.Bytes(), as("application/json")).problem(t, 415, "unsupported_media_type")
	request(t, http.MethodPost, s.admin+"/v1/images", adminToken, []byte("GIF89a"), as("image/png")).problem(t, 422, "invalid_input")
	request(t, http.MethodPost, s.admin+"/v1/images", "", picture.Bytes(), as("image/png")).problem(t, 401, "admin_token_invalid")
	id := w.newCard(s, func(base, member object) { base["logo_url"], member["background_pic_url"] = up.URL, up.URL })

	var code struct {
		Ticket, URL   string
		ShowQRCodeURL string `json:"show_qrcode_url"`
	}
	s.operate(http.MethodPost, "/v1/cards/"+id+"/qrcode", object{"outer_str": "门口 &=+"}).is(t, 200).json(t, &code)
	if code.URL == "" || code.Ticket == "" || code.ShowQRCodeURL == "" {
		t.Errorf("QR: %+v", code)
	}
	got := s.operate(http.MethodPost, "/v1/cards/"+id+"/qrcode", object{}, func(r *http.Request) { r.Header.Set("Accept", "image/png") }).is(t, 200)
	if _, err := png.Decode(bytes.NewReader(got.body)); err != nil || got.header.Get("Content-Type") != "image/png" {
		t.Errorf("PNG: %v, %s", err, got.header.Get("Content-Type"))
	}
	var page struct {
		URL    string
		PageID int64 `json:"page_id"`
	}
	s.operate(http.MethodPost, "/v1/shelves", object{"banner": up.URL, "page_title": "店", "can_share": true, "scene": "SCENE_H5",
		"card_list": []any{object{"card_id": id, "thumb_url": up.URL}}}).is(t, 201).json(t, &page)
	if page.URL == "" || page.PageID == 0 {
		t.Errorf("shelf: %+v", page)
	}
}

func TestOperator_deposits_250_codes_of_which_37_are_refused_and_batch_2_dies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	id := w.newCard(s, deposit)
	codes := make([]string, 250)
	for i := range codes {
		codes[i] = fmt.Sprintf("%016d", 7_000_000_000_000_000+i)
		if i%6 == 0 && i/6 < 37 {
			codes[i] += "bad-code-that-is-too-long"
		}
	}
	// Batch 2 is taken, and its answer lost; batch 3 does not arrive, once.
	for _, f := range []wechatsim.Fault{{Path: "/card/code/deposit", Skip: 1, Drop: true, When: "after"}, {Path: "/card/code/deposit", Skip: 1, Drop: true}} {
		if err := w.sim.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	type result struct {
		Deposited int
		Results   []struct{ Code, Result, Reason string }
	}
	count := func(r result) map[string]int {
		n := map[string]int{}
		for i, one := range r.Results {
			if n[one.Result]++; one.Code != codes[i] || one.Result != "deposited" && one.Reason == "" {
				t.Errorf("result %d: %+v", i, one)
			}
		}
		return n
	}
	var first, again result
	s.operate(http.MethodPost, "/v1/cards/"+id+"/codes", object{"codes": codes}).is(t, 200).json(t, &first)
	if n := count(first); n["deposited"] != 213 || n["refused"] != 37 || first.Deposited != 213 {
		t.Errorf("first: %v", n)
	}
	s.operate(http.MethodPost, "/v1/cards/"+id+"/codes", object{"codes": codes}).is(t, 200).json(t, &again)
	if n := count(again); n["duplicate"] != 213 || n["refused"] != 37 {
		t.Errorf("again: %v", n)
	}
	var list struct{ Cards []struct{ Quantity int64 } }
	s.operate(http.MethodGet, "/v1/cards", nil).is(t, 200).json(t, &list)
	if list.Cards[0].Quantity != 213 {
		t.Errorf("stock: %+v, want as many as were deposited", list)
	}
	// WeChat picks the code: there is none in the cardExt.
	token, _ := w.login(s, "ming")
	got := s.post("/v1/card-ext", token, want(id))
	if ext := exts(t, got)[0]; ext.Code != "" {
		t.Errorf("cardExt has the code %s", ext.Code)
	}
	if _, err := w.sim.AddCard("ming", got.body); err != nil {
		t.Error(err)
	}
}

// The stock follows the codes also when its answer is lost, or when another
// deposit raises it in between.
func TestOperator_deposits_raise_the_stock_once(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	id := w.newCard(s, deposit)
	fault := func(f wechatsim.Fault) {
		t.Helper()
		f.Path = "/card/modifystock"
		if err := w.sim.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	send := func(codes ...string) answer {
		return s.operate(http.MethodPost, "/v1/cards/"+id+"/codes", object{"codes": codes})
	}
	fault(wechatsim.Fault{Drop: true, When: "after"})
	send("A1", "A2").is(t, 200)

	counted := func() int { return w.sim.Calls()["/card/code/getdepositcount"].Total }
	before := counted()
	fault(wechatsim.Fault{LatencyMS: 1000})
	first := make(chan answer)
	go func() { first <- send("A3") }()
	eventually(t, "the first is about to raise", func() bool { return counted() > before })
	send("A3").is(t, 200)
	(<-first).is(t, 200)

	var list struct{ Cards []struct{ Quantity int64 } }
	s.operate(http.MethodGet, "/v1/cards", nil).is(t, 200).json(t, &list)
	if list.Cards[0].Quantity != 3 {
		t.Errorf("stock: %+v, want 3", list)
	}
}

// Also when WeChat's answer was lost the first time: it refuses the second.
func TestOperator_ends_a_code(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	id := w.newCard(s, realTime)
	token, _ := w.login(s, "ming")
	got := s.post("/v1/card-ext", token, want(id))
	added, err := w.sim.AddCard("ming", got.body)
	if err != nil {
		t.Fatal(err)
	}
	s.post("/v1/claims", token, object{"cardList": added}).is(t, 200)
	code := exts(t, got)[0].Code
	if err := w.sim.AddFault(wechatsim.Fault{Path: "/card/code/unavailable", Drop: true, When: "after"}); err != nil {
		t.Fatal(err)
	}
	s.operate(http.MethodPost, "/v1/cards/"+id+"/codes/"+code+"/unavailable", object{"reason": "lost"}).problem(t, 503, "wechat_unavailable")
	s.operate(http.MethodPost, "/v1/cards/"+id+"/codes/"+code+"/unavailable", object{"reason": "lost"}).is(t, 204)
	var me struct {
		Cards []struct{ Code, Status string }
	}
	s.get("/v1/me", token).json(t, &me)
	if len(me.Cards) != 1 || me.Cards[0].Status != "unavailable" {
		t.Errorf("me: %+v", me)
	}
	if fresh := exts(t, s.post("/v1/card-ext", token, want(id)))[0].Code; fresh == code {
		t.Error("the ended code was signed again")
	}
}

// The review's events and the live look both reach the catalogue.
func TestOperator_review(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	s := w.serve()
	got := s.operate(http.MethodPost, "/v1/cards", definition()).is(t, 201)
	var made struct {
		CardID string `json:"card_id"`
	}
	got.json(t, &made)
	token, _ := w.login(s, "ming")
	s.post("/v1/card-ext", token, want(made.CardID)).is(t, 200) // testers take it in review
	res := request(t, http.MethodPost, w.wechat.URL+"/_sim/cards/"+made.CardID+"/reject", "", []byte(`{"reason":"blurred"}`))
	res.is(t, 200)
	var shown struct{ Status string }
	s.operate(http.MethodGet, "/v1/cards/"+made.CardID, nil).is(t, 200).json(t, &shown)
	if shown.Status != "CARD_STATUS_VERIFY_FAIL" {
		t.Errorf("status %s", shown.Status)
	}
	s.post("/v1/card-ext", token, want(made.CardID)).problem(t, 409, "card_not_claimable")
}
