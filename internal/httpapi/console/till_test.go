package console_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// till is a shop with a card that a member holds.
type till struct {
	*apptest.Server
	w            *apptest.World
	t            *testing.T
	cardID, code string
}

func newTill(t *testing.T, edit ...func(base, card apptest.Object)) *till {
	t.Helper()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	cardID := w.NewCard(s, edit...)
	_, code := w.Claim(s, "ming", cardID)
	return &till{s, w, t, cardID, code}
}

// signIn returns the browser of a new person, who has signed in, and the first page.
func (s *till) signIn(name, role string) (*browser, page) {
	s.t.Helper()
	return signInAs(s.t, s.Server, name, role)
}

// form returns the form that the till shows for the card, with fields by name and value.
func (s *till) form(b *browser, fields ...string) url.Values {
	s.t.Helper()
	return fill(b.open("/till?query="+s.code).shows(200, s.code), fields...)
}

// fill returns the first booking form of a page.
func fill(p page, fields ...string) url.Values {
	p.t.Helper()
	form := url.Values{"direction": {"give"}}
	_, text, _ := strings.Cut(p.text, "data-book")
	text, _, _ = strings.Cut(text, "</form>")
	for _, m := range regexp.MustCompile(`<input[^>]*name="([a-z_]+)" value="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		form.Set(m[1], m[2])
	}
	if form.Get("key") == "" {
		p.t.Fatalf("%s has no form", p.url)
	}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	return form
}

// undo returns the first form of a page that undoes an entry.
func undo(p page) url.Values {
	p.t.Helper()
	m := regexp.MustCompile(`name="card_id" value="([^"]*)"><input type="hidden" name="code" value="([^"]*)">` +
		`<input type="hidden" name="key" value="([^"]*)"><input type="hidden" name="reverses" value="([^"]*)"`).FindStringSubmatch(p.text)
	if m == nil {
		p.t.Fatalf("%s has nothing to undo:\n%s", p.url, p.text)
	}
	return url.Values{"card_id": {m[1]}, "code": {m[2]}, "key": {m[3]}, "reverses": {m[4]}}
}

// booked returns the amounts of all entries, the newest first.
func (s *till) booked() string {
	s.t.Helper()
	var list struct {
		Entries []struct {
			AddBonus   int64 `json:"add_bonus"`
			AddBalance int64 `json:"add_balance"`
		}
	}
	s.Operate(http.MethodGet, "/v1/entries", nil).Is(s.t, 200).JSON(s.t, &list)
	return fmt.Sprint(list.Entries)
}

// A cashier lands on the till, finds the card, and books what a purchase earns.
func TestTill_ACashierBooksAPurchaseAndUndoesIt(t *testing.T) {
	t.Parallel()
	s := newTill(t, apptest.WithBalance)
	b, p := s.signIn("Anna", "cashier")
	if p.shows(200, "收银台", "Anna · 收银员", "还没有记过账"); p.url.Path != "/till" {
		t.Errorf("a cashier lands on %s", p.url)
	}
	if p = b.open("/"); p.url.Path != "/till" {
		t.Errorf("the first page of a cashier is %s", p.url)
	}
	if strings.Contains(p.text, `href="/members"`) || strings.Contains(p.text, "概览") {
		t.Error("the menu of a cashier has what they may not open")
	}
	b.open("/members").shows(403)

	form := s.form(b, "amount", "30.99", "order", "A-1001", "store", "南京西路店")
	for range 2 { // the form is sent twice
		p = b.send("/till/entries", form).shows(200, "已记账", "&#43;30 → 30", "A-1001", "Anna", "南京西路店")
	}
	if p.url.Path != "/till" || strings.Contains(p.text, "data-total") {
		t.Errorf("after the booking: %s", p.url)
	}
	b.open(p.url.RequestURI()).shows(200, "&#43;30 → 30") // the page again
	if got := s.form(b).Get("store"); got != "南京西路店" {
		t.Errorf("the store of the device is %q", got)
	}
	b.send("/till/entries", s.form(b, "points", "5", "balance", "12.5", "direction", "give")).
		shows(200, "&#43;5 → 35", "&#43;12.50 → 12.50")
	p = b.send("/till/entries", s.form(b, "balance", "2.5", "direction", "take")).shows(200, "-2.50 → 10.00", `sum bad`)
	if got := s.booked(); got != "[{0 -250} {5 1250} {30 0}]" {
		t.Errorf("booked: %s", got)
	}
	b.send("/till/entries", undo(p)).shows(200, "已撤销<", "&#43;2.50 → 12.50")
	p = b.send("/till/entries", undo(p)).shows(200, "&#43;2.50 → 12.50") // which was sent before
	if !strings.Contains(p.text, `class="reversed"`) {
		t.Error("what was undone looks as if it counted")
	}
	if list := s.Operate(http.MethodGet, apptest.EntriesPath(s.cardID, s.code), nil); !strings.Contains(string(list.Body), "消费 30.99 元") {
		t.Errorf("the holder does not read what it was for: %s", list.Body)
	}
}

// An order is booked once on a card, by whichever cashier.
func TestTill_AnOrderIsBookedOnce(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	anna, _ := s.signIn("Anna", "cashier")
	bob, _ := s.signIn("Bob", "cashier")
	first := anna.send("/till/entries", s.form(anna, "points", "30", "order", "1001")).shows(200, "已记账")
	p := bob.send("/till/entries", s.form(bob, "amount", "30", "order", " 1001 ", "store", "other")).
		shows(200, "这个订单已经记过账，没有重复记", "&#43;30 → 30", "Anna")
	bob.open(p.url.RequestURI()).shows(200, "这个订单已经记过账")
	if strings.Contains(p.text, "undo-") {
		t.Error("Bob may undo what Anna has booked")
	}
	anna.send("/till/entries", s.form(anna, "points", "30", "order", "1001")).shows(200, "这个订单已经记过账", "undo-")

	p = bob.send("/till/entries", s.form(bob, "points", "50", "order", "1001")).
		shows(409, "这次没有记", "由 Anna 记：&#43;30 积分", "这次填的是 &#43;50 积分", `value="50"`)
	bob.header.Set("Accept-Language", "en")
	bob.send("/till/entries", fill(p)).shows(409, "by Anna: &#43;30 points", "You entered &#43;50 points")
	if got := s.booked(); got != "[{30 0}]" {
		t.Errorf("booked: %s", got)
	}
	anna.send("/till/entries", undo(first)).shows(200, "-30 → 0")
	bob.send("/till/entries", s.form(bob, "points", "50", "order", "1001")).shows(200, "&#43;50 → 50")
	anna.send("/till/entries", s.form(anna, "points", "50", "order", "1001")).shows(200, "Bob", "没有重复记")
	if got := s.booked(); got != "[{50 0} {-30 0} {30 0}]" {
		t.Errorf("booked: %s", got)
	}
}

// Two tills send the same order at once, each several times.
func TestTill_AnOrderIsBookedOnceByTwoTillsAtOnce(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	var all sync.WaitGroup
	for _, name := range []string{"Anna", "Bob"} {
		b, _ := s.signIn(name, "cashier")
		for range 4 {
			form := s.form(b, "points", "7", "order", "1001")
			all.Go(func() { b.send("/till/entries", form).shows(200, "&#43;7 → 7") })
		}
	}
	all.Wait()
	if got := s.booked(); got != "[{7 0}]" {
		t.Errorf("booked: %s", got)
	}
}

func TestTill_SaysWhatItDoesNotBook(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	s.Operate(http.MethodPut, "/v1/settings", apptest.Object{"points_per_100_yuan": 10, "cashier": apptest.Object{
		"bonus_per_entry": 50, "bonus_per_day": 80}}).Is(t, 200)
	anna, _ := s.signIn("Anna", "cashier")
	for _, c := range []struct {
		status int
		text   string
		fields []string
	}{
		{409, "超过了单笔限额，没有记账。 你的限额：每笔 50 积分、1000.00 元；每天 80 积分、10000.00 元。", []string{"points", "51"}},
		{409, "积分不足", []string{"points", "1", "direction", "take"}},
		{409, "余额不足", []string{"balance", "1", "direction", "take"}},
		{422, "积分须为正整数", []string{"points", "-1"}},
		{422, "积分须为正整数", []string{"points", "1.5"}},
		{422, "积分须为正整数", []string{"amount", "0x10"}},
		{422, "没有可记的积分或余额", []string{"amount", "9.99"}},
		{422, "没有可记的积分或余额", nil},
		{422, "积分须为正整数", []string{"points", "0"}},
		{422, "是不是把码扫进了金额栏", []string{"amount", s.code}},
		{422, "是不是把码扫进了金额栏", []string{"points", "10000000"}},
		{422, "输入有误", []string{"points", "1", "direction", "sell"}},
		{422, "输入有误", []string{"points", "1", "order", strings.Repeat("o", 65)}},
		{404, "这张卡没有这个码", []string{"points", "1", "code", "nobody"}},
		{409, "这一笔是别的员工填的", []string{"points", "1", "who", "owner"}},
	} {
		p := anna.send("/till/entries", s.form(anna, c.fields...)).shows(c.status, c.text)
		if known := !slices.Contains(c.fields, "code"); known != strings.Contains(p.text, `data-total="0"`) ||
			strings.Contains(p.text, `class="result`) {
			t.Errorf("%v: the form is gone, or something is said to be booked:\n%s", c.fields, p.text)
		}
	}
	if got := s.booked(); got != "[]" {
		t.Errorf("booked: %s", got)
	}
	anna.send("/till/entries", s.form(anna, "points", "50")).shows(200)
	anna.send("/till/entries", s.form(anna, "points", "31")).shows(409, "超过了当日限额", "每天 80 积分")
	form := s.form(anna, "points", "30")
	anna.send("/till/entries", form).shows(200, "&#43;30 → 80")
	form.Set("points", "29")
	anna.send("/till/entries", form).shows(422, "这个表单已经提交过别的内容")
	newBrowser(t, s.Admin).send("/till/entries", form).shows(401)
}

// What names no card, or several, or one that nobody holds.
func TestTill_FindsOneCard(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	anna, _ := s.signIn("Anna", "cashier")
	anna.open("/till?query=").shows(200, "扫顾客微信卡包里的会员码")
	anna.open("/till?query="+url.QueryEscape("<b>1")).shows(200, "没有找到", "&lt;b&gt;1", "手机号")
	anna.header.Set("Accept-Language", "en")
	anna.open("/till?query=1").shows(200, "Not found", "ask the customer for the phone")
	anna.header.Del("Accept-Language")

	second := s.w.NewCard(s.Server)
	_, other := s.w.Claim(s.Server, "ming", second)
	p := anna.open("/till?query="+other).shows(200, "data-book", other) // the code of one of both
	if strings.Contains(p.text, s.code) {
		t.Error("a code names two cards")
	}
	zoe, p := s.signIn("Zoe", "manager")
	if p.url.Path != "/" {
		t.Errorf("a manager lands on %s", p.url)
	}
	var found struct{ Members []struct{ ID string } }
	s.Operate(http.MethodGet, "/v1/members?query="+other, nil).Is(t, 200).JSON(t, &found)
	p = zoe.open("/till?query="+found.Members[0].ID).shows(200, "找到几张卡", s.code, other)
	if strings.Contains(p.text, "<h2 id=\"card\">") {
		t.Error("one of two cards was chosen")
	}
	zoe.open("/till?card_id="+second+"&code="+other).shows(200, "data-book", other)
	zoe.open("/till?card_id="+second+"&code="+s.code).shows(200, "没有找到")
	anna.open("/till?query="+found.Members[0].ID).shows(200, "没有找到") // a cashier finds nobody by ID

	s.w.Connect(s.Server)
	s.w.Phone("ming", "delete-card", `{"card_id":"`+s.cardID+`","code":"`+s.code+`"}`)
	apptest.Eventually(t, "the till says that the card was deleted", func() bool {
		return strings.Contains(anna.open("/till?query="+s.code).shows(200, "data-total").text, "已从微信卡包删除")
	})
	s.Operate(http.MethodPost, "/v1/cards/"+second+"/codes/"+other+"/unavailable", apptest.Object{}).Is(t, 204)
	p = anna.open("/till?query="+other).shows(200, "这张卡不在顾客的卡包里")
	if strings.Contains(p.text, `data-total`) {
		t.Error("the till books on a card that nobody holds")
	}
}

func TestTill_ShowsTheFaceOfACard(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	anna, _ := s.signIn("Anna", "cashier")
	p := anna.open("/till?query="+s.code).shows(200, `class="face Color010"`, "示例", "会员卡", `<p class="code">`+s.code)
	if strings.Contains(p.text, `data-decimals`) {
		t.Error("a card without a balance has a field for it")
	}
	stored := s.w.NewCard(s.Server, apptest.WithBalance)
	_, code := s.w.Claim(s.Server, "hong", stored)
	anna.open("/till?query="+code).shows(200, `data-total="0" data-decimals="2"`)

	s.Stop()
	if err := s.w.Sim.AddFault(wechatsim.Fault{Path: "/card/get", Drop: true, Times: -1}); err != nil {
		t.Fatal(err)
	}
	db := sqldbtest.Open(t, "sqlite:"+s.w.DB)
	sqldbtest.Exec(t, db, "delete from card")
	s.Server = s.w.Serve() // its catalogue is empty
	anna, _ = s.signIn("Bo", "cashier")
	p = anna.open("/till?query="+s.code).shows(200, `<p class="code">`+s.code, `data-decimals`)
	if strings.Contains(p.text, "示例") {
		t.Error("the catalogue is not empty")
	}
}

// The script of the page gets texts: of what waited for the network, too.
func TestTill_TellsItsScriptWhatWasBooked(t *testing.T) {
	t.Parallel()
	s := newTill(t, apptest.WithBalance)
	anna, _ := s.signIn("Anna", "cashier")
	script := newBrowser(t, s.Admin)
	script.client, script.header = anna.client, http.Header{"Accept": {"application/json"}}
	tell := func(status int, want string, fields ...string) {
		t.Helper()
		form := fill(anna.open("/till?query="+s.code), fields...)
		form.Del("card_id")
		form.Del("code") // it was not known
		if form.Get("query") == "" {
			form.Set("query", s.code)
		}
		for range 2 {
			p := script.send("/till/entries", form)
			var told struct{ Code, Text string }
			if err := json.Unmarshal([]byte(p.text), &told); err != nil || p.status != status || strings.TrimSpace(told.Code+" "+told.Text) != want {
				t.Errorf("got %d %s, want %d %s", p.status, p.text, status, want)
			}
		}
	}
	tell(200, "卡 "+s.code+"：已记 +30 积分，+5.00 元", "amount", "30", "balance", "5", "order", "<1>")
	tell(404, "till_unknown 没有找到这个会员，没有记账。", "points", "1", "query", "13800138000")
	tell(409, "insufficient_bonus 积分不足，没有记账。", "points", "31", "direction", "take")
	tell(409, "other_person 这一笔是别的员工填的，没有记账。请重新打开页面。", "points", "1", "who", "another")
	p := script.send("/till/entries", s.form(anna, "points", "30", "balance", "5", "order", "<1>"))
	if !regexp.MustCompile(`"这个订单已经记过账，没有重复记。 [0-9: -]+ 由 Anna 记：\+30 积分，\+5.00 元。"`).MatchString(p.text) || p.status != 200 {
		t.Errorf("got %d %s", p.status, p.text)
	}
	if got := s.booked(); got != "[{30 500}]" {
		t.Errorf("booked: %s", got)
	}
}

// What members and cashiers write is text.
func TestTill_ShowsHostileContentAsText(t *testing.T) {
	t.Parallel()
	s := newTill(t)
	hostile := `"><script>alert(1)</script>`
	anna, _ := s.signIn("<b>Anna", "cashier")
	s.Operate(http.MethodPut, "/v1/cards/"+s.cardID+"/codes/"+s.code+"/fields", apptest.Object{"custom_field1": "<script>1"}).Is(t, 200)
	pages := []page{
		anna.send("/till/entries", s.form(anna, "points", "1", "order", hostile, "store", hostile)).shows(200, "&#43;1 → 1"),
		anna.send("/till/entries", s.form(anna, "points", "2", "order", hostile, "store", hostile)).shows(409, "这次没有记"),
		anna.open("/till?query="+url.QueryEscape(hostile)).shows(200, "没有找到"),
		anna.open("/till?query=" + s.code),
	}
	for _, p := range pages {
		if strings.Contains(p.text, "<script>") || strings.Contains(p.text, "<b>Anna") {
			t.Errorf("%s runs what was entered", p.url)
		}
	}
	if policy := pages[0].header.Get("Permissions-Policy"); !strings.Contains(policy, "camera=(self)") {
		t.Errorf("the camera: %q", policy)
	}
}
