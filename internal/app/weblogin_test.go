package app_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

const shopPage = "https://shop.example/card?channel=menu"

// visitor is a person's browser in WeChat.
type visitor struct {
	w      *apptest.World
	s      *apptest.Server
	user   string
	cookie string // of the server
}

func newPages(t *testing.T, o wechatsim.Options) (*apptest.World, *apptest.Server) {
	t.Helper()
	w := apptest.New(t, o)
	w.Env["JSSDK_HOSTS"], w.Env["WECHAT_OPEN_URL"] = "shop.example", w.WeChat.URL
	return w, w.Serve()
}

// get follows no redirect. It keeps the server's cookie.
func (v *visitor) get(address string) apptest.Answer {
	v.w.T.Helper()
	got := apptest.Request(v.w.T, http.MethodGet, address, "", nil, func(r *http.Request) {
		if strings.HasPrefix(address, v.w.WeChat.URL) {
			r.AddCookie(wechatsim.UserCookie(v.user))
		} else if v.cookie != "" {
			r.Header.Set("Cookie", v.cookie)
		}
	})
	if set := got.Header.Get("Set-Cookie"); set != "" {
		v.cookie, _, _ = strings.Cut(set, ";")
	}
	return got
}

// authorize begins a login and returns the address with WeChat's code.
func (v *visitor) authorize(page string) string {
	v.w.T.Helper()
	start := v.get(v.s.Public+"/v1/oauth/start?redirect="+url.QueryEscape(page)).Is(v.w.T, 302)
	return v.get(start.Header.Get("Location")).Is(v.w.T, 302).Header.Get("Location")
}

// login signs in and returns the session.
func (v *visitor) login(page string) string {
	v.w.T.Helper()
	got := v.get(v.authorize(page)).Is(v.w.T, 302)
	_, fragment, _ := strings.Cut(got.Header.Get("Location"), "#")
	values, err := url.ParseQuery(fragment)
	if err != nil || values.Get("addcard_session") == "" {
		v.w.T.Fatalf("the page gets %s", got.Header.Get("Location"))
	}
	return values.Get("addcard_session")
}

// From a page to the card, as WeChat's browser does it.
func TestWebLogin_SignsInForTheSameAPI(t *testing.T) {
	t.Parallel()
	w, s := newPages(t, wechatsim.Options{})
	cardID := w.Card()
	w.Connect(s)
	v := &visitor{w: w, s: s, user: "ming"}
	start := v.get(s.Public+"/v1/oauth/start?redirect="+url.QueryEscape(shopPage+"#login=abc")).Is(t, 302)
	to, _ := url.Parse(start.Header.Get("Location"))
	query := to.Query()
	if query.Get("appid") != w.Sim.Accounts().Official.AppID || query.Get("redirect_uri") != s.Public+"/v1/oauth/callback" ||
		query.Get("scope") != "snsapi_base" || to.Fragment != "wechat_redirect" {
		t.Errorf("sent to %s", to)
	}
	cookie := start.Header.Get("Set-Cookie")
	for _, want := range []string{"; Path=/v1/oauth", "; Max-Age=600", "; HttpOnly", "; SameSite=Lax"} {
		if !strings.Contains(cookie, want) {
			t.Errorf("cookie %q has no %q", cookie, want)
		}
	}
	back := v.get(v.get(start.Header.Get("Location")).Header.Get("Location")).Is(t, 302)
	page, fragment, _ := strings.Cut(back.Header.Get("Location"), "#")
	if page != shopPage || !strings.HasPrefix(fragment, "login=abc&addcard_session=") || !strings.HasSuffix(fragment, "&expires_in=7200") {
		t.Errorf("back to %s#%s", page, fragment)
	}
	if back.Header.Get("Cache-Control") != "no-store" || back.Header.Get("Referrer-Policy") != "no-referrer" ||
		!strings.Contains(back.Header.Get("Set-Cookie"), "addcard_oauth=; Path=/v1/oauth; Max-Age=0") {
		t.Errorf("headers %v", back.Header)
	}
	values, _ := url.ParseQuery(fragment)
	session := values.Get("addcard_session")
	s.Post("/v1/claims", session, apptest.Object{"cardList": w.AddCard(s, session, "ming", cardID)}).Is(t, 200)
	code := w.CodeOf("ming")
	w.WaitEvents()
	if cards := s.Cards(session); len(cards) != 1 || cards[0].Code != code {
		t.Errorf("cards %+v, want %s", cards, code)
	}
	for _, secret := range append(w.Sim.Secrets(), session, query.Get("state")) {
		if strings.Contains(w.Log(), secret) {
			t.Errorf("the log has a secret, %d characters", len(secret))
		}
	}
}

// A person who has the mini-program is the same member on the page, by unionid: at once
// if the page's login has it, else when the card is taken.
func TestWebLogin_IsTheMemberOfTheMiniProgram(t *testing.T) {
	t.Parallel()
	for _, given := range []string{"given", "absent"} {
		t.Run(given, func(t *testing.T) {
			t.Parallel()
			w, s := newPages(t, wechatsim.Options{Assumptions: wechatsim.Assumptions{PageUnionID: given}})
			cardID := w.Card()
			w.Connect(s)
			token, _ := w.Login(s, "ming")
			v := &visitor{w: w, s: s, user: "ming"}
			session := v.login(shopPage)
			list := apptest.Object{"cardList": w.AddCard(s, session, "ming", cardID)}
			w.WaitEvents() // they join the two members: a session of the one that is gone ends, and the page signs in again
			if given == "absent" {
				s.Post("/v1/claims", session, list).Problem(t, 401, "session_invalid")
				session = v.login(shopPage)
			}
			s.Post("/v1/claims", session, list).Is(t, 200)
			if cards := s.Cards(token); len(cards) != 1 || cards[0].Code != w.CodeOf("ming") {
				t.Errorf("in the mini-program: %+v", cards)
			}
			if got := s.Members("?query=" + cards(t, s, v.login(shopPage))); len(got.Members) != 1 {
				t.Errorf("%d members have the card", len(got.Members))
			}
			if all := s.Members(""); len(all.Members) != 1 {
				t.Errorf("%d members, want 1", len(all.Members))
			}
		})
	}
}

// cards returns the code of the only card of a session.
func cards(t *testing.T, s *apptest.Server, session string) string {
	t.Helper()
	list := s.Cards(session)
	if len(list) != 1 {
		t.Fatalf("cards %+v, want one", list)
	}
	return list[0].Code
}

// A card that is bound to an openid can be signed: the page's login has told whose.
func TestWebLogin_KnowsTheOpenIDThatABoundCardNeeds(t *testing.T) {
	t.Parallel()
	w, s := newPages(t, wechatsim.Options{})
	cardID := w.Card(func(base, _ apptest.Object) { base["bind_openid"] = true })
	session := (&visitor{w: w, s: s, user: "ming"}).login(shopPage)
	s.Post("/v1/claims", session, apptest.Object{"cardList": w.AddCard(s, session, "ming", cardID)}).Is(t, 200)
}

// wantNoSession checks that a person reads a page instead of getting a session, and that
// no code was exchanged.
func wantNoSession(t *testing.T, w *apptest.World, what string, got apptest.Answer) {
	t.Helper()
	if got.Status != 422 || got.Header.Get("Location") != "" || !strings.Contains(string(got.Body), "登录没有完成") ||
		!strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") {
		t.Errorf("%s: got %d %s, Location %q", what, got.Status, got.Body, got.Header.Get("Location"))
	}
	if n := w.Sim.Calls()["/sns/oauth2/access_token"].Total; n != 0 {
		t.Errorf("%s: %d codes were exchanged", what, n)
	}
}

// Another person's code and state, in a link, must not sign the reader in as that person.
func TestWebLogin_EndsOnlyInTheBrowserInWhichItBegan(t *testing.T) {
	t.Parallel()
	w, s := newPages(t, wechatsim.Options{})
	mallory := &visitor{w: w, s: s, user: "mallory"}
	victim := &visitor{w: w, s: s, user: "victim"}
	link := mallory.authorize(shopPage)
	wantNoSession(t, w, "without a cookie", victim.get(link))
	own := victim.authorize(shopPage)
	wantNoSession(t, w, "the cookie of another login", victim.get(link))
	victim.authorize(shopPage)
	u, _ := url.Parse(own)
	query := u.Query()
	for what, edit := range map[string]func(){
		"no state":     func() { query.Del("state") },
		"forged state": func() { query.Set("state", strings.Repeat("A", 26)) },
		"empty state":  func() { query.Set("state", "") },
	} {
		query = u.Query()
		edit()
		u.RawQuery = query.Encode()
		wantNoSession(t, w, what, victim.get(u.String()))
		victim.authorize(shopPage) // a refused login uses up its cookie
	}
	code, err := w.Sim.PageCode("mallory")
	if err != nil {
		t.Fatal(err)
	}
	for _, forged := range []string{"", ".", "A", "A.", ".aHR0cHM6Ly9zaG9wLmV4YW1wbGUv", "A.aHR0cHM6Ly9ldmlsLmV4YW1wbGUv", "A.%%%"} {
		victim.cookie = "addcard_oauth=" + forged
		for _, state := range []string{"", "A"} {
			wantNoSession(t, w, "the cookie "+forged, victim.get(s.Public+"/v1/oauth/callback?code="+code+"&state="+state))
			victim.cookie = "addcard_oauth=" + forged
		}
	}
}

// wantError checks that the page gets an error and no session.
func wantError(t *testing.T, what string, got apptest.Answer, code string) {
	t.Helper()
	if got.Status != 302 || got.Header.Get("Location") != shopPage+"#addcard_error="+code {
		t.Errorf("%s: got %d to %q, want the error %s", what, got.Status, got.Header.Get("Location"), code)
	}
}

// A code works once, within five minutes, and only if it is of this account's pages.
func TestWebLogin_RefusesCodesThatAreNotFreshAndOwn(t *testing.T) {
	t.Parallel()
	w, s := newPages(t, wechatsim.Options{})
	v := &visitor{w: w, s: s, user: "ming"}
	link := v.authorize(shopPage)
	kept := v.cookie
	v.get(link).Is(t, 302)
	calls := w.Sim.Calls()["/sns/oauth2/access_token"].Total
	v.cookie = kept
	wantError(t, "a used code", v.get(link), "login_code_invalid")
	if n := w.Sim.Calls()["/sns/oauth2/access_token"].Total; n != calls || calls != 1 {
		t.Errorf("the code was sent to WeChat %d times", n)
	}
	mini, err := w.Sim.Login("ming")
	if err != nil {
		t.Fatal(err)
	}
	var other struct{ Code string }
	w.Control("phones/ming/page-login", apptest.Object{"app_id": "wx0000000000000000"}).JSON(t, &other)
	for what, code := range map[string]string{"a wx.login code": mini, "another account's code": other.Code, "no code of WeChat's": "x",
		"no code": ""} {
		u, _ := url.Parse(v.authorize(shopPage))
		query := u.Query()
		query.Set("code", code)
		u.RawQuery = query.Encode()
		wantError(t, what, v.get(u.String()), "login_code_invalid")
	}
	link = v.authorize(shopPage)
	w.Sim.Advance(5 * time.Minute)
	wantError(t, "an expired code", v.get(link), "login_code_invalid")
	page, err := w.Sim.PageCode("ming")
	if err != nil {
		t.Fatal(err)
	}
	s.Post("/v1/session", "", apptest.Object{"code": page}).Problem(t, 401, "login_code_invalid") // nor the other way round
}

// A session is sent to the shop's pages only, however the address of another is written.
func TestWebLogin_IsNoOpenRedirect(t *testing.T) {
	t.Parallel()
	w, s := newPages(t, wechatsim.Options{})
	v := &visitor{w: w, s: s, user: "ming"}
	for _, page := range []string{
		"", "/", "card", "//evil.example", "//evil.example/", `\\evil.example`, `/\evil.example`, "https://evil.example", "https:evil.example",
		"https:/evil.example", "https:///evil.example", "https://shop.example@evil.example/", "https://shop.example:@evil.example",
		`https://evil.example\@shop.example/`, `https://shop.example\.evil.example/`, "https://shop.example.evil.example/",
		"https://evil.example?shop.example", "https://evil.example#https://shop.example/", "https://shop.example%2eevil.example/",
		"https://shop%2eexample/", "https://shop.example:8443/", "https://www.shop.example/", "javascript:alert(1)//shop.example/",
		"javascript://shop.example/%0aalert(1)", "data:text/html,https://shop.example/", "ftp://shop.example/", "https://shop.example/\r\nX: y",
		"https://shop.example/#\r\nSet-Cookie: a=b", "https://shop.example/\tx", " https://shop.example/", "https://shop.example/店",
		"https://shop.example/#店", "https://shop。example/", "https://ſhop.example/", "https://[::1]/", "https://shop.example\x00.evil.example/",
	} {
		got := v.get(s.Public + "/v1/oauth/start?redirect=" + url.QueryEscape(page))
		if got.Status != 422 || got.Header.Get("Location") != "" || got.Header.Get("Set-Cookie") != "" {
			t.Errorf("%q: got %d to %q", page, got.Status, got.Header.Get("Location"))
		}
	}
	for _, query := range []string{"", "?redirect", "?redirect=https://shop.example/?a=1&b=2", "?redirect=a&redirect=b",
		"?redirect=" + url.QueryEscape("https://shop.example/"+strings.Repeat("a", 2048))} {
		v.get(s.Public+"/v1/oauth/start"+query).Problem(t, 422, "invalid_input")
	}
}

// A person whose browser is refused reads a page, without a word of the address; a program
// reads the problem.
func TestWebLogin_ARefusedBrowserShowsAPage(t *testing.T) {
	t.Parallel()
	w, s := newPages(t, wechatsim.Options{})
	w.Env["RATE_LIMIT_PER_IP"] = "1"
	limited := w.Serve()
	start := func(s *apptest.Server, query, accept, language string) apptest.Answer {
		return apptest.Request(t, "GET", s.Public+"/v1/oauth/start"+query, "", nil, func(r *http.Request) {
			r.Header.Set("Accept", accept)
			r.Header.Set("Accept-Language", language)
		})
	}
	const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
	const evil = "https://evil.example/?<script>alert(1)</script>"
	shows := func(got apptest.Answer, status int, code string, words ...string) {
		t.Helper()
		page := string(got.Body)
		for _, part := range append(words, code) {
			if got.Status != status || !strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") || !strings.Contains(page, part) {
				t.Errorf("got %d %s, want %q", got.Status, page, part)
			}
		}
		if strings.Contains(page, "evil") || strings.Contains(page, "script") || got.Header.Get("Referrer-Policy") != "no-referrer" {
			t.Errorf("got %v %s", got.Header, page)
		}
	}
	for _, query := range []string{
		"", "?redirect=" + url.QueryEscape(evil), "?redirect=" + evil + "&<script>evil=1&<script>evil=2",
		"?redirect=" + url.QueryEscape("https://shop.example/"+strings.Repeat("a", 2048)),
	} {
		shows(start(s, query, browser, "zh-CN"), 422, "invalid_input", `lang="zh-CN"`, "登录没有完成", "请联系商家", "JSSDK_HOSTS")
		shows(start(s, query, browser, "en-GB"), 422, "invalid_input", `lang="en"`, "Please tell the shop", "JSSDK_HOSTS")
		for _, accept := range []string{"", "*/*", "application/json", "application/problem+json, text/html"} {
			start(s, query, accept, "en").Problem(t, 422, "invalid_input")
		}
	}
	for range 100 {
		if start(limited, "", "*/*", "").Status == 429 {
			break
		}
	}
	shows(start(limited, "", browser, "zh"), 429, "rate_limited", "请稍后再试")
	shows(start(limited, "", browser, "en"), 429, "rate_limited", "Try again in a minute")
}

// WeChat's own check: it sends no code to a host that is not the account's.
func TestWebLogin_NeedsTheDomainAtWeChat(t *testing.T) {
	t.Parallel()
	w, s := newPages(t, wechatsim.Options{})
	w.Sim.SetWebDomains([]string{"shop.example"}, nil)
	v := &visitor{w: w, s: s, user: "ming"}
	start := v.get(s.Public+"/v1/oauth/start?redirect="+url.QueryEscape(shopPage)).Is(t, 302)
	if got := v.get(start.Header.Get("Location")); got.Status != 200 || !strings.Contains(string(got.Body), "10003") {
		t.Errorf("got %d %s", got.Status, got.Body)
	}
}

// Behind a proxy the server is where PUBLIC_URL says, whatever the Host of the request.
func TestWebLogin_ComesBackToThePublicURL(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["JSSDK_HOSTS"] = "shop.example"
	local := w.Serve()
	start := "/v1/oauth/start?redirect=" + url.QueryEscape(shopPage)
	apptest.Request(t, "GET", local.Public+start, "", nil, func(r *http.Request) { r.Host = "evil.example" }).Problem(t, 422, "invalid_input")
	w.Env["PUBLIC_URL"] = "https://shop.example/api"
	behind := w.Serve()
	got := apptest.Request(t, "GET", behind.Public+start, "", nil, func(r *http.Request) { r.Host = "evil.example" }).Is(t, 302)
	to := got.Header.Get("Location")
	if !strings.HasPrefix(to, "https://open.weixin.qq.com/connect/oauth2/authorize?appid=") ||
		!strings.Contains(to, "&redirect_uri=https%3A%2F%2Fshop.example%2Fapi%2Fv1%2Foauth%2Fcallback&response_type=code&scope=snsapi_base&") ||
		!strings.HasSuffix(to, "#wechat_redirect") {
		t.Errorf("sent to %s", to)
	}
	if cookie := got.Header.Get("Set-Cookie"); !strings.Contains(cookie, "; Path=/api/v1/oauth;") || !strings.Contains(cookie, "; Secure") {
		t.Errorf("cookie %s", cookie)
	}
}

// Pages of the shop's hosts may call the API from the browser, and no others.
func TestCORS_IsForTheShopsPages(t *testing.T) {
	t.Parallel()
	w, s := newPages(t, wechatsim.Options{})
	w.Env["RATE_LIMIT_PER_IP"] = "100"
	session := (&visitor{w: w, s: s, user: "ming"}).login(shopPage)
	ask := func(method, path, origin string) http.Header {
		return apptest.Request(t, method, s.Public+path, session, nil, func(r *http.Request) {
			r.Header.Set("Origin", origin)
			if method == http.MethodOptions {
				r.Header.Set("Access-Control-Request-Method", "POST")
				r.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
			}
		}).Header
	}
	for _, path := range []string{"/v1/me", "/v1/card-ext", "/v1/unknown"} {
		got := ask("GET", path, "https://shop.example")
		if got.Get("Access-Control-Allow-Origin") != "https://shop.example" || got.Get("Vary") != "Origin" {
			t.Errorf("%s: %v", path, got)
		}
	}
	preflight := ask("OPTIONS", "/v1/card-ext", "https://shop.example")
	if preflight.Get("Access-Control-Allow-Headers") != "Authorization, Content-Type" || preflight.Get("Access-Control-Max-Age") != "7200" ||
		preflight.Get("Access-Control-Allow-Methods") != "GET, POST, DELETE" || preflight.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("preflight %v", preflight)
	}
	for _, origin := range []string{"https://evil.example", "null", "*", "https://shop.example.evil.example", "https://shop.example:8443",
		"https://shop.example/", "https://evil.example#https://shop.example", "https://shop.example/x", "file://", ""} {
		for _, method := range []string{"GET", "OPTIONS"} {
			if got := ask(method, "/v1/me", origin); got.Get("Access-Control-Allow-Origin") != "" || got.Get("Access-Control-Allow-Methods") != "" {
				t.Errorf("%s %q: %v", method, origin, got)
			}
		}
	}
	if got := ask("GET", "/healthz", "https://shop.example"); got.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("health: %v", got)
	}
}
