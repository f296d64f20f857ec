package console_test

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

func TestEntries_AreFoundAndUndone(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["SHOP_TIME_ZONE"] = "Pacific/Kiritimati" // mostly another day than that of UTC
	cardID := w.Card(apptest.WithBalance)
	s := w.Serve()
	_, code := w.Claim(s, "ming", cardID)
	path := apptest.EntriesPath(cardID, code)
	const large = 999_999_999_999
	first := s.AddEntry(path, "k1", fmt.Sprintf(`{"add_bonus":%d,"order":"0012345678901234","store":"东门店","actor":"amy"}`, large)).Entry(t)
	s.AddEntry(path, "k2", `{"add_balance":1050,"order":"<b>&","store":"<b>1","actor":"<b>2","record_balance":"<b>3"}`).Entry(t)
	b := staffOf(t, s, "manager")

	booked, err := time.Parse(time.RFC3339, first.CreatedAt)
	if err != nil {
		t.Fatal(err)
	}
	day := booked.In(time.FixedZone("", 14*3600)).Format(time.DateOnly)
	b.open("/entries").shows(200, `id="day-`+day, "Pacific/Kiritimati", "&#43;999999999999 → 999999999999", "+10.50 → 10.50",
		"&lt;b&gt;&amp;", "&lt;b&gt;1", "&lt;b&gt;2", "&lt;b&gt;3", "/members?query="+code, `href="/v1/entries/export?format=xlsx&amp;lang=zh"`)
	for query, want := range map[string]int{
		"order=0012345678901234": 1, "store=" + url.QueryEscape("东门店") + "&actor=amy": 1, "actor=bob": 0, "card_id=" + cardID: 2,
		"from=" + day + "&to=" + day: 2, "to=2020-01-01": 0, "order=" + url.QueryEscape("<b>&"): 1,
	} {
		p := b.open("/entries?" + query).shows(200)
		if got := strings.Count(p.text, `name="reverses"`); got != want || (want == 0) != strings.Contains(p.text, "没有符合条件的账目") {
			t.Errorf("%s: got %d entries, want %d", query, got, want)
		}
	}
	b.open("/entries?from=2026-02-02&to=2026-02-01").shows(422, "查询条件有误", "<strong>结束日期</strong> 不能早于开始日期", "query.to", `value="2026-02-02"`)

	filter := "order=0012345678901234"
	form := url.Values{"card_id": {cardID}, "code": {code}, "reverses": {first.ID}}
	for range 2 { // however often the form is sent
		p := b.send("/entries/undo?"+filter, form).shows(200, "已撤销，", `class="reversed"`)
		if p.url.Query().Get("order") != "0012345678901234" {
			t.Errorf("the filter is lost: %s", p.url)
		}
	}
	b.open("/entries").shows(200, "-999999999999 → 0", "撤销订单 0012345678901234", "A manager")
	form.Set("reverses", "none")
	b.send("/entries/undo?"+filter, form).shows(422, "body.reverses", `value="0012345678901234"`)
}

// The lists are filtered by the title of a card; a card that the account has no more stays
// chosen. The entries have links to those of today and of this month.
func TestFilters_NameTheCards(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	title := func(text string) func(base, member apptest.Object) {
		return func(base, _ apptest.Object) { base["title"] = text }
	}
	id, twin := w.NewCard(s, title("<b>金卡")), w.NewCard(s, title("银卡"))
	w.NewCard(s, title("银卡"))
	b := staffOf(t, s, "manager")
	for _, path := range []string{"/entries", "/pushes", "/audit"} {
		b.open(path).shows(200, `<option value="`+id+`">&lt;b&gt;金卡</option>`, `<option value="`+twin+`">银卡 · `+twin)
		b.open(path+"?card_id="+id).shows(200, `<option value="`+id+`" selected>`)
		b.open(path+"?card_id=pGone").shows(200, `<option value="pGone" selected>pGone</option>`)
	}
	p := b.open("/entries?store=a%26b").shows(200, "今天", "本月")
	links := regexp.MustCompile(`<a href="(/entries\?from=(\S+)&amp;store=a%26b&amp;to=(\S+))">(今天|本月)`).FindAllStringSubmatch(p.text, -1)
	if len(links) != 2 {
		t.Fatalf("the links are %q", links)
	}
	for _, link := range links {
		from, to := link[2], link[3]
		if link[4] == "今天" && from != to || link[4] == "本月" && from != to[:8]+"01" {
			t.Errorf("%s is from %s to %s", link[4], from, to)
		}
		b.open(html.UnescapeString(link[1])).shows(200, `aria-current="true">`+link[4])
	}
}

// A day has the figures of all its entries, though its entries are on several pages; for
// a selection they are not known.
func TestEntries_ADayHasItsFigures(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	s := w.Serve()
	_, code := w.Claim(s, "ming", cardID)
	for i := range 52 {
		s.AddEntry(apptest.EntriesPath(cardID, code), fmt.Sprint("k", i), `{"add_bonus":7}`).Entry(t)
	}
	b := signedIn(t, s, s.Admin)
	for _, path := range []string{"/entries", "/entries?card_id=" + cardID} {
		apptest.Eventually(t, "the figures are final", func() bool { return strings.Contains(b.open(path).text, "发放积分 364") })
	}
	first := b.open("/entries").shows(200, "更早的")
	if strings.Contains(b.open("/entries?actor=owner").text, "当天合计") {
		t.Error("the figures of all are shown for one cashier")
	}
	_, rest, _ := strings.Cut(first.text, `href="/entries?cursor=`)
	cursor, _, _ := strings.Cut(rest, `"`)
	last := b.open("/entries?cursor="+cursor).shows(200, "回到最新", "发放积分 364")
	if got := strings.Count(last.text, `name="reverses"`); got != 2 {
		t.Errorf("the last page has %d entries", got)
	}
}
