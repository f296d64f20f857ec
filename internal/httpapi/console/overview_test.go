package console_test

import (
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// The figures are those of all cards or of the one in the URL, by its name.
func TestOverview_IsOfAllCardsOrOfOne(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	taken := w.NewCard(s, apptest.RealTime, func(base, _ apptest.Object) { base["title"] = "<b>甲" })
	other := w.NewCard(s, apptest.RealTime, func(base, _ apptest.Object) { base["title"] = "乙" })
	_, code := w.Claim(s, "ming", taken)
	s.AddEntry(apptest.EntriesPath(taken, code), "k", `{"add_bonus":7654}`).Is(t, 201)
	b := signedIn(t, s, s.Admin)
	apptest.Eventually(t, "the figures are counted", func() bool {
		return strings.Contains(string(s.Operate("GET", "/v1/statistics", nil).Body), "7654")
	})
	b.open("/").shows(200, "<dt>充值（元）</dt><dd>0.00</dd>", "<dt>余额消费（元）</dt>", "&lt;b&gt;甲 · "+taken, "乙 · "+other, "<td>1</td><td>100%</td>",
		"发放积分 7654\n使用积分 0</title>", "<span>7654</span><span>0</span>")
	b.open("/?card_id="+taken).shows(200, `value="`+taken+`" selected`, "<td>7654</td>")
	if p := b.open("/?card_id="+other).shows(200, `value="`+other+`" selected`, "还没有人领卡"); strings.Contains(p.text, "7654") {
		t.Error("the figures of one card are those of another")
	}
	b.open("/?card_id=%3Cscript%3E").shows(422, "查询条件有误")
}

// The overview has the last examination of the server, with its age, and does not wait
// for it.
func TestOverview_SaysWhatIsWrongWithTheServer(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, wechatsim.Options{}).Serve()
	b := signedIn(t, s, s.Admin)
	apptest.Eventually(t, "the server was checked", func() bool {
		return strings.Contains(b.open("/").text, "检查于")
	})
	b.open("/").shows(200, "WECHAT_API_URL 不是微信的地址", "→ 要连接真正的微信，请去掉 WECHAT_API_URL",
		`</span> <a href="/cards">会员卡</a></li>`, `data-live="10"`, "接口凭证", "今天本实例调用微信")
	b.header.Set("Accept-Language", "en")
	b.open("/").shows(200, "Needs attention", "Exposure", "Card ticket", "→ unset WECHAT_API_URL")
}
