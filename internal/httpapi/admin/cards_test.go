package admin_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

func TestOperator_ACardsWholeLife(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id := w.NewCard(s)
	path := "/v1/cards/" + id

	var shown struct {
		CardID   string `json:"card_id"`
		Status   string
		Settings apptest.Object
		WeChat   struct {
			MemberCard struct {
				BaseInfo apptest.Object `json:"base_info"`
			} `json:"member_card"`
		}
	}
	s.Operate(http.MethodGet, path, nil).Is(t, 200).JSON(t, &shown)
	if shown.CardID != id || shown.Status != "CARD_STATUS_VERIFY_OK" || shown.WeChat.MemberCard.BaseInfo["description"] != "说明 <b>&</b> 😀" ||
		shown.Settings["activate_on_claim"] != true {
		t.Errorf("shown: %+v", shown)
	}
	var list struct {
		Cards []struct {
			CardID   string `json:"card_id"`
			CodeMode string `json:"code_mode"`
			Quantity int64
		}
	}
	s.Operate(http.MethodGet, "/v1/cards", nil).Is(t, 200).JSON(t, &list)
	if len(list.Cards) != 1 || list.Cards[0].CardID != id || list.Cards[0].CodeMode != "system" || list.Cards[0].Quantity != 100 {
		t.Errorf("list: %+v", list)
	}

	var checked struct {
		SendCheck bool `json:"send_check"`
	}
	title := apptest.Object{"base_info": apptest.Object{"title": "新卡"}}
	s.Operate(http.MethodPatch, path, apptest.Object{"member_card": title}).Is(t, 200).JSON(t, &checked)
	if !checked.SendCheck {
		t.Error("a new title goes without review")
	}
	if err := w.Sim.Approve(id); err != nil {
		t.Fatal(err)
	}
	s.Operate(http.MethodPost, path+"/stock", apptest.Object{"delta": -40}).Is(t, 204)
	s.Operate(http.MethodGet, "/v1/cards", nil).Is(t, 200).JSON(t, &list)
	if list.Cards[0].Quantity != 60 {
		t.Errorf("stock: %+v", list.Cards[0])
	}
	s.Operate(http.MethodPut, "/v1/test-whitelist", apptest.Object{"openid": []string{}, "username": []string{"ming"}}).Is(t, 204)

	s.Operate(http.MethodPut, path+"/settings", apptest.Object{"init_bonus": 100, "init_bonus_record": "开卡送"}).Is(t, 200)
	var settings apptest.Object
	s.Operate(http.MethodPut, path+"/settings", apptest.Object{"activate_on_claim": false}).Is(t, 200).JSON(t, &settings)
	if fmt.Sprint(settings) != "map[activate_on_claim:false fixed_begintimestamp:false init_balance:0 init_bonus:100 init_bonus_record:开卡送]" {
		t.Errorf("settings: %v", settings)
	}

	s.Operate(http.MethodDelete, path, nil).Is(t, 204)
	token, _ := w.Login(s, "ming")
	s.Post("/v1/card-ext", token, apptest.CardIDs(id)).Problem(t, 409, "card_not_claimable")
	s.Operate(http.MethodDelete, "/v1/cards/pNone", nil).Problem(t, 404, "card_not_found")
	s.Operate(http.MethodGet, "/v1/cards/pNone", nil).Problem(t, 404, "card_not_found")
	s.Operate(http.MethodPut, "/v1/cards/pNone/settings", apptest.Object{"init_bonus": 1}).Problem(t, 404, "card_not_found")
}

// Fields that are known to be wrong are named, and WeChat is not asked.
func TestOperator_NamesEachFieldThatIsWrong(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id, custom := w.NewCard(s), w.NewCard(s, apptest.RealTime)
	w.Sim.AddFault(wechatsim.Fault{Path: "/card/create", Times: -1, ErrCode: -1})
	const base = "body.card.member_card.base_info."
	for location, edit := range map[string]func(base, member apptest.Object){
		base + "title":                             func(b, _ apptest.Object) { b["title"] = strings.Repeat("卡", 10) },
		base + "brand_name":                        func(b, _ apptest.Object) { delete(b, "brand_name") },
		base + "color":                             func(b, _ apptest.Object) { b["color"] = "#123456" },
		base + "code_type":                         func(b, _ apptest.Object) { b["code_type"] = "QR" },
		base + "logo_url":                          func(b, _ apptest.Object) { b["logo_url"] = "https://shop.example/logo.png" },
		base + "sku.quantity":                      func(b, _ apptest.Object) { b["sku"] = apptest.Object{"quantity": "5"} },
		base + "date_info.type":                    func(b, _ apptest.Object) { b["date_info"] = apptest.Object{"type": "FOREVER"} },
		base + "get_limit":                         func(b, _ apptest.Object) { b["get_limit"] = 51 },
		base + "get_custom_code_mode":              func(b, _ apptest.Object) { b["get_custom_code_mode"] = "GET_CUSTOM_CODE_MODE_DEPOSIT" },
		base + "use_custom_code":                   func(b, _ apptest.Object) { b["use_custom_code"] = "true" },
		"body.card.member_card":                    func(_, m apptest.Object) { m["wx_activate"] = true },
		"body.card.member_card.prerogative":        func(_, m apptest.Object) { delete(m, "prerogative") },
		"body.card.member_card.background_pic_url": func(_, m apptest.Object) { m["background_pic_url"] = "https://shop.example/b.png" },
		"body.card.member_card.wx_activate_after_submit_url": func(_, m apptest.Object) {
			delete(m, "activate_url")
			m["wx_activate"], m["wx_activate_after_submit"] = true, true
		},
	} {
		p := s.Operate(http.MethodPost, "/v1/cards", apptest.Definition(edit)).Problem(t, 422, "invalid_input")
		if len(p.Errors) != 1 || p.Errors[0].Location != location {
			t.Errorf("%s: got %+v", location, p.Errors)
		}
	}
	for _, c := range []struct {
		method, path, location string
		body                   any
	}{
		{http.MethodPost, "/v1/cards", "body.card", apptest.Object{"card": []int{1}}},
		{http.MethodPost, "/v1/cards", "body.card", apptest.Object{}},
		{http.MethodPatch, "/v1/cards/" + id, "body.member_card.base_info.use_custom_code",
			apptest.Object{"member_card": apptest.Object{"base_info": apptest.Object{"use_custom_code": true}}}},
		{http.MethodPatch, "/v1/cards/" + id, "body.member_card", apptest.Object{"member_card": apptest.Object{}}},
		{http.MethodPost, "/v1/cards/" + id + "/stock", "body.delta", apptest.Object{"delta": 0}},
		{http.MethodPut, "/v1/cards/" + id + "/settings", "body.init_bonus", apptest.Object{"init_bonus": -1}},
		{http.MethodPut, "/v1/cards/" + id + "/settings", "body.init_bonus_record", apptest.Object{"init_bonus_record": "a\x00"}},
		{http.MethodPut, "/v1/cards/" + id + "/settings", "body.fixed_begintimestamp", apptest.Object{"fixed_begintimestamp": true}},
		{http.MethodPut, "/v1/cards/" + id + "/activation-form", "path.card_id", apptest.Object{"required_form": apptest.Object{}}},
		{http.MethodPost, "/v1/cards/" + id + "/codes", "path.card_id", apptest.Object{"codes": []string{"1"}}},
		{http.MethodPost, "/v1/cards/" + custom + "/qrcode", "body.code", apptest.Object{"outer_str": "door"}},
		{http.MethodPost, "/v1/cards/" + custom + "/qrcode", "body.code", apptest.Object{"code": "a b&"}},
		{http.MethodPost, "/v1/cards/" + id + "/qrcode", "body.expire_seconds", apptest.Object{"expire_seconds": 59}},
		{http.MethodPost, "/v1/shelves", "body.card_list[0].card_id",
			apptest.Object{"banner": "b", "page_title": "t", "scene": "SCENE_H5",
				"card_list": []any{apptest.Object{"card_id": custom, "thumb_url": "u"}}}},
	} {
		p := s.Operate(c.method, c.path, c.body).Problem(t, 422, "invalid_input")
		if len(p.Errors) == 0 || p.Errors[0].Location != c.location {
			t.Errorf("%s %s: got %+v, want %s", c.method, c.path, p.Errors, c.location)
		}
	}
	if n := w.Sim.Calls()["/card/create"].Total; n != 2 {
		t.Errorf("/card/create was called %d times", n)
	}
}

func TestOperator_HearsWeChatSRefusalsInItsWords(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id := w.NewCard(s)
	fault := func(path string, code int) {
		t.Helper()
		if err := w.Sim.AddFault(wechatsim.Fault{Path: path, ErrCode: code}); err != nil {
			t.Fatal(err)
		}
	}
	fault("/card/create", 40151)
	p := s.Operate(http.MethodPost, "/v1/cards", apptest.Definition()).Problem(t, 422, "wechat_refused")
	if !strings.Contains(p.Detail, "40151") || strings.Contains(p.Detail, "hint") {
		t.Errorf("detail: %s", p.Detail)
	}
	for _, code := range []int{48001, 40164, 45009} {
		fault("/card/modifystock", code)
		p := s.Operate(http.MethodPost, "/v1/cards/"+id+"/stock", apptest.Object{"delta": 1}).Problem(t, 503, "wechat_unavailable")
		if !strings.Contains(p.Detail, fmt.Sprint(code)) {
			t.Errorf("detail: %s", p.Detail)
		}
	}
	s.Operate(http.MethodPost, "/v1/cards/"+id+"/codes/123/unavailable", apptest.Object{}).Problem(t, 404, "code_not_found")
}

// A card is not created twice when the answer to its creation was lost.
func TestOperator_CreatesOneCardWhateverTheAnswer(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	w.NewCard(s)
	for _, when := range []string{"after", "before"} {
		if err := w.Sim.AddFault(wechatsim.Fault{Path: "/card/create", Drop: true, When: when}); err != nil {
			t.Fatal(err)
		}
		got := s.Operate(http.MethodPost, "/v1/cards", apptest.Definition())
		if when == "after" {
			got.Is(t, 201)
		} else {
			got.Problem(t, 503, "wechat_unavailable")
		}
	}
	var list struct{ Cards []apptest.Object }
	got := apptest.Request(t, http.MethodGet, w.WeChat.URL+"/_sim/cards", "", nil)
	if got.JSON(t, &list); len(list.Cards) != 2 {
		t.Errorf("WeChat has %d cards, want 2", len(list.Cards))
	}
}

// Repeating a creation without an answer returns the card that was created, even
// if the account could not be searched the first time and the picture has another
// URL now. After an answer, the same request creates another card.
func TestOperator_RepeatsACreationWithoutFear(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	create := func(logo string) apptest.Answer {
		return s.Operate(http.MethodPost, "/v1/cards", apptest.Definition(func(base, _ apptest.Object) { base["logo_url"] = logo }))
	}
	for _, f := range []wechatsim.Fault{{Path: "/card/create", Drop: true, When: "after"},
		{Path: "/card/batchget", Skip: 1, Times: -1, ErrCode: -1}} {
		if err := w.Sim.AddFault(f); err != nil {
			t.Fatal(err)
		}
	}
	create("http://mmbiz.qpic.cn/a/0").Problem(t, 503, "wechat_unavailable")
	apptest.Request(t, http.MethodDelete, w.WeChat.URL+"/_sim/faults", "", nil).Is(t, 200)
	s = w.Serve() // by another process, even
	create("http://mmbiz.qpic.cn/b/0").Is(t, 201)
	if n := w.Sim.Calls()["/card/create"].Total; n != 1 {
		t.Errorf("WeChat was asked for %d cards, want 1", n)
	}
	create("http://mmbiz.qpic.cn/b/0").Is(t, 201)
	if n := w.Sim.Calls()["/card/create"].Total; n != 2 {
		t.Errorf("WeChat was asked for %d cards, want 2", n)
	}
}

func TestOperator_IsToldThatTheStockMayHaveChanged(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id := w.NewCard(s)
	if err := w.Sim.AddFault(wechatsim.Fault{Path: "/card/modifystock", Drop: true, When: "after"}); err != nil {
		t.Fatal(err)
	}
	p := s.Operate(http.MethodPost, "/v1/cards/"+id+"/stock", apptest.Object{"delta": 5}).Problem(t, 503, "wechat_unavailable")
	if !strings.Contains(p.Detail, "look at the card") {
		t.Errorf("detail: %s", p.Detail)
	}
}

// The catalogue follows the review, by its events and by reading the card.
func TestOperator_Review(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	got := s.Operate(http.MethodPost, "/v1/cards", apptest.Definition()).Is(t, 201)
	var made struct {
		CardID string `json:"card_id"`
	}
	got.JSON(t, &made)
	token, _ := w.Login(s, "ming")
	s.Post("/v1/card-ext", token, apptest.CardIDs(made.CardID)).Is(t, 200) // testers take it in review
	res := apptest.Request(t, http.MethodPost, w.WeChat.URL+"/_sim/cards/"+made.CardID+"/reject", "", []byte(`{"reason":"blurred"}`))
	res.Is(t, 200)
	var shown struct{ Status string }
	s.Operate(http.MethodGet, "/v1/cards/"+made.CardID, nil).Is(t, 200).JSON(t, &shown)
	if shown.Status != "CARD_STATUS_VERIFY_FAIL" {
		t.Errorf("status %s", shown.Status)
	}
	s.Post("/v1/card-ext", token, apptest.CardIDs(made.CardID)).Problem(t, 409, "card_not_claimable")
}
