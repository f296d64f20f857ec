package console_test

import (
	"bytes"
	"encoding/base64"
	"mime/multipart"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// uploadImport sends the form of an import with a file.
func (b *browser) uploadImport(name, content string, fields url.Values) page {
	b.t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for field := range fields {
		if err := form.WriteField(field, fields.Get(field)); err != nil {
			b.t.Fatal(err)
		}
	}
	part, err := form.CreateFormFile("file", name)
	if err == nil {
		_, err = part.Write([]byte(content))
	}
	if err != nil || form.Close() != nil {
		b.t.Fatal(err)
	}
	return b.request(http.MethodPost, "/imports", form.FormDataContentType(), body.String())
}

// ended returns the page of an import when it has ended.
func (b *browser) ended(p page) page {
	b.t.Helper()
	apptest.Eventually(b.t, "the import ends", func() bool {
		p = b.open(p.url.Path)
		return !strings.Contains(p.text, "进行中")
	})
	return p
}

// startedImport starts an import by the API and returns the path of its page.
func startedImport(t *testing.T, s *apptest.Server) string {
	t.Helper()
	var cards struct {
		Cards []struct {
			CardID string `json:"card_id"`
		}
	}
	s.Operate(http.MethodGet, "/v1/cards", nil).Is(t, 200).JSON(t, &cards)
	var started struct{ ID string }
	s.Operate(http.MethodPost, "/v1/imports?name=a&card_id="+cards.Cards[0].CardID, "code,bonus\nx,y\n").Is(t, 202).JSON(t, &started)
	return "/imports/" + started.ID
}

// A manager downloads the sample, makes a dry run of a file, reads what is wrong with it,
// and imports it. It works without script.
func TestImports_FromTheSampleToTheMembers(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["DATA_KEYS"] = "k1:" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	s := w.Serve()
	card := w.NewCard(s, apptest.WithBalance)
	_, code := w.Claim(s, "ming", card)
	b := asStaff(t, s, "Zoe", "manager")
	sample := b.open("/imports/sample.csv").shows(200, "\ufeff手机号,卡号,")
	b.open("/imports").shows(200, "试运行", "下载示例文件", "还没有导入过", `enctype="multipart/form-data"`)

	fields := url.Values{"card_id": {card}, "dry_run": {"true"}}
	b.ended(b.uploadImport("sample.csv", sample.text, fields)).shows(200, "sample.csv · 试运行", "没有改动任何数据", "<dt>等待本人</dt><dd>2</dd>")

	file := "会员电话,卡号,积分,余额\n138 0013 8000," + code + ",30,1.5\n138001,,1,\n"
	b.uploadImport("会员.csv", file, fields).shows(422, "余额的单位", "余额（元）")
	fields.Set("balance_in", "yuan")
	fields.Set("column_phone", "会员电话")
	b.ended(b.uploadImport("会员.csv", file, fields)).shows(200, "不能导入的行", "<td>会员电话</td><td>不是手机号</td>", "试运行")
	fields.Del("dry_run")
	b.ended(b.uploadImport("会员.csv", file, fields)).shows(200, "一行也没有导入", "不是手机号")
	fields.Set("skip_refused", "true")
	fields.Set("import", "会员.csv")
	done := b.ended(b.uploadImport("renamed.csv", file, fields)).shows(200, "已完成", "会员.csv")
	w.WaitTotals("ming", 30, 150)
	again := b.ended(b.uploadImport("会员.csv", file, fields)).shows(200, "<dt>以前导入过，无变化</dt><dd>1</dd>")
	if again.url.Path != done.url.Path {
		t.Errorf("the same file again is %s, and was %s", again.url.Path, done.url.Path)
	}
	b.open("/imports").shows(200, "会员.csv</a> · 试运行", "Zoe")
	b.open("/members?query=13800138000").shows(200, "从别的系统导入的账户", "30 ", "1.50", "会员.csv")
	b.open("/audit").shows(200, "importMembers")
}

func TestImports_SayWhatIsWrongWithTheForm(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	card := w.NewCard(s)
	b := signedIn(t, s, s.Admin)
	fields := url.Values{"card_id": {card}, "sheet": {"会员表"}}
	b.uploadImport("empty.csv", "", fields).shows(422, "不能为空", `value="会员表"`)
	b.send("/imports", fields).shows(422, "不能为空")
	b.uploadImport("a.csv", "甲,乙\n1,2\n", fields).shows(422, "没有认得出的列名")
	b.uploadImport("a.csv", "手机号\n13800138000\n", url.Values{"card_id": {card}}).shows(422, "DATA_KEYS")
	b.uploadImport("a.csv", "卡号\na1\n", url.Values{"card_id": {"unknown"}}).shows(422, "没有这张会员卡")
	b.uploadImport("a.csv", strings.Repeat("x", 9<<20), fields).shows(413)
	b.open("/imports/nothing").shows(404, "没有这次导入")
	max := asStaff(t, s, "Max", "cashier")
	max.open("/imports").shows(403)
	if menu := max.open("/till").text; regexp.MustCompile(`href="/imports"`).MatchString(menu) {
		t.Error("a cashier is led to the imports")
	}
}

// A person who was imported and has not come yet is found, at the till too, and can be
// erased.
func TestImports_ShowWhoWaits(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["DATA_KEYS"] = "k1:" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	s := w.Serve()
	card := w.NewCard(s, apptest.WithBalance)
	b := asStaff(t, s, "Zoe", "manager")
	file := "手机号,姓名,积分,余额（元）\n138 0013 8000,李雷,30,1.5\n"
	b.ended(b.uploadImport("会员.csv", file, url.Values{"card_id": {card}})).shows(200, "已完成")

	asStaff(t, s, "Max", "cashier").open("/till?query=13800138000").shows(200, "已导入的老会员", "30 积分，¥1.50")
	found := b.open("/members?query=138-0013-8000").shows(200, "已导入，等待本人", "李雷", "8613800138000", "会员.csv")
	erase := regexp.MustCompile(`/imports/accounts/[^"]+/erase`).FindString(found.text)
	b.send(erase, url.Values{}).shows(200, "导入账户的资料已删除")
	b.send(erase, url.Values{}).shows(404, "这个账户已不在等待")
	b.open("/members?query=138-0013-8000").shows(200, "没有找到")
	b.open("/audit").shows(200, "eraseAccount")
}
