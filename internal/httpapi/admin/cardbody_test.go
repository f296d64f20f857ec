package admin_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// Symptom: the reason that WeChat gives for a refusal was stored and shown nowhere.
func TestOperator_ReadsWhyACardWasRefused(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	w.Connect(s)
	id := w.NewCard(s)
	type shownCard struct {
		Status       string
		RefuseReason string `json:"refuse_reason"`
	}
	show := func(s *apptest.Server, want shownCard) {
		t.Helper()
		var list struct{ Cards []shownCard }
		var shown shownCard
		s.Operate(http.MethodGet, "/v1/cards", nil).Is(t, 200).JSON(t, &list)
		s.Operate(http.MethodGet, "/v1/cards/"+id, nil).Is(t, 200).JSON(t, &shown)
		if shown != want || len(list.Cards) != 1 || list.Cards[0] != want {
			t.Errorf("shown %+v, listed %+v, want %+v", shown, list.Cards, want)
		}
	}
	w.Control("cards/"+id+"/reject", apptest.Object{"reason": "logo 模糊"}).Is(t, 200)
	w.WaitEvents()
	show(s, shownCard{"CARD_STATUS_VERIFY_FAIL", "logo 模糊"})
	show(w.Serve(), shownCard{"CARD_STATUS_VERIFY_FAIL", "logo 模糊"})
	if n := strings.Count(w.Log(), "card refused in review"); n != 1 || !strings.Contains(w.Log(), "logo 模糊") {
		t.Errorf("logged %d times", n)
	}
	if err := w.Sim.Approve(id); err != nil {
		t.Fatal(err)
	}
	w.WaitEvents()
	show(s, shownCard{Status: "CARD_STATUS_VERIFY_OK"})
}

// The samples on WeChat's pages are accepted, and texts as WeChat returns them.
func TestOperator_AcceptsWhatWeChatAccepts(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(base, member apptest.Object){
		"CRLF and tabs": func(b, m apptest.Object) {
			b["description"], m["prerogative"], b["notice"] = "一\r\n二\t三\n四", "a\r\nb", "x\ty"
		},
		"auto_activate with activate_url": func(_, m apptest.Object) { m["auto_activate"] = true },
		"a picture of mmecoa":             func(b, _ apptest.Object) { b["logo_url"] = "https://mmecoa.qpic.cn/a/0" },
		"a picture of wx.qlogo.cn over https, in capitals": func(_, m apptest.Object) {
			m["background_pic_url"] = "https://MMBIZ.qlogo.cn/a/0?wx_fmt=png"
		},
		"fields of WeChat's sample": func(b, m apptest.Object) {
			b["location_id_list"], b["sub_title"], b["use_dynamic_code"] = []int{123}, "副", false
			b["pay_info"] = apptest.Object{"swipe_card": apptest.Object{"is_swipe_card": true}}
			m["advanced_info"] = apptest.Object{
				"use_condition":    apptest.Object{"accept_category": "鞋类", "can_use_with_other_discount": true},
				"abstract":         apptest.Object{"abstract": "x", "icon_url_list": []string{"http://mmbiz.qpic.cn/a"}},
				"text_image_list":  []apptest.Object{{"image_url": "http://mmbiz.qpic.cn/a", "text": "x"}},
				"time_limit":       []apptest.Object{{"type": "MONDAY", "begin_hour": 0, "end_hour": 10}},
				"business_service": []string{"BIZ_SERVICE_FREE_WIFI"},
			}
			m["custom_cell1"] = apptest.Object{"name": "使用入口2", "tips": "激活后显示", "url": "http://www.qq.com"}
			m["bonus_rule"] = apptest.Object{"cost_money_unit": 100, "increase_bonus": 1}
		},
		"a field of tomorrow": func(b, m apptest.Object) { b["hologram"], m["wallpaper"] = "x", apptest.Object{"a": 1} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := apptest.New(t, wechatsim.Options{})
			s := w.Serve()
			w.NewCard(s, edit)
			if ignored := strings.Contains(w.Log(), "WeChat has ignored"); ignored != (name == "a field of tomorrow") {
				t.Errorf("the log says that WeChat ignored fields: %v", ignored)
			}
		})
	}
}

// Symptom: a picture that uploadimg itself had returned was refused.
func TestOperator_TrustsTheHostOfAnUploadedPicture(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"https://mmbiz.qpic.cn", "http://mmbiz.qlogo.cn", "https://mmecoa.qpic.cn", "https://pic.wechat.example"} {
		t.Run(host, func(t *testing.T) {
			t.Parallel()
			w := apptest.New(t, wechatsim.Options{Assumptions: wechatsim.Assumptions{ImageURL: host}})
			s := w.Serve()
			var uploaded struct{ URL string }
			apptest.Request(t, http.MethodPost, s.Admin+"/v1/images", apptest.AdminToken, []byte("\x89PNG\r\n\x1a\n0123456789"),
				func(r *http.Request) { r.Header.Set("Content-Type", "image/png") }).Is(t, 201).JSON(t, &uploaded)
			if !strings.HasPrefix(uploaded.URL, host+"/") {
				t.Errorf("uploaded to %s", uploaded.URL)
			}
			s = w.Serve() // another replica
			id := w.NewCard(s, func(b, m apptest.Object) { b["logo_url"], m["background_pic_url"] = uploaded.URL, uploaded.URL })
			s.Operate(http.MethodPatch, "/v1/cards/"+id, apptest.Object{"member_card": apptest.Object{
				"background_pic_url": "https://qpic.cn.shop.example/a"}}).Problem(t, 422, "invalid_input")
		})
	}
}

// Symptom: a misspelt name was accepted, "changed" and changed nothing.
func TestOperator_NamesMisspeltFields(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id := w.NewCard(s)
	type O = apptest.Object
	for _, c := range []struct {
		body           any
		location, says string
	}{
		{O{"member_card": O{"base_info": O{"titel": "新"}}}, "body.member_card.base_info.titel", "did you mean title?"},
		{O{"member_card": O{"base_info": O{"Title": "新"}}}, "body.member_card.base_info.Title", "did you mean title?"},
		{O{"member_card": O{"base_info": O{"brandName": "新"}}}, "body.member_card.base_info.brandName", "did you mean brand_name?"},
		{O{"member_card": O{"base_info": O{"phone": "1"}}}, "body.member_card.base_info.phone", "did you mean service_phone?"},
		{O{"member_card": O{"baseinfo": O{"title": "新"}}}, "body.member_card.baseinfo", "did you mean base_info?"},
		{O{"member_card": O{"title": "新"}}, "body.member_card.title", "belongs in member_card.base_info"},
		{O{"member_card": O{"base_info": O{"prerogative": "新"}}}, "body.member_card.base_info.prerogative", "belongs in member_card"},
		{O{"member_card": O{"prerogativ": "新"}}, "body.member_card.prerogativ", "did you mean prerogative?"},
		{O{"member_card": O{"custom_field1": O{"nametype": "新"}}}, "body.member_card.custom_field1.nametype", "did you mean name_type?"},
		{O{"member_card": O{"wallpaper": "新"}}, "body.member_card.wallpaper", "is not a field of WeChat's"},
		{O{"member_card": O{"base_info": O{}}}, "body.member_card", "changes nothing"},
		{O{"member_card": O{"base_info": O{"title": "新"}}, "card_id": "pOther"}, "path.card_id", "differs from the card_id in the body"},
		{O{"card": O{"card_id": "pOther", "member_card": O{"notice": "新"}}}, "path.card_id", "differs from the card_id in the body"},
		{O{"member_card": O{"base_info": O{"id": "pOther", "title": "新"}}}, "body.member_card.base_info.id", "is set by WeChat"},
		{O{"card": O{"card_type": "GROUPON", "member_card": O{"prerogative": "a"}}}, "body.card_type", "must be MEMBER_CARD"},
		{O{"member_crad": O{"prerogative": "a"}}, "body.member_crad", ""},
	} {
		p := s.Operate(http.MethodPatch, "/v1/cards/"+id, c.body).Problem(t, 422, "invalid_input")
		if len(p.Errors) == 0 || p.Errors[0].Location != c.location || !strings.Contains(p.Errors[0].Message, c.says) {
			t.Errorf("%v: got %+v, want %s %s", c.body, p.Errors, c.location, c.says)
		}
	}
	if n := w.Sim.Calls()["/card/update"].Total; n != 1 { // the wallpaper
		t.Errorf("/card/update was called %d times", n)
	}
	p := s.Operate(http.MethodPost, "/v1/cards", apptest.Definition(func(b, _ O) {
		delete(b, "title")
		b["titel"] = "a"
	})).Problem(t, 422, "invalid_input")
	if len(p.Errors) != 2 || p.Errors[0].Location != "body.card.member_card.base_info.titel" {
		t.Errorf("create: %+v", p.Errors)
	}
}

// The forms of an update: the fields alone, and WeChat's own.
func TestOperator_AcceptsWeChatSEnvelopes(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id := w.NewCard(s)
	type O = apptest.Object
	for i, body := range []O{
		{"member_card": O{"prerogative": "甲"}},
		{"card_id": id, "member_card": O{"prerogative": "乙"}},
		{"card": O{"card_type": "MEMBER_CARD", "member_card": O{"prerogative": "丙", "base_info": O{"id": id, "notice": "新"}}}},
		{"card_type": "MEMBER_CARD", "member_card": O{"prerogative": "丁"}},
	} {
		var changed, again struct{ Changed bool }
		s.Operate(http.MethodPatch, "/v1/cards/"+id, body).Is(t, 200).JSON(t, &changed)
		s.Operate(http.MethodPatch, "/v1/cards/"+id, body).Is(t, 200).JSON(t, &again)
		if !changed.Changed || again.Changed {
			t.Errorf("%v: changed %v, again %v", body, changed.Changed, again.Changed)
		}
		if n := w.Sim.Calls()["/card/update"].Total; n != i+1 {
			t.Errorf("/card/update was called %d times, want %d", n, i+1)
		}
	}
	partly := O{"member_card": O{"prerogative": "戊", "wallpaper": "x"}}
	var got struct{ Ignored []string }
	s.Operate(http.MethodPatch, "/v1/cards/"+id, partly).Is(t, 200).JSON(t, &got)
	if strings.Join(got.Ignored, " ") != "member_card.wallpaper" {
		t.Errorf("ignored %v", got.Ignored)
	}
	oneClick := w.NewCard(s, apptest.OneClick(false))
	form := O{"card_id": oneClick, "required_form": O{"common_field_id_list": []string{"USER_FORM_INFO_FLAG_MOBILE"}}}
	s.Operate(http.MethodPut, "/v1/cards/"+oneClick+"/activation-form", form).Is(t, 204)
	form["card_id"] = id
	s.Operate(http.MethodPut, "/v1/cards/"+oneClick+"/activation-form", form).Problem(t, 422, "invalid_input")
}

// Bodies in another encoding are refused by name.
func TestOperator_NamesTheEncoding(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	for body, says := range map[string]string{
		"{\"card\":{\"title\":\"\xbb\xe1\xd4\xb1\"}}": "GBK",
		"\xff\xfe{\x00}\x00":                          "UTF-16",
		"\ufeff{\"card\":{}}":                         "byte order mark",
		`{"card":{"a":1,"a":2}}`:                      "well-formed",
		`{"card":{"b":[{"a":1,"\u0061":2}]}}`:         "it has body.card.b[0].a twice",
	} {
		p := apptest.Request(t, http.MethodPost, s.Admin+"/v1/cards", apptest.AdminToken, []byte(body)).Problem(t, 400, "malformed_body")
		if !strings.Contains(p.Detail, says) {
			t.Errorf("%q: %s", body, p.Detail)
		}
	}
	if n := w.Sim.Calls()["/card/create"].Total; n != 0 {
		t.Errorf("/card/create was called %d times", n)
	}
}
