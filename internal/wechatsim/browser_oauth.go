package wechatsim

import (
	"html/template"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// PathAuthorize is the page of WeChat's that signs people in on web pages.
const PathAuthorize = "/connect/oauth2/authorize"

const pathPageToken = "/sns/oauth2/access_token"

// Guest is the user of a browser without a [UserCookie].
const Guest = "guest"

const userCookie = "_sim_user"

// webDomains are the domains that the operator has entered for the Official Account.
type webDomains struct {
	OAuth []string `json:"oauth"` // 网页授权域名
	JS    []string `json:"js"`    // JS接口安全域名
}

// SetWebDomains sets 网页授权域名 and JS接口安全域名. They are names of this machine at
// first.
func (s *Sim) SetWebDomains(oauth, js []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.domains = webDomains{oauth, js}
}

func (s *Sim) changeWebDomains(in webDomains) (any, error) {
	s.domains = in
	return in, nil
}

// UserCookie returns the cookie that makes a browser that of a user.
func UserCookie(user string) *http.Cookie {
	return &http.Cookie{Name: userCookie, Value: url.PathEscape(user), Path: "/", SameSite: http.SameSiteLaxMode}
}

// BrowserUser returns the user whose browser has sent r: that of its cookie, or else
// [Guest].
func BrowserUser(r *http.Request) string {
	if c, err := r.Cookie(userCookie); err == nil {
		if user, err := url.PathUnescape(c.Value); err == nil && user != "" {
			return user
		}
	}
	return Guest
}

// authorizeForm is how WeChat wants the query, in this order ("Web page authorization").
var authorizeForm = regexp.MustCompile(`^appid=([^&]*)&redirect_uri=([^&]*)&response_type=code&scope=([^&]*)&state=([0-9A-Za-z]{0,128})$`)

// refusedPage is the page that WeChat shows instead of sending the browser on.
type refusedPage struct {
	Code int // 0: WeChat gives none
	Text string
}

var refusedTemplate = template.Must(template.New("").Parse(`<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>微信（模拟）</title>
<link rel="icon" href="data:,">
<h1>{{.Text}}</h1>{{if .Code}}<p>错误码：{{.Code}}</p>{{end}}</html>
`))

// serveAuthorize is open.weixin.qq.com/connect/oauth2/authorize in the user's browser.
// For snsapi_base it asks nothing.
func (s *Sim) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	next, refused := s.authorize(BrowserUser(r), r.URL.RawQuery)
	if refused != nil {
		s.calls.count(PathAuthorize, refused.Text)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = refusedTemplate.Execute(w, refused)
		return
	}
	s.calls.count(PathAuthorize, "0")
	http.Redirect(w, r, next, http.StatusFound)
}

func (s *Sim) authorize(user, query string) (next string, _ *refusedPage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	parts := authorizeForm.FindStringSubmatch(query)
	if parts == nil {
		return "", &refusedPage{0, "该链接无法访问"}
	}
	redirect, err := url.QueryUnescape(parts[2])
	to, notURL := url.Parse(redirect)
	p, unknown := s.person(user)
	switch {
	case parts[1] != s.official.AppID:
		return "", &refusedPage{0, "appid 参数错误"}
	case redirect == "":
		return "", &refusedPage{10011, "redirect_uri不能为空"}
	case err != nil || notURL != nil || (to.Scheme != "http" && to.Scheme != "https") || !slices.Contains(s.domains.OAuth, to.Hostname()):
		return "", &refusedPage{10003, "redirect_uri域名与后台配置不一致"}
	case parts[3] == "":
		return "", &refusedPage{10010, "scope不能为空"}
	case parts[3] != "snsapi_base":
		return "", &refusedPage{10005, "此公众号并没有这些scope的权限"}
	case unknown != nil:
		return "", &refusedPage{0, unknown.Error()}
	}
	redirect, _, _ = strings.Cut(redirect, "#")
	mark := "?"
	if strings.Contains(redirect, "?") {
		mark = "&"
	}
	return redirect + mark + "code=" + s.newPageCode(p, s.official.AppID) + "&state=" + parts[4], nil
}

func (s *Sim) newPageCode(p *person, appID string) string {
	code := MarkLoginCode + s.randomString(alphanumeric, 25)
	s.logins.put(code, &login{person: p, appID: appID, at: s.Now(), onPage: true})
	return code
}

// PageCode returns a code as the browser of user brings it to a page of the Official
// Account.
func (s *Sim) PageCode(user string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, err := s.person(user)
	if err != nil {
		return "", err
	}
	return s.newPageCode(p, s.official.AppID), nil
}

func (s *Sim) phonePageLogin(p *person, in struct {
	AppID string `json:"app_id"`
}) (any, error) {
	if in.AppID == "" {
		in.AppID = s.official.AppID
	}
	return object{"code": s.newPageCode(p, in.AppID)}, nil
}

// pageToken is GET /sns/oauth2/access_token ("Web page authorization"). Its access_token
// is the user's and opens nothing here.
func (s *Sim) pageToken(c *call) (object, error) {
	if c.query.Get("grant_type") != "authorization_code" {
		return nil, refuse(40002, "grant_type is not authorization_code")
	}
	a, err := s.accountFor(c.query.Get("appid"), c.query.Get("secret"))
	if err != nil {
		return nil, err
	}
	if a != s.official {
		return nil, refuse(40013, "web pages are the Official Account's")
	}
	l, err := s.redeem(c, c.query.Get("code"), a.AppID, true)
	if err != nil {
		return nil, err
	}
	l.sessionKey = MarkPageToken + s.randomString(urlSafe, 60)
	out := object{"access_token": l.sessionKey, "expires_in": 7200, "refresh_token": l.sessionKey + "_R",
		"openid": l.person.openID, "scope": "snsapi_base"}
	if s.bound && s.assumptions.PageUnionID == "given" {
		out["unionid"] = s.unionIDIn("logins", l.person)
	}
	return out, nil
}

// isHostOf reports whether the host of a page is in the list.
func isHostOf(page string, list []string) bool {
	u, err := url.Parse(page)
	if err != nil {
		return false
	}
	host := u.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return slices.Contains(list, host)
}
