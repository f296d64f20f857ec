package console_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// staffOf returns the browser of a person with the role.
func staffOf(t *testing.T, s *apptest.Server, role string) *browser {
	t.Helper()
	var person struct{ ID string }
	s.Operate(http.MethodPost, "/v1/staff", apptest.Object{"name": "A " + role, "role": role}).Is(t, 201).JSON(t, &person)
	b := newBrowser(t, s.Admin)
	b.send("/login", url.Values{"link": {link(t, s, person.ID)}})
	return b
}

// refusedBy books entries of a card, all of which WeChat refuses for good.
func refusedBy(t *testing.T, w *apptest.World, s *apptest.Server, cardID, code string, n, errcode int, errmsg string) {
	t.Helper()
	dead := func() int { return len(s.Outbox("?state=dead&limit=200")) }
	before := dead()
	if err := w.Sim.AddFault(wechatsim.Fault{Path: "/card/membercard/updateuser", ErrCode: errcode, ErrMsg: errmsg, Times: n}); err != nil {
		t.Fatal(err)
	}
	const body = `{"add_bonus":5,"add_balance":250,"record_bonus":"<b>"}`
	for i := range n {
		s.AddEntry(apptest.EntriesPath(cardID, code), fmt.Sprint(errcode, "-", i), body).Entry(t)
		apptest.Eventually(t, "it is refused", func() bool { return dead() == before+i+1 })
	}
}

// A refusal is shown with WeChat's words as text, what they mean, and its history; it is
// retried alone.
func TestPushes_ARefusalIsUnderstoodAndRetried(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card(apptest.WithBalance)
	s := w.Serve()
	_, code := w.Claim(s, "ming", cardID)
	w.WaitTotals("ming", 0, 0)
	b := staffOf(t, s, "manager")
	b.open("/pushes").shows(200, "一切正常")
	refusedBy(t, w, s, cardID, code, 1, 45021, `<script>"x"</script>`)

	b.open("/").shows(200, `<a href="/pushes?state=dead">1</a>`)
	p := b.open("/pushes").shows(200, "45021 &lt;script&gt;&#34;x&#34;&lt;/script&gt;", "某一项内容太长", "重试全部 1 条", "失败 1 次",
		`/members?query=`+code, `"$CONSOLE"&#39;/v1/outbox/retry&#39;`)
	path := regexp.MustCompile(`/pushes/[0-9a-f-]{36}`).FindString(p.text)
	b.open(path).shows(200, "<dd>&#43;5 → 5</dd>", "<dd>&#43;2.50 → 2.50</dd>", "&lt;b&gt;",
		"发送记录", "被微信拒绝", "45021 &lt;script&gt;", "某一项内容太长", code)
	if !strings.Contains(p.text, `<th scope="col">状态</th>`) || strings.Contains(p.text, "下次重试") {
		t.Error("the state is below the heading of the next try")
	}
	id := strings.TrimPrefix(path, "/pushes/")
	p = b.send("/pushes/retry?state=dead", url.Values{"one": {id}}).shows(200, "已重新排队")
	if got := p.url.Query(); got.Get("state") != "dead" {
		t.Errorf("the filter is lost: %s", p.url)
	}
	apptest.Eventually(t, "it is sent", func() bool { return len(s.Outbox("")) == 0 })
	b.open(path).shows(404, "可能已经同步到微信")
	b.send("/pushes/retry", url.Values{"one": {id}}).shows(404, "可能已经同步到微信", "一切正常")
}

// Each errcode that docs/launch-a-card.md explains has a meaning in both languages, and so
// has each that WeChat's documentation lists for updateuser, activate and /card/code.
func TestPushes_ErrcodesHaveAMeaning(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile("../../../docs/launch-a-card.md")
	if err != nil {
		t.Fatal(err)
	}
	codes := strings.Fields("-1 40056 40075 40099 40110 40116 40127 40135 45021 45022 45023 45061 47001 72003")
	for line := range strings.Lines(string(table)) {
		if row := strings.Split(line, "|"); len(row) > 2 {
			codes = append(codes, regexp.MustCompile(`\b[0-9]{5}\b`).FindAllString(row[1], -1)...)
		}
	}
	for _, lang := range []string{"zh", "en"} {
		texts, err := os.ReadFile("locale/" + lang + ".json")
		if err != nil || len(codes) < 30 {
			t.Fatal(err, codes)
		}
		for _, code := range codes {
			if !strings.Contains(string(texts), `"errcode.`+code+`": "`) {
				t.Errorf("%s: errcode %s has no meaning", lang, code)
			}
		}
	}
}

// What the page shows is retried, and nothing else.
func TestPushes_AllThatMatchAreRetried(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card(apptest.WithBalance)
	s := w.Serve()
	_, code := w.Claim(s, "ming", cardID)
	w.WaitTotals("ming", 0, 0)
	refusedBy(t, w, s, cardID, code, 3, 45021, "long")
	refusedBy(t, w, s, cardID, code, 2, 45022, "large")
	b := signedIn(t, s, s.Admin)
	filter := "/pushes?state=dead&error_contains=45021&code=" + code
	b.open(filter).shows(200, "重试全部 3 条", "被拒绝 3", "等待中 0", `value="45021"`, `value="`+code+`"`)
	b.open("/pushes?code=other").shows(200, "没有符合条件的消息")
	b.open("/pushes?state=sent").shows(422, "查询条件有误")

	p := b.send(strings.Replace(filter, "/pushes?", "/pushes/retry?", 1), url.Values{"all": {"yes"}}).shows(200, "批量重试")
	if !strings.HasPrefix(p.url.Path, "/pushes/retry/") {
		t.Fatalf("the retry has no page: %s", p.url)
	}
	apptest.Eventually(t, "the job ends", func() bool { return strings.Contains(b.open(p.url.Path).text, "已完成 · 3 / 3") })
	b.open(p.url.Path).shows(200, "owner", "<h2>筛选条件</h2>", "45021", `"$CONSOLE"&#39;/v1/outbox/retry/`)
	apptest.Eventually(t, "two are left", func() bool { return len(s.Outbox("")) == 2 })
	b.open("/pushes").shows(200, "最近的批量重试", "3 / 3", "45022", "重试全部 2 条")

	ids := []string{}
	for _, m := range s.Outbox("") {
		ids = append(ids, m.ID)
	}
	b.send("/pushes/retry?code="+code, url.Values{"selected": {"yes"}}).shows(422, "没有选中任何消息", `value="`+code+`"`)
	p = b.send("/pushes/retry", url.Values{"selected": {"yes"}, "ids": ids}).shows(200, "批量重试")
	apptest.Eventually(t, "the selected are sent", func() bool { return len(s.Outbox("")) == 0 })
	b.send(p.url.Path+"/stop", url.Values{}).shows(200, "已完成") // it has ended: nothing is left to stop
	b.send("/pushes/retry/none/stop", url.Values{}).shows(404, "没有这条消息")
	b.open("/pushes/retry/none").shows(404, "没有这条消息")
}

// A retry under way is shown as such, and can be stopped.
func TestPushes_ARetryIsStopped(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, wechatsim.Options{}).Serve()
	var made struct{ Job struct{ ID string } }
	s.Operate(http.MethodPost, "/v1/outbox/retry", `{}`).Is(t, http.StatusAccepted).JSON(t, &made)
	b := signedIn(t, s, s.Admin)
	b.open("/pushes/retry/"+made.Job.ID).shows(200, `<progress max="1" value="`)
	b.send("/pushes/retry/"+made.Job.ID+"/stop", url.Values{}).shows(200, "批量重试")
	apptest.Eventually(t, "it has ended", func() bool {
		text := b.open("/pushes/retry/" + made.Job.ID).text
		return !strings.Contains(text, "进行中") && !strings.Contains(text, `action="/pushes/retry/`+made.Job.ID)
	})
}

func TestPushes_AreForManagers(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, wechatsim.Options{}).Serve()
	max := staffOf(t, s, "cashier")
	for _, path := range []string{"/pushes", "/pushes/x", "/pushes/retry/x", "/entries"} {
		max.open(path).shows(403, "<h1>没有权限</h1>", "你的角色不能做这件事")
	}
	if strings.Contains(max.open("/till").shows(200).text, "curl") {
		t.Error("a cashier sees the calls")
	}
	for _, path := range []string{"/pushes/retry", "/pushes/retry/x/stop", "/entries/undo"} {
		max.send(path, url.Values{"all": {"yes"}}).shows(403, "你的角色不能做这件事")
	}
	b := signedIn(t, s, s.Admin)
	b.header.Set("Accept-Language", "en")
	b.open("/pushes").shows(200, "All is well", "Pushes")
	b.open("/entries").shows(200, "There are no entries yet", "Days are those of Asia/Shanghai.")
}
