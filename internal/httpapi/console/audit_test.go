package console_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// Who did what, from where, and what was different before and after: in words, and
// found by what the address has.
func TestAudit_SaysWhoChangedWhat(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, wechatsim.Options{}).Serve()
	zoe := asStaff(t, s, "Zoe <b>", "manager")
	zoe.open("/audit").shows(200, "添加员工", `<code class="quiet">addStaff</code>`, "接口 · 127.0.0.1", "生成登录链接")
	const exact = 1_000_000 - 1
	s.Operate(http.MethodPut, "/v1/settings", apptest.Object{"points_per_100_yuan": exact, "cashier": apptest.Object{
		"balance_per_day": 999_999_999_999}}).Is(t, 200)
	s.Operate(http.MethodDelete, "/v1/staff/nobody", nil).Is(t, 404)
	p := zoe.open("/audit").shows(200, "修改店铺设置", "得多少积分（100 就是每元 1 分）</span> 100 → 999999",
		"每天金额（元）</span> 10000.00 → 9999999999.99", "姓名</span> – → Zoe &lt;b&gt;", "角色</span> – → 店长",
		"被拒绝", "没有改动", `<code class="quiet">staff_not_found</code>`, "请求编号")
	if strings.Contains(p.text, "Zoe <b>") {
		t.Error("a name is markup")
	}

	zoe.send("/settings", url.Values{"points_per_100_yuan": {"10"}, "was_points_per_100_yuan": {"999999"},
		"bonus_per_entry": {"0"}, "was_bonus_per_entry": {"0"}, "bonus_per_day": {"0"}, "was_bonus_per_day": {"0"},
		"balance_per_entry": {"0"}, "was_balance_per_entry": {"0"}, "balance_per_day": {"0"}, "was_balance_per_day": {"0"}}).shows(200, "已保存")
	actor := regexp.MustCompile(`href="(/audit\?actor=Zoe[^"]*)"`).FindStringSubmatch(zoe.open("/audit").text)
	if actor == nil {
		t.Fatal("the name of the actor is no link")
	}
	found := zoe.open(html.UnescapeString(actor[1])).shows(200, "999999 → 10", "控制台 · 127.0.0.1", `value="Zoe &lt;b&gt;"`, "店长")
	if strings.Contains(found.text, "removeStaff</code>") {
		t.Error("a filter lets others through")
	}
	export := regexp.MustCompile(`href="(/v1/audit/export[^"]*)"`).FindStringSubmatch(found.text)
	csv := zoe.open(strings.Replace(html.UnescapeString(export[1]), "format=xlsx&", "", 1)).
		shows(200, "setShopSettings", "Zoe <b>", "操作,会员卡", "店长,控制台")
	if strings.Contains(csv.text, "removeStaff") || !strings.Contains(csv.header.Get("Content-Type"), "csv") {
		t.Errorf("the export has others, or is no CSV: %s", csv.text)
	}
	zoe.open("/audit?action=removeStaff").shows(200, `<option value="removeStaff" selected>移除员工`, "staff_not_found", "/audit?subject=nobody")
	zoe.open("/audit?subject=Max").shows(200, "没有符合条件的记录", `<a href="/audit">`)
	zoe.open("/audit?from=2099-01-01").shows(200, "没有符合条件的记录", `value="2099-01-01"`)
	zoe.open("/audit?from=yesterday").shows(422, "查询条件有误", "query.from")
	zoe.open("/audit?code=1").shows(422, "query.code")
	zoe.open("/audit?cursor=wrong").shows(422, "query.cursor")
	zoe.send("/language", url.Values{"lang": {"en"}})
	zoe.open("/audit").shows(200, "Change the shop&#39;s settings", ">refused<", "nothing was changed", "API · 127.0.0.1")
	asStaff(t, s, "Max", "cashier").open("/audit").shows(403)
}

// Pages of the log lead to the older ones, with the filter.
func TestAudit_HasPages(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, wechatsim.Options{}).Serve()
	b := signedIn(t, s, s.Admin)
	for range 60 {
		s.Operate(http.MethodDelete, "/v1/staff/nobody", nil).Is(t, 404)
	}
	p := b.open("/audit?subject=nobody").shows(200)
	link := regexp.MustCompile(`href="(/audit\?[^"]*cursor=[^"]*)"`)
	older := link.FindStringSubmatch(p.text)
	if n := strings.Count(p.text, "staff_not_found"); n != 50 || older == nil {
		t.Fatalf("the first page has %d records, and leads to %q", n, older)
	}
	p = b.open(html.UnescapeString(older[1])).shows(200)
	if n := strings.Count(p.text, "staff_not_found"); n != 10 || link.MatchString(p.text) {
		t.Errorf("the second page has %d records", n)
	}
}

// What the audit log may have as an action has words.
func TestAudit_HasTextsForEachAction(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, wechatsim.Options{}).Serve()
	var api struct {
		Paths map[string]map[string]struct{ OperationID string }
	}
	if err := json.Unmarshal(s.Operate(http.MethodGet, "/openapi.json", nil).Is(t, 200).Body, &api); err != nil {
		t.Fatal(err)
	}
	unrecorded := map[string]bool{"addEntry": true, "addEntries": true, "explain": true}
	actions := map[string]bool{}
	for _, methods := range api.Paths {
		for method, op := range methods {
			if method != "get" && !unrecorded[op.OperationID] || strings.HasPrefix(op.OperationID, "export") {
				actions[op.OperationID] = true
			}
		}
	}
	commands, err := filepath.Glob("../../../cmd/server/*.go")
	if err != nil {
		t.Fatal(err)
	}
	recorded := regexp.MustCompile(`(?:withRecord|changing|withCardFile)\(ctx, streams, "([a-zA-Z]+)"`)
	for _, name := range commands {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range recorded.FindAllSubmatch(source, -1) {
			actions[string(m[1])] = true
		}
	}
	if len(actions) < 20 || !actions["setShopSettings"] {
		t.Fatalf("found %v", actions)
	}
	texts := textsOf(t, "zh")
	for action := range actions {
		if texts["action."+action] == "" {
			t.Errorf("there is no action.%s", action)
		}
	}
}
