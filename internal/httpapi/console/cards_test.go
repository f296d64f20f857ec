package console_test

import (
	"bytes"
	"html"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/sheet/sheettest"
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
	b.send(path+"/update", change).shows(422, `卡名</strong> 有不可见的控制字符`)
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
	s.Operate(http.MethodPut, "/v1/cards/"+none+"/settings", apptest.Object{"init_bonus": 5}).Is(t, 200)
	form := b.open("/cards/"+none).shows(200, `name="init_bonus"`, `value="5"`).form("/cards/" + none + "/settings")
	b.send("/cards/"+none+"/settings", form).shows(422, "这张卡没有")
	form.Set("init_bonus", "0")
	if p := b.send("/cards/"+none+"/settings", form).shows(200, "设置已保存"); strings.Contains(p.text, `name="init_bonus"`) {
		t.Error("the form still has the points")
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

// Codes come from the file that the shop has; one that is not clear changes nothing.
func TestCard_CodesComeFromAFile(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	id := w.NewCard(s, apptest.Deposit)
	b := signedIn(t, s, s.Admin)
	path := "/cards/" + id + "/codes"
	b.open("/cards/"+id).shows(200, `accept=".csv,.txt,.xlsx,.jsonl"`)
	book := sheettest.Book(sheettest.Row(1, "姓名", "会员卡号")+sheettest.Row(2, "张三", "0001")+sheettest.Row(3, "李四", "<c><v>1002</v></c>"), "")
	b.upload(path, url.Values{"codes": {"0009"}}, "codes_file", string(book)).shows(200, "已导入 3 个卡号", "剩余 3，总量 3")
	gbk := "\xbf\xa8\xba\xc5,\xd0\xd5\xc3\xfb\r\nA1,\xd5\xc5\r\n" // 卡号,姓名 and A1,张
	b.upload(path, nil, "codes_file", gbk).shows(200, "已导入 1 个卡号")
	b.upload(path, url.Values{"codes_column": {"新卡号"}}, "codes_file", "新卡号,旧卡号\nA2,x\n").shows(200, "已导入 1 个卡号")
	for file, want := range map[string]string{
		"会员,等级\nA3,金\n":               "第 1 行：没有认得出的列名",
		"卡号\nA3\n6.22848E+18\n":       "line 3, column 卡号: it was rounded by a spreadsheet",
		"卡号,姓名\nA3,a\n,b\n":           "line 3 has no code",
		"卡号\n":                        "the list has no codes",
		"\xd0\xcf\x11\xe0 an old one": "old Excel file",
	} {
		b.upload(path, nil, "codes_file", file).shows(422, "卡号文件</strong>", want)
	}
	b.upload(path, nil, "codes_file", "").shows(422, "卡号</strong>")
	many := "code\n" + strings.Repeat("A1\n", 10_000)
	b.upload(path, nil, "codes_file", many).shows(200, "已导入 0 个卡号")
	b.upload(path, nil, "codes_file", many+"A1\n").shows(422, "卡号</strong>")
	b.open("/cards/"+id).shows(200, "剩余 5，总量 5")
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
