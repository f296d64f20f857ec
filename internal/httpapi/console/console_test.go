package console_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// browser is a browser that follows redirects and keeps cookies.
type browser struct {
	t      testing.TB
	client *http.Client
	base   string // of the console
	header http.Header
	host   string // if set, the Host that a proxy passes on
}

func newBrowser(t testing.TB, base string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t: t, client: &http.Client{Jar: jar}, base: base, header: http.Header{}}
}

// page is an answer to a browser.
type page struct {
	t      testing.TB
	url    *url.URL // after redirects
	status int
	header http.Header
	text   string
}

func (b *browser) do(method, path string, form url.Values) page {
	b.t.Helper()
	contentType := ""
	if form != nil {
		contentType = "application/x-www-form-urlencoded"
	}
	return b.request(method, path, contentType, form.Encode())
}

func (b *browser) request(method, path, contentType, body string) page {
	b.t.Helper()
	target := path
	if !strings.HasPrefix(path, "http") {
		target = b.base + path
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for name, values := range b.header {
		r.Header[name] = values
	}
	r.Host = b.host
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return page{b.t, resp.Request.URL, resp.StatusCode, resp.Header, string(text)}
}

func (b *browser) open(path string) page { b.t.Helper(); return b.do(http.MethodGet, path, nil) }
func (b *browser) send(path string, form url.Values) page {
	b.t.Helper()
	return b.do(http.MethodPost, path, form)
}

// shows fails the test unless the page has the status and each of the texts.
func (p page) shows(status int, texts ...string) page {
	p.t.Helper()
	for _, text := range texts {
		if !strings.Contains(p.text, text) {
			p.t.Errorf("%s does not show %q:\n%.3000s", p.url, text, p.text)
		}
	}
	if p.status != status {
		p.t.Errorf("%s: got %d, want %d", p.url, p.status, status)
	}
	return p
}

// link returns the secret of a link for a person.
func link(t testing.TB, s *apptest.Server, id string) string {
	t.Helper()
	var made struct{ Secret string }
	s.Operate(http.MethodPost, "/v1/staff/"+id+"/link", nil).Is(t, 201).JSON(t, &made)
	return made.Secret
}

// asStaff returns the browser of a new person of the staff.
func asStaff(t *testing.T, s *apptest.Server, name, role string) *browser {
	t.Helper()
	b, _ := signInAs(t, s, name, role)
	return b
}

// signInAs returns the browser of a new person of the staff, and the first page.
func signInAs(t *testing.T, s *apptest.Server, name, role string) (*browser, page) {
	t.Helper()
	var person struct{ ID string }
	s.Operate(http.MethodPost, "/v1/staff", apptest.Object{"name": name, "role": role}).Is(t, 201).JSON(t, &person)
	b := newBrowser(t, s.Admin)
	return b, b.send("/login", url.Values{"link": {link(t, s, person.ID)}})
}

// signedIn returns the browser of the owner.
func signedIn(t testing.TB, s *apptest.Server, base string) *browser {
	t.Helper()
	b := newBrowser(t, base)
	b.send("/login", url.Values{"link": {link(t, s, "owner")}}).shows(200, "概览")
	return b
}

func TestLogin_ALinkOpensTheConsoleOnce(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, wechatsim.Options{}).Serve()
	b := newBrowser(t, s.Admin)
	if p := b.open("/members").shows(200, "server login-link"); p.url.Path != "/login" {
		t.Errorf("a stranger is sent to %s", p.url)
	}
	secret := link(t, s, "owner")
	for range 2 { // the preview of a chat reads it, too
		b.open("/login?link="+secret).shows(200, `value="`+secret+`"`)
	}
	b.send("/login", url.Values{"link": {secret}}).shows(200, "概览", "<span>店主</span>")
	b.open("/members").shows(200, "还没有会员")
	newBrowser(t, s.Admin).send("/login", url.Values{"link": {secret}}).shows(401, "链接无效")
	newBrowser(t, s.Admin).send("/login", url.Values{"link": {"guess"}}).shows(401, "链接无效")

	cookies := b.client.Jar.Cookies(&url.URL{Scheme: "http", Host: "127.0.0.1", Path: "/"})
	if i := slices.IndexFunc(cookies, func(c *http.Cookie) bool { return c.Name == "addcard" }); i < 0 {
		t.Fatalf("the browser has %v", cookies)
	}
	b.send("/logout", url.Values{}).shows(200, "server login-link")
	if p := b.open("/"); p.url.Path != "/login" {
		t.Errorf("after the end of the session: %s", p.url)
	}
	b.send("/logout", url.Values{}).shows(200, "server login-link")
}

// A copy of the cookie opens nothing after the session has ended.
func TestLogin_SigningOutEndsTheSession(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, wechatsim.Options{}).Serve()
	b := signedIn(t, s, s.Admin)
	home, err := url.Parse(s.Admin)
	if err != nil {
		t.Fatal(err)
	}
	thief := newBrowser(t, s.Admin)
	thief.client.Jar.SetCookies(home, b.client.Jar.Cookies(home))
	thief.open("/").shows(200, "概览")
	b.send("/logout", url.Values{})
	thief.open("/").shows(200, "server login-link")
	if got := thief.open("/v1/members").status; got != 401 {
		t.Errorf("the API: got %d", got)
	}
}

// A cookie of a session is read by no script, sent by no other site, and behind TLS
// bound to the host.
func TestLogin_TheCookieIsTheBrowsersAlone(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["TRUSTED_PROXIES"] = "127.0.0.1"
	s := w.Serve()
	for scheme, want := range map[string]string{"https": "__Host-addcard=", "http": "addcard="} {
		b := newBrowser(t, s.Admin)
		b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		b.header.Set("X-Forwarded-Proto", scheme)
		cookie := b.send("/login", url.Values{"link": {link(t, s, "owner")}}).header.Get("Set-Cookie")
		if !strings.HasPrefix(cookie, want) || !strings.Contains(cookie, "; Path=/;") || !strings.Contains(cookie, "HttpOnly") ||
			!strings.Contains(cookie, "SameSite=Lax") || strings.Contains(cookie, "; Secure") != (scheme == "https") {
			t.Errorf("%s: %s", scheme, cookie)
		}
	}
}

// What a page of another site sends is refused, though the browser adds the cookie.
func TestConsole_TakesNothingFromOtherSites(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, wechatsim.Options{}).Serve()
	b := signedIn(t, s, s.Admin)
	for _, site := range []http.Header{
		{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://evil.example"}},
	} {
		b.header = site
		b.send("/logout", url.Values{}).shows(403, "请求来自别的网站")
		r := b.do(http.MethodPut, "/v1/settings", url.Values{})
		if r.status != 403 || !strings.Contains(r.text, "cross_origin") {
			t.Errorf("%v: got %d %s", site, r.status, r.text)
		}
	}
	b.header = http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {s.Admin}}
	b.open("/").shows(200, "概览")
	if r := b.do(http.MethodDelete, "/v1/staff/nobody", nil); r.status != 404 {
		t.Errorf("the console itself: got %d %s", r.status, r.text)
	}
}

// The console and the API on its origin are open to whom the access table says.
func TestConsole_HasTheRolesOfTheAPI(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, wechatsim.Options{}).Serve()
	zoe, max := asStaff(t, s, "Zoe", "manager"), asStaff(t, s, "Max", "cashier")
	zoe.open("/").shows(200, "Zoe · 店长")
	zoe.open("/members").shows(200)
	max.open("/members").shows(403, "你的角色不能做这件事")
	for path, want := range map[string]int{"/v1/members/export": 403, "/v1/settings": 200, "/v1/staff": 403} {
		if got := max.open(path).status; got != want {
			t.Errorf("%s of a cashier: got %d, want %d", path, got, want)
		}
	}
	if got := zoe.open("/v1/staff").status; got != 403 {
		t.Errorf("the staff, for a manager: got %d", got)
	}
}

// Points are given and taken back, each once however often the form is sent, and the
// audit log of what else is done says that it was done here.
func TestMember_PointsAreGivenAndTakenBack(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	cardID := w.NewCard(s)
	_, code := w.Claim(s, "ming", cardID)
	b := signedIn(t, s, s.Admin)
	found := b.open("/members?query="+code).shows(200, code)
	path := regexp.MustCompile(`/members/[0-9a-f-]{36}`).FindString(found.text)
	hidden := func(p page, name string) string {
		t.Helper()
		m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(p.text)
		if m == nil {
			t.Fatalf("the page has no %s", name)
		}
		return m[1]
	}
	p := b.open(path).shows(200, "时间线", "领取")
	form := url.Values{"card_id": {hidden(p, "card_id")}, "code": {code}, "key": {hidden(p, "key")}, "add_bonus": {"30"},
		"record_bonus": {"<b>生日</b>"}, "order": {"0012345678901234"}, "direction": {"give"}}
	for range 2 {
		b.send(path+"/entries", form).shows(200, "已记账", "&#43;30 → 30", "&lt;b&gt;生日", "0012345678901234", "owner")
	}
	form.Set("add_bonus", "31")
	b.send(path+"/entries", form).shows(422, "这个表单已经提交过别的内容")
	form.Set("key", "another")
	form.Set("order", "another")
	form.Set("direction", "take")
	b.send(path+"/entries", form).shows(409, "积分不足")
	for _, wrong := range []string{"-1", "0", "1.5", "x", "1e3", "99999999999999999999"} {
		form.Set("add_bonus", wrong)
		b.send(path+"/entries", form).shows(422, "积分须为正整数")
	}
	p = b.open(path)
	undo := url.Values{"card_id": {cardID}, "code": {code}, "reverses": {hidden(p, "reverses")}, "key": {"undo-" + hidden(p, "reverses")}}
	for range 2 {
		b.send(path+"/entries", undo).shows(200, "已撤销，", "-30 → 0", "已撤销")
	}
	b.open(path+"?cursor=wrong").shows(422, "查询条件有误")
	b.open("/members/nobody").shows(404, "没有这个会员")

	if r := b.do(http.MethodDelete, "/v1/staff/nobody", nil); r.status != 404 {
		t.Errorf("got %d", r.status)
	}
	if text := string(s.Operate(http.MethodGet, "/v1/audit?action=removeStaff", nil).Body); !strings.Contains(text, `"source":"console"`) {
		t.Errorf("the audit log has %s", text)
	}
}

// Behind a reverse proxy the console works below a path, whether the proxy removes the
// path from a request or not.
func TestConsole_WorksBelowAPrefix(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["CONSOLE_PREFIX"] = "/shop/cards"
	s := w.Serve()
	b := newBrowser(t, s.Admin+"/shop/cards")
	if p := b.open("/members"); p.url.Path != "/shop/cards/login" {
		t.Errorf("a stranger is sent to %s", p.url)
	}
	b.send("/login", url.Values{"link": {link(t, s, "owner")}}).shows(200, "概览")
	for _, base := range []string{s.Admin + "/shop/cards", s.Admin} { // the second as a proxy sends it
		b.base = base
		p := b.open("/members").shows(200, `href="/shop/cards/static/console.css"`, `action="/shop/cards/members"`)
		for _, at := range regexp.MustCompile(`(?:href|src|action)="([^"]*)"`).FindAllStringSubmatch(p.text, -1) {
			if !strings.HasPrefix(at[1], "/shop/cards/") && at[1] != "#main" && !strings.HasPrefix(at[1], "data:") {
				t.Errorf("the page leads to %s", at[1])
			}
		}
		b.open("/static/console.css").shows(200, "color-scheme")
		b.open("/v1/members").shows(200, `"members":[]`)
	}
	b.base = s.Admin
	if p := b.open("/shop/cards"); p.url.Path != "/shop/cards/" {
		t.Errorf("the prefix alone leads to %s", p.url)
	}
}

// The policy of a page allows only files of the console, and a page needs no more.
func TestPages_NeedNoInlineScriptOrStyle(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	w.Claim(s, "ming", w.NewCard(s))
	b := signedIn(t, s, s.Admin)
	id := regexp.MustCompile(`/members/[0-9a-f-]{36}`).FindString(b.open("/members").text)
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script(>| [^>]*>[^<])|(src|href|action|data)="?https?://`)
	card := "/cards/" + w.NewCard(s)
	for _, path := range []string{
		"/", "/?card_id=p", "/till", "/members", id, "/tickets",
		"/cards", "/cards/new", card, card + "/print?channel=door", "/explain", "/staff", "/audit",
		"/imports", startedImport(t, s), "/imports/nothing", "/audit?from=x", "/settings", "/webhooks", "/webhooks/nothing",
		"/entries", "/pushes", "/pushes/nothing",
		"/pushes/retry/nothing", "/nowhere", "/members/nobody",
	} {
		p := b.open(path)
		policy := p.header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy is %q", path, policy)
		}
		if found := inline.FindString(p.text); found != "" && path != "/nowhere" {
			t.Errorf("%s has %q", path, found)
		}
		if p.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s is kept: %q", path, p.header.Get("Cache-Control"))
		}
	}
	b.open("/robots.txt").shows(200, "Disallow: /")
}

// textsOf returns the texts of a language.
func textsOf(t *testing.T, lang string) (texts map[string]string) {
	t.Helper()
	raw, err := os.ReadFile("locale/" + lang + ".json")
	if err == nil {
		err = json.Unmarshal(raw, &texts)
	}
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// A browser that opens an unknown address, or one that only takes forms, gets a page; a
// program gets what the API answers.
func TestConsole_AnUnknownAddressIsAPageForABrowser(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, wechatsim.Options{}).Serve()
	b, max := signedIn(t, s, s.Admin), asStaff(t, s, "Max", "cashier")
	b.open("/nowhere").shows(404, `"code":"not_found"`)
	b.open("/logout").shows(405, `"code":"method_not_allowed"`)
	for _, b := range []*browser{b, max} {
		b.header.Set("Accept", "text/html,*/*;q=0.8")
	}
	b.open("/nowhere").shows(404, "没有这个页面", `<a href="/">返回首页`)
	b.open("/logout").shows(405, "这个地址不能直接打开")
	b.do(http.MethodDelete, "/nowhere", nil).shows(404, `"code":"not_found"`)
	if p := max.open("/audit").shows(403); strings.Contains(p.text, `<a href="/">返回首页`) {
		t.Error("a cashier is led from one page that is not open to another")
	}
}

// What goes wrong has words in both languages, but for what only a member's phone can
// get, and for what WeChat itself says.
func TestLanguages_HaveTextsForProblems(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, wechatsim.Options{}).Serve()
	var api struct {
		Components struct {
			Schemas struct {
				Problem struct {
					Properties struct{ Code struct{ Enum []string } }
				}
			}
		}
	}
	s.Operate(http.MethodGet, "/openapi.json", nil).Is(t, 200).JSON(t, &api)
	codes := api.Components.Schemas.Problem.Properties.Code.Enum
	if len(codes) < 30 {
		t.Fatalf("found %q", codes)
	}
	without := []string{"session_invalid", "login_code_invalid", "code_not_yours", "user_blocked", "openid_unknown", "card_not_claimable",
		"code_mode_unsupported", "not_one_click", "activate_ticket_invalid", "client_closed", "wechat_refused"}
	texts := textsOf(t, "zh")
	for _, code := range codes {
		if texts["problem."+code] == "" && !slices.Contains(without, code) {
			t.Errorf("there is no problem.%s", code)
		}
	}
}

// Each language has each text that a page uses.
func TestLanguages_HaveTheSameTexts(t *testing.T) {
	t.Parallel()
	texts := map[string]map[string]string{}
	for _, lang := range []string{"zh", "en"} {
		texts[lang] = textsOf(t, lang)
	}
	for key, zh := range texts["zh"] {
		if en, ok := texts["en"][key]; !ok || strings.Count(en, "%") != strings.Count(zh, "%") {
			t.Errorf("%s: %q and %q", key, zh, en)
		}
	}
	if len(texts["en"]) != len(texts["zh"]) {
		t.Errorf("%d texts and %d", len(texts["zh"]), len(texts["en"]))
	}
	pages, err := filepath.Glob("templates/*.html")
	parts, partsErr := filepath.Glob("templates/parts/*.html")
	if pages = append(pages, parts...); err != nil || partsErr != nil || len(parts) == 0 || len(pages) < 5 {
		t.Fatal(pages, err)
	}
	for _, name := range pages {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\.T "([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
			if _, ok := texts["zh"][m[1]]; !ok {
				t.Errorf("%s uses %s", name, m[1])
			}
		}
	}
}

// A page is in the language that the browser prefers, until another is chosen.
func TestLanguages_AreThoseOfTheBrowser(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, wechatsim.Options{}).Serve()
	b := newBrowser(t, s.Admin)
	for accepted, want := range map[string]string{
		"": "登录控制台", "en-GB,en;q=0.8": "Sign in", "zh-TW": "登录控制台", "fr, en": "Sign in", "de": "登录控制台",
	} {
		b.header.Set("Accept-Language", accepted)
		b.open("/login").shows(200, want)
	}
	b.send("/language", url.Values{"lang": {"en"}}).shows(200, "Sign in")
	b.send("/language", url.Values{"lang": {"../zh"}}).shows(200, "Sign in")
}
