package console_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// Each way to activate, to make codes and to count the days is what WeChat documents.
func TestNewCard_ChoicesAreWeChats(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	b := signedIn(t, s, s.Admin)
	for _, c := range []struct {
		choices map[string]string
		member  string // JSON of what the card must have
		base    string
	}{
		{map[string]string{"activation": "form", "code_mode": "deposit"}, `{"wx_activate":true}`,
			`{"use_custom_code":true,"get_custom_code_mode":"GET_CUSTOM_CODE_MODE_DEPOSIT","sku":{"quantity":0,"total_quantity":0}}`},
		{map[string]string{"activation": "component", "activate_url": "https://shop.example/", "date_info": "DATE_TYPE_FIX_TERM",
			"fixed_term": "30"},
			`{"wx_activate":true,"wx_activate_after_submit":true,"wx_activate_after_submit_url":"https://shop.example/"}`,
			`{"use_custom_code":false,"date_info":{"type":"DATE_TYPE_FIX_TERM","fixed_term":30,"fixed_begin_term":0}}`},
		{map[string]string{"activation": "on_claim", "activate_url": "https://shop.example/", "code_mode": "custom", "supply_balance": "yes",
			"date_info": "DATE_TYPE_FIX_TIME_RANGE", "begin_timestamp": "2027-01-01", "end_timestamp": "2027-01-31", "quantity": "5"},
			`{"activate_url":"https://shop.example/","supply_balance":true}`,
			`{"use_custom_code":true,"date_info":{"type":"DATE_TYPE_FIX_TIME_RANGE","begin_timestamp":1798732800,"end_timestamp":1801411199},
				"sku":{"quantity":5,"total_quantity":5}}`},
	} {
		form := newCard(b)
		for name, value := range c.choices {
			form.Set(name, value)
		}
		p := b.send("/cards", form).shows(200, "已创建")
		member, base := wechatCard(t, s, strings.TrimPrefix(p.url.Path, "/cards/"))
		for text, got := range map[string]apptest.Object{c.member: member, c.base: base} {
			var want apptest.Object
			if err := json.Unmarshal([]byte(text), &want); err != nil {
				t.Fatal(err)
			}
			for name := range want {
				if fmt.Sprint(got[name]) != fmt.Sprint(want[name]) {
					t.Errorf("%v: %s is %v, want %v", c.choices, name, got[name], want[name])
				}
			}
		}
	}
	b.open("/cards").shows(200, `<strong class="level out">已领完`, `<strong class="level low">库存不足`, "addcard 实时发卡号", "导入自己的卡号")
}

// A wrong form creates nothing, names the field in the person's language, and keeps what
// was typed.
func TestNewCard_WrongInputIsShownAgain(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	b := signedIn(t, s, s.Admin)
	for _, c := range []struct{ field, value, other, text string }{
		{"title", strings.Repeat("卡", 10), "", "卡名</strong> 最多 9 个汉字（27 字节），现在 30 字节"},
		{"brand_name", strings.Repeat("店", 20), "", "商户名称</strong> 最多 12 个汉字（36 字节），现在 60 字节"},
		{"notice", strings.Repeat("x", 49), "", "使用提醒</strong> 最多 16 个汉字（48 字节），现在 49 字节"},
		{"prerogative", strings.Repeat("权", 1025), "", "会员特权</strong> 最多 1024 个汉字（3072 字节），现在 3075 字节"},
		{"description", strings.Repeat("知", 1025), "", "使用须知</strong> 最多 1024 个汉字（3072 字节），现在 3075 字节"},
		{"service_phone", "abc", "", "客服电话</strong> 只能有数字"},
		{"logo_url", "", "", "Logo 图片</strong> 上传 Logo，或填写地址"},
		{"brand_name", "", "", "商户名称</strong> 不能为空"},
		{"quantity", "1.5", "", "库存</strong> 须为整数"},
		{"quantity", "100000001", "", "库存</strong> 须为 0 到 100000000"},
		{"logo_url", "https://shop.example/a.png", "", "Logo 地址</strong> 须为已上传到微信的图片"},
		{"activate_url", "", "activation=on_claim", "网页地址</strong> 不能为空"},
		{"activate_url", "", "activation=component", "网页地址</strong> 不能为空"},
		{"fixed_term", "x", "date_info=DATE_TYPE_FIX_TERM", "天数"},
		{"end_timestamp", "2027-13-01", "date_info=DATE_TYPE_FIX_TIME_RANGE", "有效期</strong> 请填开始日期和更晚的结束日期"},
	} {
		form := newCard(b)
		if c.field != "notice" {
			form.Set("notice", `"><script>`)
		}
		form.Set("color", "Color100")
		form.Set(c.field, c.value)
		if name, value, ok := strings.Cut(c.other, "="); ok {
			form.Set(name, value)
		}
		again := b.send("/cards", form).shows(422, "输入有误", c.text).form("/cards")
		if again.Encode() != form.Encode() {
			t.Errorf("%s: the form came back as %v", c.field, again)
		}
		if c.field == "title" {
			b.send("/cards", form).shows(422, `<label class="text wrong"><span>卡名`)
		}
	}
	b.header.Set("Accept-Language", "en")
	form := newCard(b)
	form.Set("description", "")
	form.Set("title", strings.Repeat("卡", 10))
	form.Set("service_phone", "+86 (020)")
	b.send("/cards", form).shows(422, "Terms</strong> is required", "Title</strong> has at most 9 汉字 (27 bytes); this has 30 bytes",
		"Service phone</strong> may have digits")
	b.open("/cards/new").shows(200, `value="Color060"> golden brown`, `Title <i aria-hidden="true">*`, `Logo <i aria-hidden="true">*`)
	if n := w.Sim.Calls()["/card/create"].Total; n != 0 {
		t.Errorf("WeChat was asked for %d cards", n)
	}
}

// A logo is uploaded with the form. It need not be chosen again if the form is wrong,
// and what is no picture, or too large, is refused.
func TestNewCard_ALogoIsUploaded(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	b := signedIn(t, s, s.Admin)
	form := newCard(b)
	form.Set("logo_url", "")
	b.upload("/cards", form, "logo", "").shows(422, "Logo 图片</strong> 上传 Logo，或填写地址") // as a browser sends no file
	b.upload("/cards", form, "logo", "GIF89a").shows(422, "图片须为 PNG 或 JPEG", "Logo 图片")
	b.upload("/cards", form, "logo", png+strings.Repeat("x", 1<<20)).shows(422, "图片须为 PNG 或 JPEG", "示例小店")
	if p := b.upload("/cards", form, "logo", png+strings.Repeat("x", 2<<20)); p.status != 413 {
		t.Errorf("a large picture: got %d", p.status)
	}
	if p := b.request(http.MethodPost, "/cards", "multipart/form-data; boundary=x", "--x\r\nno form"); p.status != 400 {
		t.Errorf("a broken form: got %d", p.status)
	}
	form.Set("title", "")
	again := b.upload("/cards", form, "logo", png).shows(422, "卡名</strong> 不能为空").form("/cards")
	if !strings.HasPrefix(again.Get("logo_url"), "http://mmbiz.qpic.cn/") {
		t.Fatalf("the logo is at %q", again.Get("logo_url"))
	}
	again.Set("title", "新卡")
	p := b.send("/cards", again).shows(200, "已创建")
	if _, base := wechatCard(t, s, strings.TrimPrefix(p.url.Path, "/cards/")); base["logo_url"] != again.Get("logo_url") {
		t.Errorf("WeChat has %v", base["logo_url"])
	}
	if n := w.Sim.Calls()["/cgi-bin/media/uploadimg"].Total; n != 1 {
		t.Errorf("%d uploads, want 1", n)
	}
	// Only forms with pictures may be large.
	if p := b.request(http.MethodPost, "/cards/"+"x"+"/stock", "multipart/form-data; boundary=x", "--x--"); p.status != 415 {
		t.Errorf("another form: got %d", p.status)
	}
}
