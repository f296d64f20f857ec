package console_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

var (
	secretForm = regexp.MustCompile(`addcard_[A-Za-z0-9_-]{43}`)
	shownLink  = regexp.MustCompile(`<pre id="secret">([^<]*)</pre>`)
)

// secretOn returns what a page shows once, and fails the test if the page may be kept.
func secretOn(t *testing.T, p page) string {
	t.Helper()
	found := shownLink.FindStringSubmatch(p.text)
	if found == nil {
		t.Fatalf("%s shows no secret:\n%s", p.url, p.text)
	}
	if got := p.header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("the secret is kept: Cache-Control is %q", got)
	}
	if secretForm.MatchString(p.url.String()) {
		t.Errorf("the secret is in the address %s", p.url)
	}
	if found := secretForm.FindAllString(p.text, -1); len(found) != 1 {
		t.Errorf("the page has the secret %d times", len(found))
	}
	return html.UnescapeString(found[1])
}

// personOf returns the ID of a person on the page, and the newest key of a kind as the
// form for another one names it.
func personOf(t *testing.T, p page, name, form string) (id, newest string) {
	t.Helper()
	_, section, ok := strings.Cut(p.text, `">`+html.EscapeString(name)+` <span class="status">`)
	found := regexp.MustCompile(`/staff/([^/]+)/` + form + `"><input type="hidden" name="newest" value="([^"]*)"`).FindStringSubmatch(section)
	if !ok || found == nil {
		t.Fatalf("%s has no form %s of %s:\n%s", p.url, form, name, p.text)
	}
	return found[1], found[2]
}

func TestStaff_APersonGetsALinkThatIsShownOnce(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, wechatsim.Options{}).Serve()
	owner := signedIn(t, s, s.Admin)
	owner.open("/staff").shows(200, "owner <span class=\"status\">店主", "还没有员工", "-d &#39;{&#34;name&#34;:")
	const name = `<i>小王</i>`
	added := url.Values{"name": {" " + name + " "}, "role": {"cashier"}}
	p := owner.send("/staff", added).shows(200, "<h1>&lt;i&gt;小王&lt;/i&gt;</h1>", `<svg class="qr"`, "现在的地址只能在本机打开")
	address := secretOn(t, p)
	if !strings.HasPrefix(address, s.Admin+"/login?link=") {
		t.Errorf("the link leads to %s", address)
	}
	owner.send("/staff", added).shows(409, "已经有同名的员工", `value=" &lt;i&gt;小王&lt;/i&gt; "`) // the page is loaded again

	wang := newBrowser(t, s.Admin)
	secret := secretForm.FindString(wang.open(address).shows(200, "点击按钮登录").text)
	wang.send("/login", url.Values{"link": {secret}})
	wang.open("/staff").shows(403, "你的角色不能做这件事")
	if got := wang.open("/v1/settings").status; got != 200 {
		t.Errorf("after the sign-in: %d", got)
	}
	p = owner.open("/staff").shows(200, "&lt;i&gt;小王", "已登录的浏览器")
	if secretForm.MatchString(p.text) || strings.Contains(p.text, name) {
		t.Errorf("the list has a secret, or a name as markup:\n%s", p.text)
	}
	id, _ := personOf(t, p, name, "link")
	owner.send("/staff/"+id+"/remove", url.Values{}).shows(200, "已移除", "还没有员工")
	if got := wang.open("/v1/settings").status; got != 401 {
		t.Errorf("after the removal: %d", got)
	}
	owner.send("/staff/"+id+"/remove", url.Values{}).shows(404, "没有这个人")
	owner.send("/staff/"+id+"/link", url.Values{}).shows(404, "没有这个人")
}

// A form that is sent again, because its page is loaded again, neither ends the link
// that was just passed on nor makes another token.
func TestStaff_AFormMakesOneSecret(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, wechatsim.Options{}).Serve()
	owner := signedIn(t, s, s.Admin)
	secretOn(t, owner.send("/staff", url.Values{"name": {"Zoe"}, "role": {"manager"}}))
	list := owner.open("/staff")
	id, newest := personOf(t, list, "Zoe", "link")
	again := url.Values{"newest": {newest}}
	address := secretOn(t, owner.send("/staff/"+id+"/link", again).shows(200, "用一次就失效"))
	owner.send("/staff/"+id+"/link", again).shows(409, "页面已过期", `name="newest"`)
	newBrowser(t, s.Admin).send("/login", url.Values{"link": {secretForm.FindString(address)}}).shows(200, "Zoe · 店长")

	_, newest = personOf(t, list, "Zoe", "tokens")
	form := url.Values{"newest": {newest}, "label": {"till <1>"}}
	token := secretOn(t, owner.send("/staff/"+id+"/tokens", form).shows(200, "Bearer token"))
	for range 2 {
		owner.send("/staff/"+id+"/tokens", form).shows(409, "页面已过期")
	}
	use := func() int { return apptest.Request(t, http.MethodGet, s.Admin+"/v1/settings", token, nil).Status }
	if got := use(); got != 200 {
		t.Errorf("with the token: %d", got)
	}
	p := owner.open("/staff").shows(200, "令牌 · till &lt;1&gt;")
	if n := strings.Count(p.text, "令牌 · till"); n != 1 {
		t.Errorf("there are %d tokens", n)
	}
	keyID := regexp.MustCompile(`(?s)令牌 · till.*?name="key_id" value="([^"]*)"`).FindStringSubmatch(p.text)[1]
	owner.send("/staff/"+id+"/revoke", url.Values{"key_id": {keyID}}).shows(200, "已吊销")
	if got := use(); got != 401 {
		t.Errorf("with the token that was revoked: %d", got)
	}
	owner.send("/staff/"+id+"/revoke", url.Values{"key_id": {keyID}}).shows(404, "没有这个人，或者这个登录方式已经失效")
}

// The link leads to the address at which the owner has opened the console: that of a
// proxy, below a prefix.
func TestStaff_ALinkHasTheAddressOfTheProxy(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["CONSOLE_PREFIX"], w.Env["TRUSTED_PROXIES"] = "/shop", "127.0.0.1"
	s := w.Serve()
	b := newBrowser(t, s.Admin+"/shop")
	b.host = "shop.example"
	b.header.Set("X-Forwarded-Proto", "https")
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	cookie, _, _ := strings.Cut(b.send("/login", url.Values{"link": {link(t, s, "owner")}}).header.Get("Set-Cookie"), ";")
	b.header.Set("Cookie", cookie) // which a browser without TLS does not send
	p := b.send("/staff", url.Values{"name": {"Zoe"}, "role": {"manager"}})
	if address := secretOn(t, p); !strings.HasPrefix(address, "https://shop.example/shop/login?link=addcard_") {
		t.Errorf("the link leads to %s", address)
	}
	if strings.Contains(p.text, "只能在本机打开") {
		t.Error("the page says that the link works only on this machine")
	}
	p.shows(200, `data-reload="/shop/staff"`, `<a href="/shop/staff">`)
}

func TestStaff_IsTheOwnersAlone(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, wechatsim.Options{}).Serve()
	for _, b := range []*browser{asStaff(t, s, "Zoe", "manager"), asStaff(t, s, "Max", "cashier")} {
		b.open("/staff").shows(403)
		for _, path := range []string{"/staff", "/staff/owner/link", "/staff/owner/tokens", "/staff/owner/revoke", "/staff/owner/remove"} {
			if p := b.send(path, url.Values{"name": {"Eve"}, "role": {"manager"}}).shows(403, "你的角色不能做这件事"); shownLink.MatchString(p.text) {
				t.Errorf("%s shows a secret", path)
			}
		}
	}
	owner := signedIn(t, s, s.Admin)
	owner.send("/staff", url.Values{"name": {"Eve"}, "role": {"owner"}}).shows(422, "body.role")
	owner.send("/staff", url.Values{"name": {"a:b"}, "role": {"cashier"}}).shows(409, "不能有冒号")
	owner.send("/staff/owner/remove", url.Values{}).shows(404)
	owner.send("/staff/owner/tokens", url.Values{}).shows(404)
}

// The page says what a manager may not do, which is what the access table leaves to the
// owner: the staff, and replacing a ticket.
func TestStaff_ThePageSaysWhatAManagerMayNotDo(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	signedIn(t, s, s.Admin).open("/staff").shows(200, "店长：除了员工管理和作废票据，其他都能做", "<span>店主</span>")
	b := staffOf(t, s, "manager")
	b.open("/settings").shows(200, "A manager · 店长")
	b.open("/staff").shows(403)
	b.send("/tickets/wx_card", url.Values{"sure": {"yes"}}).shows(403)
}
