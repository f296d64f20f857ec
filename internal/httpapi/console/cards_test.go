package console_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"rsc.io/qr"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// png begins as a PNG picture does.
const png = "\x89PNG\r\n\x1a\n"

var (
	formTag   = regexp.MustCompile(`(?s)<form[^>]* action="([^"]*)"[^>]*>(.*?)</form>`)
	fieldTags = regexp.MustCompile(`(?s)<textarea name="([^"]*)"[^>]*>\n(.*?)</textarea>|<select name="([^"]*)"[^>]*>(.*?)</select>|<input ([^>]*)>`)
)

// form returns what a browser sends of the form with this action if nothing is typed.
func (p page) form(action string) url.Values {
	p.t.Helper()
	for _, form := range formTag.FindAllStringSubmatch(p.text, -1) {
		if form[1] != action {
			continue
		}
		values := url.Values{}
		for _, tag := range fieldTags.FindAllStringSubmatch(form[2], -1) {
			switch {
			case tag[1] != "":
				values.Set(tag[1], html.UnescapeString(tag[2]))
			case tag[3] != "":
				choice := regexp.MustCompile(`value="([^"]*)" selected`).FindStringSubmatch(tag[4])
				if choice == nil {
					choice = regexp.MustCompile(`value="([^"]*)"`).FindStringSubmatch(tag[4])
				}
				values.Set(tag[3], choice[1])
			case !strings.Contains(tag[5], `type="radio"`) || strings.Contains(tag[5], " checked"):
				name := regexp.MustCompile(`name="([^"]*)"`).FindStringSubmatch(tag[5])
				if value := regexp.MustCompile(`value="([^"]*)"`).FindStringSubmatch(tag[5]); value != nil {
					values.Set(name[1], html.UnescapeString(value[1]))
				}
			}
		}
		return values
	}
	p.t.Fatalf("the page has no form for %s:\n%.3000s", action, p.text)
	return nil
}

// upload sends a form with a picture.
func (b *browser) upload(path string, form url.Values, field, picture string) page {
	b.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for name, values := range form {
		_ = w.WriteField(name, values[0])
	}
	part, err := w.CreateFormFile(field, "logo.png")
	if err != nil {
		b.t.Fatal(err)
	}
	_, _ = part.Write([]byte(picture))
	_ = w.Close()
	return b.request(http.MethodPost, path, w.FormDataContentType(), body.String())
}

// newCard returns the form of a card with what has no default.
func newCard(b *browser) url.Values {
	b.t.Helper()
	p := b.open("/cards/new").shows(200)
	form := p.form(strings.TrimSuffix(p.url.Path, "/new"))
	form.Set("brand_name", "示例小店")
	form.Set("logo_url", "http://mmbiz.qpic.cn/a/0")
	form.Set("prerogative", "会员日双倍积分")
	form.Set("description", "每消费一元积一分")
	return form
}

// wechatCard returns the member_card that WeChat has.
func wechatCard(t *testing.T, s *apptest.Server, id string) (member, base apptest.Object) {
	t.Helper()
	var shown struct {
		WeChat struct {
			MemberCard apptest.Object `json:"member_card"`
		}
	}
	s.Operate(http.MethodGet, "/v1/cards/"+id, nil).Is(t, 200).JSON(t, &shown)
	return shown.WeChat.MemberCard, shown.WeChat.MemberCard["base_info"].(apptest.Object)
}

// A manager creates a card with the defaults of the form, and reads how WeChat's review
// ended.
func TestCards_AreCreatedAndReviewed(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	w.Connect(s)
	b := signedIn(t, s, s.Admin)
	b.open("/cards").shows(200, "还没有会员卡", `href="/cards/new"`)
	form := newCard(b)
	form.Set("title", `<b>卡</b>`)
	p := b.send("/cards", form).shows(200, "已创建", "审核中", "&lt;b&gt;卡&lt;/b&gt;", "示例小店", "剩余 10000，总量 10000", "永久有效", "/v1/cards/")
	id := strings.TrimPrefix(p.url.Path, "/cards/")
	member, base := wechatCard(t, s, id)
	if base["color"] != "Color010" || base["use_custom_code"] != false || base["get_limit"] != 1.0 || base["can_share"] != false ||
		member["auto_activate"] != true || member["supply_bonus"] != true || member["supply_balance"] != false {
		t.Errorf("WeChat has %v", member)
	}
	w.Control("cards/"+id+"/reject", apptest.Object{"reason": `图片 <img src=x onerror=alert(1)>`})
	apptest.Eventually(t, "the list has the reason", func() bool {
		return strings.Contains(b.open("/cards").text, "未通过</span><br><q>图片 &lt;img src=x")
	})
	b.open("/cards/"+id).shows(200, "微信没有通过审核", "图片 &lt;img src=x")
	b.header.Set("Accept-Language", "en")
	b.open("/cards").shows(200, "refused", "New card")
	b.open("/cards/nothing").shows(404, "There is no such card")
}

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

func TestCard_IsChangedByItsForms(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id := w.NewCard(s, apptest.OneClick(false), apptest.WithBalance)
	b := signedIn(t, s, s.Admin)
	path := "/cards/" + id
	p := b.open(path).shows(200, "会员", "剩余 100，总量 100", "已通过", "说明 &lt;b&gt;&amp;&lt;/b&gt; 😀")

	b.send(path+"/stock", url.Values{"delta": {"5"}, "direction": {"more"}}).shows(200, "库存已更新", "剩余 105")
	b.send(path+"/stock", url.Values{"delta": {"6"}, "direction": {"less"}}).shows(200, "剩余 99", `class="level low"`)
	b.open("/audit?action=stock").shows(200, "库存</span> &#43;5</div>", "库存</span> -6</div>", "<br>会员卡 <span")
	for _, wrong := range []string{"", "0", "-5", "1e3", "9223372036854775808"} {
		b.send(path+"/stock", url.Values{"delta": {wrong}}).shows(422, "数量</strong> 须为正整数", `value="`+wrong+`"`)
	}
	b.send(path+"/stock", url.Values{"delta": {"100"}, "direction": {"less"}}).shows(422, "库存的数量不对。 <small><q>WeChat answers 40122")

	settings := p.form(path + "/settings")
	settings.Set("init_bonus", "100")
	settings.Set("init_balance", "12.5")
	settings.Set("init_bonus_record", "开卡送")
	settings.Set("activate_on_claim", "yes")
	p = b.send(path+"/settings", settings).shows(200, "设置已保存", `name="init_balance" type="text" value="12.50"`)
	if got := p.form(path + "/settings"); got.Get("activate_on_claim") != "yes" || got.Get("init_bonus") != "100" {
		t.Errorf("the settings are %v", got)
	}
	for field, text := range map[string]string{"init_bonus": "开卡送积分", "init_balance": "开卡送余额"} {
		settings := p.form(path + "/settings")
		settings.Set(field, "1.234")
		b.send(path+"/settings", settings).shows(422, text, `value="1.234"`, "<details open><summary>开卡设置")
	}
	settings.Set("init_bonus_record", strings.Repeat("送", 15))
	b.send(path+"/settings", settings).shows(422, "赠送说明</strong> 最多 14 个汉字（42 字节），现在 45 字节")

	b.send(path+"/update", p.form(path+"/update")).shows(200, "没有变化")
	change := p.form(path + "/update")
	change.Set("service_phone", "020-1")
	b.send(path+"/update", change).shows(200, "已保存。", "020-1", "已通过")
	change.Set("title", "新卡<i>")
	b.send(path+"/update", change).shows(200, "微信要重新审核", "审核中", "新卡&lt;i&gt;")
	change.Set("title", "")
	b.send(path+"/update", change).shows(422, "卡名</strong> 不能为空", `name="title" type="text" value=""`)
	change.Set("title", strings.Repeat("卡", 10))
	b.send(path+"/update", change).shows(422, "卡名</strong> 最多 9 个汉字（27 字节），现在 30 字节")
	change.Set("title", "a\x01b")
	b.send(path+"/update", change).shows(422, `卡名</strong> 这个值不能用： <small lang="en">has control characters`)
	if got := w.Sim.Calls()["/card/update"].Total; got != 2 {
		t.Errorf("/card/update was called %d times", got)
	}

	form := p.form(path + "/form")
	if form.Get("USER_FORM_INFO_FLAG_MOBILE") != "required" || form.Get("USER_FORM_INFO_FLAG_BIRTHDAY") != "optional" {
		t.Errorf("the form asks for %v", form)
	}
	b.send(path+"/form", form).shows(200, "激活表单已保存")
	for name := range form {
		form.Set(name, "none")
	}
	b.send(path+"/form", form).shows(422, "至少选一项")

	b.send(path+"/testers", url.Values{"username": {"ming\r\n hong "}, "openid": {""}}).shows(200, "名单已替换")
	b.send(path+"/testers", url.Values{"username": {""}, "openid": {"<script>"}}).shows(422, "40003", "&lt;script&gt;")

	b.send(path+"/shelf", p.form(path+"/shelf")).shows(200, "货架已生成", "https://mp.weixin.qq.com/bizmall/")

	b.send(path+"/delete", url.Values{"confirm": {"新卡"}}).shows(422, "和卡名不一致")
	b.send(path+"/delete", url.Values{"confirm": {"新卡<i>"}}).shows(200, "会员卡已删除", "已删除")
	if p := b.open(path).shows(200, "不能再领取"); strings.Contains(p.text, path+"/stock") {
		t.Error("a deleted card has forms that change it")
	}
	if audit := string(s.Operate(http.MethodGet, "/v1/audit?action=deleteCard", nil).Body); !strings.Contains(audit, `"source":"console"`) {
		t.Errorf("the audit log has %s", audit)
	}
}

// A card without points or without a balance begins with none: a member could not see it.
func TestCard_BeginsOnlyWithWhatItHas(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	none := w.NewCard(s, func(_, member apptest.Object) { member["supply_bonus"] = false })
	b := signedIn(t, s, s.Admin)
	for id, has := range map[string]map[string]bool{
		none:                              {"init_bonus": false, "init_bonus_record": false, "init_balance": false},
		w.NewCard(s):                      {"init_bonus": true, "init_bonus_record": true, "init_balance": false},
		w.NewCard(s, apptest.WithBalance): {"init_bonus": true, "init_bonus_record": true, "init_balance": true},
	} {
		path := "/cards/" + id
		form := b.open(path).shows(200).form(path + "/settings")
		for name, want := range has {
			if form.Has(name) != want {
				t.Errorf("%v: the form has %s: %t", has, name, form.Has(name))
			}
		}
		b.send(path+"/settings", form).shows(200, "设置已保存")
		for name, text := range map[string]string{"init_bonus": "这张卡没有积分", "init_balance": "这张卡没有储值"} {
			if !has[name] {
				b.send(path+"/settings", url.Values{"init_bonus": {"0"}, name: {"5"}}).shows(422, text)
			}
		}
	}
	// What was set before can be removed.
	s.Operate(http.MethodPut, "/v1/cards/"+none+"/settings", apptest.Object{"init_balance": 500, "init_bonus": 5}).Is(t, 200)
	form := b.open("/cards/"+none).shows(200, `name="init_balance" type="text" value="5.00"`).form("/cards/" + none + "/settings")
	b.send("/cards/"+none+"/settings", form).shows(422, "这张卡没有")
	form.Set("init_balance", "0")
	form.Set("init_bonus", "0")
	if p := b.send("/cards/"+none+"/settings", form).shows(200, "设置已保存"); strings.Contains(p.text, `name="init_balance"`) {
		t.Error("the form still has the balance")
	}
}

func TestCard_CodesAreDeposited(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id := w.NewCard(s, apptest.Deposit)
	b := signedIn(t, s, s.Admin)
	path := "/cards/" + id + "/codes"
	b.send(path, url.Values{"codes": {"0001\r\n0002\r\n<b>\r\n"}}).shows(200, "已导入 2 个卡号", "&lt;b&gt; · 被拒绝", "剩余 2，总量 2")
	b.send(path, url.Values{"codes": {"0001 0003"}}).shows(200, "已导入 1 个卡号", "0001 · 微信已有")
	b.send(path, url.Values{"codes": {" "}}).shows(422, "卡号</strong>")
}

// modules returns the modules of the QR code that a page draws, without its margin.
func modules(t *testing.T, p page) [][]bool {
	t.Helper()
	box := regexp.MustCompile(`viewBox="0 0 (\d+) \d+" shape-rendering`).FindStringSubmatch(p.text)
	if box == nil {
		t.Fatalf("no QR code:\n%.3000s", p.text)
	}
	size, _ := strconv.Atoi(box[1])
	dark := make([][]bool, size)
	for y := range dark {
		dark[y] = make([]bool, size)
	}
	for _, run := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-\d+z`).FindAllStringSubmatch(p.text, -1) {
		x, _ := strconv.Atoi(run[1])
		y, _ := strconv.Atoi(run[2])
		n, _ := strconv.Atoi(run[3])
		for i := range n {
			dark[y][x+i] = true
		}
	}
	return dark
}

// The printed QR code says what WeChat gave, has its margin, and carries the channel to
// the card that is taken with it.
func TestPrint_TheQRCodeCarriesTheChannel(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id := w.NewCard(s)
	b := signedIn(t, s, s.Admin)
	const channel = `门口 <b>&1`
	made := func() int { return w.Sim.Calls()["/card/qrcode/create"].Total }
	b.open("/cards/"+id+"/print?channel="+url.QueryEscape(channel)).shows(200, `value="门口 &lt;b&gt;&amp;1"`, "以前生成的")
	if n := made(); n != 0 {
		t.Errorf("the form has made %d codes", n)
	}
	p := b.send("/cards/"+id+"/print", url.Values{"channel": {channel}}).shows(200, `class="poster"`, "示例",
		"门口 &lt;b&gt;&amp;1</p>", "有效期至 20", `data-reload="/cards/`+id+`/print?channel=%E9`)
	content := regexp.MustCompile(`<code>(http[^<]*)</code>`).FindStringSubmatch(p.text)[1]
	want, err := qr.Encode(content, qr.M)
	if err != nil {
		t.Fatal(err)
	}
	const margin = 4
	dark := modules(t, p)
	if len(dark) != want.Size+2*margin {
		t.Fatalf("%d modules, want %d", len(dark), want.Size+2*margin)
	}
	for y := range dark {
		for x := range dark {
			if dark[y][x] != want.Black(x-margin, y-margin) {
				t.Fatalf("the module at %d,%d is wrong", x, y)
			}
		}
	}
	scanned, err := json.Marshal(apptest.Object{"url": content})
	if err != nil {
		t.Fatal(err)
	}
	w.Phone("ming", "scan-qr", string(scanned))
	faces, err := w.Sim.Cards("ming")
	if err != nil || len(faces) != 1 || faces[0].OuterStr != channel {
		t.Errorf("the wallet has %+v, %v", faces, err)
	}
	b.send("/cards/"+id+"/print", url.Values{"channel": {strings.Repeat("x", 129)}}).shows(422, "渠道", strings.Repeat("x", 129))
	custom := w.NewCard(s, apptest.RealTime)
	b.open("/cards/"+custom+"/print").shows(422, "每个二维码只能用一次", "<code>code_works_once</code>")
	b.send("/cards/"+custom+"/print", url.Values{"channel": {""}}).shows(422, "每个二维码只能用一次")
	b.open("/cards/nothing/print").shows(404, "没有这张卡")
}

// Cards are for managers.
func TestCards_AreNotForCashiers(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id := w.NewCard(s)
	for role, want := range map[string]int{"manager": 200, "cashier": 403} {
		var person struct{ ID string }
		s.Operate(http.MethodPost, "/v1/staff", apptest.Object{"name": role, "role": role}).Is(t, 201).JSON(t, &person)
		b := newBrowser(t, s.Admin)
		b.send("/login", url.Values{"link": {link(t, s, person.ID)}})
		for _, path := range []string{"/cards", "/cards/new", "/cards/" + id, "/cards/" + id + "/print"} {
			b.open(path).shows(want)
		}
		if want == 403 {
			for _, path := range []string{"", "/" + id + "/update", "/" + id + "/print", "/" + id + "/stock", "/" + id + "/settings",
				"/" + id + "/form", "/" + id + "/testers", "/" + id + "/shelf", "/" + id + "/codes", "/" + id + "/delete"} {
				b.send("/cards"+path, url.Values{"confirm": {"会员"}}).shows(403, "你的角色不能做这件事")
			}
		}
	}
	if _, base := wechatCard(t, s, id); base["status"] != "CARD_STATUS_VERIFY_OK" {
		t.Errorf("the card is %v", base["status"])
	}
}

// A page has a text for each choice and each field, in both languages.
func TestCards_HaveTextsForAllThatIsShown(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	fields := func(_, member apptest.Object) {
		member["custom_field1"] = apptest.Object{"name_type": "FIELD_NAME_TYPE_LEVEL", "url": "https://shop.example/"}
		member["custom_cell1"] = apptest.Object{"name": "<i>储值</i>", "tips": "满百送十", "url": "https://shop.example/"}
	}
	ids := []string{w.NewCard(s, apptest.OneClick(true), apptest.Deposit, fields), w.NewCard(s, apptest.WithBalance, apptest.RealTime)}
	b := signedIn(t, s, s.Admin)
	b.open("/cards/"+ids[0]).shows(200, "<dt>等级</dt>", "&lt;i&gt;储值&lt;/i&gt; <span>满百送十</span>")
	key := regexp.MustCompile(`\b(field|option|group|hint|review|next|print|stock|cell|deposit|cards|face|done|message)\.[A-Za-z_]+`)
	for _, lang := range []string{"zh", "en"} {
		b.header.Set("Accept-Language", lang)
		for _, path := range []string{"", "/new", "/" + ids[0], "/" + ids[1], "/" + ids[0] + "/print"} {
			if found := key.FindString(b.open("/cards" + path).shows(200).text); found != "" {
				t.Errorf("%s in %s lacks %s", path, lang, found)
			}
		}
	}
}

// Behind a reverse proxy that serves the console below a path, each link and each form
// of these pages leads below it.
func TestCards_WorkBelowAPrefix(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["CONSOLE_PREFIX"] = "/shop"
	s := w.Serve()
	id := w.NewCard(s)
	b := signedIn(t, s, s.Admin+"/shop")
	for _, path := range []string{"/cards", "/cards/new", "/cards/" + id, "/cards/" + id + "/print"} {
		p := b.open(path).shows(200)
		for _, at := range regexp.MustCompile(`(?:href|src|action)="([^"]*)"`).FindAllStringSubmatch(p.text, -1) {
			if !strings.HasPrefix(at[1], "/shop/") && at[1] != "#main" && !strings.HasPrefix(at[1], "data:") {
				t.Errorf("%s leads to %s", path, at[1])
			}
		}
	}
	if p := b.send("/cards", newCard(b)).shows(200, "已创建"); !strings.HasPrefix(p.url.Path, "/shop/cards/") {
		t.Errorf("a new card is at %s", p.url)
	}
}
