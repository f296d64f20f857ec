package console_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// holder is a member with a card and its page.
type holder struct {
	*browser
	s                  *apptest.Server
	path, cardID, code string
}

func newHolder(t *testing.T, edit ...func(base, card apptest.Object)) holder {
	t.Helper()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	cardID := w.NewCard(s, append(edit, apptest.RealTime)...)
	_, code := w.Claim(s, "ming", cardID)
	b := signedIn(t, s, s.Admin)
	path := regexp.MustCompile(`/members/[0-9a-f-]{36}`).FindString(b.open("/members?query=" + code).text)
	return holder{b, s, path, cardID, code}
}

// form returns the values of a form about the holder's card, in pairs.
func (h holder) form(pairs ...string) url.Values {
	f := url.Values{"card_id": {h.cardID}, "code": {h.code}}
	for i := 0; i < len(pairs); i += 2 {
		f.Set(pairs[i], pairs[i+1])
	}
	return f
}

func (h holder) give(key, points string) page {
	h.t.Helper()
	return h.send(h.path+"/entries", h.form("key", key, "add_bonus", points, "direction", "give"))
}

// Without script, a page shows what the totals will be before anything is booked.
func TestMember_TheResultIsShownBefore(t *testing.T) {
	t.Parallel()
	h := newHolder(t, apptest.WithBalance)
	h.give("a", "100").shows(200, "&#43;100 → <strong>100</strong>")
	h.open(h.path).shows(200, `data-total="100"`, `data-decimals="2"`, "preview")
	p := h.send(h.path+"/preview", h.form("key", "k", "add_bonus", "30", "add_balance", "0.5", "record_bonus", "<b>"))
	p.shows(200, "100 → 130", "100 → 70", "0.00 → 0.50", "不足，只有 0.00", `value="&lt;b&gt;"`, `name="key" value="k"`)
	if strings.Contains(p.text, `value="take"`) {
		t.Error("it offers to take what there is not")
	}
	h.open(h.path).shows(200, `data-total="100"`)
	for _, wrong := range []string{"x", "", "0", "9223372036854775808"} {
		h.send(h.path+"/preview", h.form("add_bonus", wrong)).shows(422, "积分须为正整数")
	}
	for _, large := range []string{"add_bonus", "add_balance"} {
		h.send(h.path+"/entries", h.form("key", "large", large, "10000000", "direction", "give")).shows(422, "金额太大")
	}
	h.send(h.path+"/preview", url.Values{"card_id": {"p"}, "code": {"1"}, "add_bonus": {"1"}}).shows(422)
	staffed(t, h.s, "cashier").send(h.path+"/preview", h.form("add_bonus", "1")).shows(403)
}

// What was spent cannot be taken back: the button takes the rest, and the page says how
// much is missing.
func TestMember_ASpentEntryIsUndoneInPart(t *testing.T) {
	t.Parallel()
	h := newHolder(t)
	p := h.send(h.path+"/entries", h.form("key", "a", "add_bonus", "100", "order", "T-1", "direction", "give"))
	id := regexp.MustCompile(`name="reverses" value="([^"]*)"`).FindStringSubmatch(p.text)[1]
	if strings.Contains(p.text, `name="partial"`) {
		t.Error("nothing was spent, and a part is offered")
	}
	h.send(h.path+"/entries", h.form("key", "b", "add_bonus", "70", "direction", "take")).
		shows(200, `name="partial"`, "只能收回积分 30、余额 0.00 元")
	undo := h.form("key", "undo-"+id, "reverses", id)
	h.send(h.path+"/entries", undo).shows(409, "积分不足", `name="partial"`)
	undo.Set("partial", "yes")
	for range 2 {
		h.send(h.path+"/entries", undo).shows(200, "-30 → <strong>0</strong>", "没有收回：积分 70、余额 0.00 元", "已撤销，", "已撤销 &#43;30 积分", "撤销订单 T-1")
	}
	if p := h.open(h.path); strings.Contains(p.text, `class="reversed"`) {
		t.Error("what was undone in part is struck through")
	}
	h.open("/entries").shows(200, "已撤销 &#43;30 积分", "撤销订单 T-1")
}

// An order is booked once on a card, as at the till, and the page says who has booked it.
func TestMember_AnOrderIsBookedOnce(t *testing.T) {
	t.Parallel()
	h := newHolder(t)
	first := h.send(h.path+"/entries", h.form("key", "a", "add_bonus", "30", "order", "T-1", "direction", "give")).shows(200, "已记账")
	again := h.form("key", "b", "add_bonus", "30", "order", "T-1", "direction", "give")
	h.send(h.path+"/entries", again).shows(409, "这个订单已经记过账", "由 owner 记：&#43;30 积分", `data-total="30"`)
	id := regexp.MustCompile(`name="reverses" value="([^"]*)"`).FindStringSubmatch(first.text)[1]
	h.send(h.path+"/entries", h.form("key", "undo-"+id, "reverses", id)).shows(200, "已撤销，", `class="reversed"`, "撤销订单 T-1")
	h.send(h.path+"/entries", again).shows(200, "已记账", `data-total="30"`)
}

// The list names a member by the cards, and a search that finds one member opens it.
func TestMembers_AreNamedByTheirCards(t *testing.T) {
	t.Parallel()
	h := newHolder(t)
	list := h.open("/members").shows(200, "会员卡 · "+h.code+"</a>", "<small>"+h.path[len("/members/"):]+"</small>", "积分 0<br>")
	if strings.Contains(list.text, "余额") {
		t.Error("a card that keeps no balance has one in the list")
	}
	if found := h.open("/members?query="+h.code).shows(200, "时间线"); found.url.Path != h.path {
		t.Errorf("the only one found is at %s", found.url)
	}
	h.open("/members?query=none").shows(200, "没有找到")
}

// The balance is asked for only where the card has one, and not as an amount.
func TestMember_ACardWithoutABalanceAsksForNone(t *testing.T) {
	t.Parallel()
	if p := newHolder(t); strings.Contains(p.open(p.path).text, `name="add_balance"`) {
		t.Error("a card that keeps no balance asks for one")
	}
	with := newHolder(t, apptest.WithBalance)
	with.open(with.path).shows(200, `余额（元） <input name="add_balance" placeholder="充值或扣款的数额"`)
	long := with.form("key", "k", "add_bonus", "1", "record_bonus", strings.Repeat("长", 15), "direction", "give")
	with.send(with.path+"/entries", long).shows(422, "最多 14 个汉字", strings.Repeat("长", 15))
}

// A refused form keeps what was typed, for its own card only.
func TestMember_ARefusedFormKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	h := newHolder(t)
	form := h.cardID + "-" + h.code
	sent := h.form("form", form, "key", "k", "add_bonus", "5", "order", `"><script>`, "direction", "take")
	h.send(h.path+"/entries", h.form("key", "z", "direction", "give")).shows(422, "<strong>积分</strong> 积分和金额不能都为 0 <small>")
	h.send(h.path+"/entries", sent).shows(409, `name="add_bonus" inputmode="numeric" pattern="[0-9]{1,13}" autocomplete="off" value="5"`,
		`value="&#34;&gt;&lt;script&gt;"`, `name="key" value="k"`)
	sent.Set("form", "another")
	if p := h.send(h.path+"/entries", sent).shows(409); strings.Contains(p.text, `autocomplete="off" value="5"`) {
		t.Error("another card has what was typed")
	}
}

func TestMember_FieldsAreShownAndChanged(t *testing.T) {
	t.Parallel()
	h := newHolder(t, func(_, card apptest.Object) {
		card["custom_field1"] = apptest.Object{"name_type": "FIELD_NAME_TYPE_LEVEL", "url": "https://shop.example/"}
	})
	h.open(h.path).shows(200, "等级", "示例", h.code, `class="face Color010"`)
	h.send(h.path+"/fields", h.form("custom_field1", "<i>金</i>", "was_custom_field1", "")).
		shows(200, "已保存", `<dd>&lt;i&gt;金&lt;/i&gt;</dd>`)
	h.send(h.path+"/fields", h.form("form", "fields-"+h.cardID+"-"+h.code, "custom_field1", strings.Repeat("长", 5))).
		shows(422, "输入有误", `value="长长长长长"`, "custom_field1")
	h.send(h.path+"/fields", h.form("custom_field1", "a", "was_custom_field1", "a")).shows(200, "已保存", `&lt;i&gt;金`) // no change
	staffed(t, h.s, "cashier").send(h.path+"/fields", h.form("custom_field1", "a")).shows(403)
}

// What cannot be undone asks first, with script and without.
func TestMember_EndsAndErasuresAreConfirmed(t *testing.T) {
	t.Parallel()
	h := newHolder(t)
	h.open(h.path).shows(200, "data-confirm")
	cashier := staffed(t, h.s, "cashier")
	for _, action := range []string{"/unavailable", "/erase"} {
		h.send(h.path+action, h.form()).shows(422, "请先勾选确认", h.code)
		cashier.send(h.path+action, h.form("sure", "yes")).shows(403)
	}
	h.send(h.path+"/unavailable", h.form("sure", "yes", "reason", "lost")).shows(200, "这张卡已作废", "已失效")
	h.send(h.path+"/erase", h.form("sure", "yes")).shows(200, "会员资料已删除")
	h.open(h.path).shows(404, "没有这个会员")
	h.send(h.path+"/erase", h.form("sure", "yes")).shows(404)
}

// A long ledger has a second page.
func TestMember_OlderEntriesAreOnTheNextPage(t *testing.T) {
	t.Parallel()
	h := newHolder(t)
	path := apptest.EntriesPath(h.cardID, h.code)
	for i := range 21 {
		key := "k" + string(rune('a'+i))
		h.s.AddEntry(path, key, `{"add_bonus":1,"order":"order-`+key+`."}`).Is(t, http.StatusCreated)
	}
	p := h.open(h.path)
	if strings.Contains(p.text, "订单号 order-ka.") {
		t.Error("the first page has 21 entries")
	}
	older := regexp.MustCompile(`href="([^"]*&amp;entries=[^"#]*)`).FindStringSubmatch(p.text)
	if older == nil {
		t.Fatal("there is no link to older entries")
	}
	if p := h.open(strings.ReplaceAll(older[1], "&amp;", "&")).shows(200, "order-ka."); strings.Contains(p.text, "订单号 order-ku.") {
		t.Error("the second page has the newest entry")
	}
	h.open(h.path+"?ledger=another&entries=wrong").shows(200, "order-ku.")
	h.open(h.path+"?ledger="+h.cardID+"-"+h.code+"&entries=wrong").shows(422, "查询条件有误")
}
