package console_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// receiver is an endpoint that answers as it is told, and keeps the events that it took.
type receiver struct {
	*httptest.Server
	status atomic.Int64
	took   chan string // webhook-id, a space, and the body
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	rc := &receiver{took: make(chan string, 100)}
	rc.status.Store(http.StatusNoContent)
	rc.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		status := int(rc.status.Load())
		w.WriteHeader(status)
		if status/100 == 2 {
			rc.took <- r.Header.Get("webhook-id") + " " + string(body)
		}
	}))
	t.Cleanup(rc.Close)
	return rc
}

// next returns the id of the next event that the receiver takes, which must have the type.
func (rc *receiver) next(t *testing.T, kind string) (id string) {
	t.Helper()
	select {
	case got := <-rc.took:
		id, body, _ := strings.Cut(got, " ")
		if !strings.Contains(body, `"type":"`+kind+`"`) {
			t.Fatalf("got %s, want %s", got, kind)
		}
		return id
	case <-time.After(time.Minute):
		t.Fatalf("%s does not come", kind)
		return ""
	}
}

// withWebhooks returns a world whose servers send webhooks to this machine.
func withWebhooks(t *testing.T) *apptest.World {
	t.Helper()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["DATA_KEYS"] = "k:" + base64.StdEncoding.EncodeToString([]byte("a key of thirty-two bytes, sealed"[:32]))
	w.Env["WEBHOOK_ALLOW_PRIVATE"] = "127.0.0.0/8"
	return w
}

var (
	shownSecret = regexp.MustCompile(`<pre id="secret">(whsec_[A-Za-z0-9+/&#;=]{40,})</pre>`)
	hidden      = func(name string) *regexp.Regexp {
		return regexp.MustCompile(`name="` + name + `" value="([^"]*)"`)
	}
	webhookLink = regexp.MustCompile(`href="(/webhooks/[^"]+)"`)
)

// addWebhook adds an endpoint through the page, and returns the path of its page.
func addWebhook(t *testing.T, b *browser, address string, types ...string) string {
	t.Helper()
	newest := hidden("newest").FindStringSubmatch(b.open("/webhooks").text)[1]
	form := url.Values{"form": {"change"}, "newest": {newest}, "url": {address}, "description": {"<b>CRM</b>"}, "events": types}
	p := b.send("/webhooks", form).shows(200, "&lt;b&gt;CRM&lt;/b&gt;", "密钥只显示这一次")
	if n := len(shownSecret.FindAllString(p.text, -1)); n != 1 {
		t.Errorf("the page shows %d secrets:\n%s", n, p.text)
	}
	if got := p.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("the secret is kept: %q", got)
	}
	b.send("/webhooks", form).shows(409, "页面已过期") // it is loaded again
	list := b.open("/webhooks").shows(200, "&lt;b&gt;CRM&lt;/b&gt;", "已启用", "还没有")
	if strings.Contains(list.text, "whsec_") {
		t.Error("the list has a secret")
	}
	return webhookLink.FindStringSubmatch(list.text)[1]
}

func TestWebhooks_AreAddedTestedAndSwitched(t *testing.T) {
	t.Parallel()
	w := withWebhooks(t)
	s, rc := w.Serve(), newReceiver(t)
	b := signedIn(t, s, s.Admin)
	b.open("/webhooks").shows(200, "还没有接收地址", `value="*" checked`)
	path := addWebhook(t, b, rc.URL+"/hook?token=hidden", "member.created", "entry.created")
	b.send(path+"/test", url.Values{}).shows(200, "测试已送达：对方回应 204")
	rc.next(t, "webhook.test")
	rc.status.Store(500)
	b.send(path+"/test", url.Values{}).shows(200, "测试没有送达", "500")
	rc.status.Store(204)

	secret := hidden("secret").FindStringSubmatch(b.open(path).text)[1]
	first := shownSecret.FindString(b.send(path+"/rotate", url.Values{"secret": {secret}}).shows(200).text)
	if p := b.send(path+"/rotate", url.Values{"secret": {secret}}).shows(409, "页面已过期"); first == "" || shownSecret.MatchString(p.text) {
		t.Errorf("the secret is replaced twice, or not at all: %q", first)
	}

	b.send(path+"/switch", url.Values{"enabled": {"false"}}).shows(200, "已停用。", "启用")
	change := url.Values{"form": {"change"}, "url": {rc.URL + "/other"}, "description": {""}, "events": {"entry.created"}}
	b.send(path, change).shows(200, "已保存。", rc.URL+"/other", `value="entry.created" checked`, ">已停用<")
	change["url"] = []string{"http://shop.example/"}
	b.send(path, change).shows(422, `value="http://shop.example/"`, "接收地址", `<details open>`)
	change["url"], change["events"] = []string{rc.URL}, nil
	b.send(path, change).shows(422, "事件")
	b.send(path+"/switch", url.Values{"enabled": {"true"}}).shows(200, "已启用。")
	b.send(path+"/delete", url.Values{}).shows(200, "已删除。", "还没有接收地址")
	b.open(path).shows(404, "没有这个接收地址")
	b.send(path+"/test", url.Values{}).shows(404, "没有这个接收地址")
}

func TestWebhooks_DeliveriesAreSentAgain(t *testing.T) {
	t.Parallel()
	w := withWebhooks(t)
	w.Env["SHOP_TIME_ZONE"] = "Asia/Urumqi"
	s, rc := w.Serve(), newReceiver(t)
	b := signedIn(t, s, s.Admin)
	path := addWebhook(t, b, rc.URL, "*")
	b.open(path).shows(200, "还没有推送")
	_, code := w.Claim(s, "ming", w.NewCard(s))
	seen := map[string]string{}
	for len(seen) < 3 { // card.reviewed is in a queue of its own
		got := <-rc.took
		id, body, _ := strings.Cut(got, " ")
		for _, kind := range []string{"member.created", "card.claimed", "card.activated"} {
			if strings.Contains(body, `"type":"`+kind+`"`) {
				seen[kind] = id
			}
		}
	}
	list := b.open(path+"?type=card.claimed").shows(200, code, "领卡", seen["card.claimed"])
	if strings.Contains(list.text, seen["member.created"]) {
		t.Error("the filter selects another type")
	}
	b.open(path+"?type=card.claimed&state=dead").shows(200, "没有符合条件的推送")

	b.send(path+"/resend?type=card.claimed", url.Values{"one": {seen["card.claimed"]}}).
		shows(200, "已重新排队 1 条", `value="card.claimed" selected`)
	if id := rc.next(t, "card.claimed"); id != seen["card.claimed"] {
		t.Errorf("it came again as %s, was %s", id, seen["card.claimed"])
	}
	zone, err := time.LoadLocation("Asia/Urumqi")
	if err != nil {
		t.Fatal(err)
	}
	span := func(from, to time.Duration) url.Values {
		at := func(d time.Duration) []string { return []string{time.Now().In(zone).Add(d).Format("2006-01-02T15:04")} }
		return url.Values{"form": {"range"}, "from": at(from), "to": at(to), "events": {"card.activated"}}
	}
	b.send(path+"/resend", span(-2*time.Hour, -time.Hour)).shows(200, "已重新排队 0 条")
	b.send(path+"/resend", span(-time.Hour, time.Hour)).shows(200, "已重新排队 1 条")
	if id := rc.next(t, "card.activated"); id != seen["card.activated"] {
		t.Errorf("it came again as %s, was %s", id, seen["card.activated"])
	}
	b.send(path+"/resend", url.Values{"form": {"range"}, "from": {"today"}}).shows(422, "请填写开始和结束时间", fmt.Sprintf("时间按 %s", zone))
	b.send(path+"/resend", url.Values{"one": {"evt_nothing"}}).shows(404)
}

// Without DATA_KEYS there is no endpoint, and the page says what is missing.
func TestWebhooks_NeedDataKeys(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, wechatsim.Options{}).Serve()
	b := signedIn(t, s, s.Admin)
	b.send("/webhooks", url.Values{"form": {"change"}, "newest": {""}, "url": {"https://crm.example/"}, "events": {"*"}}).
		shows(409, "DATA_KEYS", `value="https://crm.example/"`)
}

func TestWebhooks_AreTheOwnersAlone(t *testing.T) {
	t.Parallel()
	s := withWebhooks(t).Serve()
	for _, b := range []*browser{asStaff(t, s, "Zoe", "manager"), asStaff(t, s, "Max", "cashier")} {
		if strings.Contains(b.open("/members").text, `href="/webhooks"`) {
			t.Error("the menu has the page")
		}
		b.open("/webhooks").shows(403)
		b.open("/webhooks/x").shows(403)
		for _, path := range []string{"", "/x", "/x/switch", "/x/rotate", "/x/test", "/x/resend", "/x/delete"} {
			b.send("/webhooks"+path, url.Values{"url": {"https://crm.example/"}, "events": {"*"}}).shows(403, "你的角色不能做这件事")
		}
	}
}
