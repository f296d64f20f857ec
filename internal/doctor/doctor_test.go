package doctor_test

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/doctor"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/wechat"
)

// deployment is a deployment at which all checks can be made to fail.
type deployment struct {
	readyErr, storeErr, secretErr, ticketErr error
	damageErr, listErr, peopleErr, sharedErr error // of the database
	serversErr                               error
	servers                                  int
	synchronous                              bool
	backlogErr, cardsErr, cardErr, loginErr  error

	miniErr error // of the mini-program's access_token

	offset time.Duration
	stored []card.Card
	cards  map[string]card.Card // at WeChat
	quota  wechat.Quota
	people []member.Person
	shared []string // unionids
	damage []string
	outbox outbox.Backlog
	sealed int // texts that no key opens
	closed bool

	recovering bool
	sealedErr  error
	eviction   string
}

func (d *deployment) Eviction(context.Context) string { return d.eviction }

func (d *deployment) Unopened(context.Context) (int, []string, error) {
	return d.sealed, []string{"d1", "d2"}[:min(d.sealed, 2)], d.sealedErr
}

func (d *deployment) Active() bool { return d.recovering }

func (d *deployment) Ready(context.Context) error                         { return d.readyErr }
func (d *deployment) Damage(context.Context) ([]string, error)            { return d.damage, d.damageErr }
func (d *deployment) Now() time.Time                                      { return time.Now() }
func (d *deployment) Offset() time.Duration                               { return d.offset }
func (d *deployment) Reachable(context.Context) error                     { return d.storeErr }
func (d *deployment) Ticket(context.Context) (string, error)              { return "ticket", d.ticketErr }
func (d *deployment) List(context.Context) ([]card.Card, error)           { return d.stored, d.listErr }
func (d *deployment) Backlog(context.Context) (outbox.Backlog, error)     { return d.outbox, d.backlogErr }
func (d *deployment) Quota(context.Context, string) (wechat.Quota, error) { return d.quota, nil }
func (d *deployment) Servers(context.Context) (int, bool, error) {
	return d.servers, d.synchronous, d.serversErr
}

func (d *deployment) CardIDs(context.Context, int) ([]string, int, error) {
	return nil, len(d.cards), d.cardsErr
}
func (d *deployment) Code2Session(context.Context, string) (_, _ string, _ error) {
	return "", "", cmp.Or(d.loginErr, error(&wechat.Error{API: "/sns/jscode2session", Code: 40029}))
}

func (d *deployment) StableToken(context.Context) (string, time.Duration, error) {
	return "token", time.Hour, d.secretErr
}

// miniProgram has an access_token of its own.
type miniProgram struct{ *deployment }

func (m miniProgram) StableToken(context.Context) (string, time.Duration, error) {
	return "token", time.Hour, m.miniErr
}

func (d *deployment) People(context.Context, member.Mark, int) ([]member.Person, error) {
	return d.people, d.peopleErr
}

func (d *deployment) SharedUnionIDs(context.Context, int) ([]string, error) {
	return d.shared, d.sharedErr
}

func (d *deployment) Card(_ context.Context, cardID string) (card.Card, error) {
	c, ok := d.cards[cardID]
	if d.cardErr != nil {
		return card.Card{}, d.cardErr
	}
	if !ok {
		return card.Card{}, card.ErrNotFound
	}
	return c, nil
}

// diagnose returns the findings about d by name. Each that is a problem must say
// what mends it.
func (d *deployment) diagnose(t *testing.T, cfg config.Config, url string, openErr error) map[string]doctor.Finding {
	t.Helper()
	open := func(context.Context) (*doctor.Deployment, error) {
		return &doctor.Deployment{
			Database: d, Clock: d, Tickets: d, Official: d, MiniProgram: miniProgram{d}, Catalogue: d, Members: d, Outbox: d,
			Sealed: d, Recovery: d,
			Close: func() error { d.closed = true; return nil },
		}, openErr
	}
	findings := map[string]doctor.Finding{}
	doctor.Diagnose(t.Context(), cfg, url, open, func(f doctor.Finding) {
		findings[f.Name] = f
		if (f.Outcome == doctor.Warning || f.Outcome == doctor.Failed) && f.Fix.English == "" {
			t.Errorf("%s: %s: %s, without a fix", f.Name, f.Outcome, f.Found)
		}
		for _, text := range []doctor.Text{f.Found, f.Fix} {
			if (text.English == "") != (text.Chinese == "") || strings.Contains(text.English+text.Chinese, "%!") {
				t.Errorf("%s: got %q and %q", f.Name, text.English, text.Chinese)
			}
		}
	})
	if !d.closed && openErr == nil {
		t.Error("the deployment was not closed")
	}
	return findings
}

func TestDiagnose_EachProblemIsFound(t *testing.T) {
	t.Parallel()
	const secret = "service account's AppSecret and IP whitelist"
	refused := func(code int) error { return &wechat.Error{API: "/cgi-bin/stable_token", Code: code} }
	own, other := card.Card{ID: "p1", Status: card.Verified}, card.Card{ID: "p2", Status: card.Verified}
	gone := errors.New("gone")
	refusedInReview := card.Card{ID: "p1", Status: card.VerifyFailed, RefuseReason: "logo"}
	inReview, deleted := card.Card{ID: "p1", Status: card.NotVerified}, card.Card{ID: "p2", Status: card.Deleted}
	linked := member.Person{Identities: []member.Identity{{OpenID: "o1"}, {OpenID: "o2", UnionID: "u"}}}
	for name, tt := range map[string]struct {
		deployment                 deployment
		check, outcome, found, fix string
	}{
		"a damaged file":  {deployment{damage: []string{"row 7 missing from index x"}}, "database", "failed", "row 7 missing", "backup"},
		"no database":     {deployment{readyErr: errors.New("gone")}, "database", "failed", "gone", "DATABASE_URL"},
		"a standby":       {deployment{servers: 2, synchronous: true}, "database", "ok", "open", ""},
		"a late standby":  {deployment{servers: 2}, "database", "warning", "has 2 servers", "synchronous_standby_names"},
		"standbys unread": {deployment{serversErr: gone}, "database", "failed", "gone", "DATABASE_URL"},
		"no ticket store": {deployment{storeErr: errors.New("gone")}, "ticket store", "failed", "the database: gone", "REDIS_URL"},
		"Redis evicts":    {deployment{eviction: "allkeys-lru"}, "ticket store", "warning", "allkeys-lru", "maxmemory-policy noeviction"},
		"Redis keeps all": {deployment{eviction: "noeviction"}, "ticket store", "ok", "answers", ""},
		"wrong AppSecret": {deployment{secretErr: refused(40125)}, secret, "failed", "40125", "copy the AppSecret again: 公众平台"},
		"not whitelisted": {deployment{secretErr: refused(40164)}, secret, "failed", "40164", "IP白名单"},
		"unknown errcode": {deployment{secretErr: refused(99999)}, secret, "failed", "99999", "全局返回码"},
		"WeChat unreached": {
			deployment{secretErr: refused(0)},
			secret, "failed", "stable_token", "let this machine reach /cgi-bin/stable_token",
		},
		"another error":   {deployment{secretErr: errors.New("odd")}, secret, "failed", "odd", "see the error"},
		"no api_ticket":   {deployment{ticketErr: refused(48001)}, "api_ticket", "failed", "48001", "卡券功能"},
		"clock is off":    {deployment{offset: 90 * time.Second}, "clock", "warning", "1m30s off", "timedatectl"},
		"a restored copy": {deployment{recovering: true}, "recovery", "warning", "restored from a copy", "server recover status"},
		"an empty copy": {
			deployment{cards: map[string]card.Card{"p1": own, "p2": other, "p3": own}},
			"cards", "warning", "although WeChat has 3 cards", "server restore",
		},
		"no cards": {deployment{}, "cards", "warning", "the catalogue is empty", "server card create"},
		"all own":  {deployment{stored: []card.Card{own}, cards: cards(own)}, "cards", "ok", "1, all of this account", ""},
		"own and deleted": {
			deployment{stored: []card.Card{own, deleted}, cards: cards(own)},
			"cards", "ok", "1 of this account, 1 deleted", "",
		},
		"another account's": {
			deployment{stored: []card.Card{own, other}, cards: cards(own)},
			"cards", "warning", "p2 is not this account's", "server card show",
		},
		"none own": {deployment{stored: []card.Card{own}}, "cards", "failed", "none of the 1", "OFFICIAL_APP_ID"},
		"in review": {
			deployment{stored: []card.Card{own}, cards: cards(inReview)},
			"cards", "warning", "in review: p1", "server card whitelist",
		},
		"quota is short": {
			deployment{quota: wechat.Quota{DailyLimit: 100, Used: 91, Left: 9}},
			"quota", "warning", "91 of 100 used", "midnight in Beijing",
		},
		"quota is fine": {deployment{quota: wechat.Quota{DailyLimit: 100, Used: 90, Left: 10}}, "quota", "ok", "90 of 100 used", ""},
		"no unionids":   {deployment{people: make([]member.Person, 2)}, "unionid", "warning", "none of the newest 2", "微信开放平台"},
		"a unionid of two people": {
			deployment{people: []member.Person{linked}, shared: []string{"oShared", "oOther"}}, "unionid", "warning", "oShared",
			"server member find oShared",
		},
		"unionids": {deployment{people: []member.Person{linked, {}}}, "unionid", "ok", "1 of the newest 2", ""},
		"refused in review": {
			deployment{stored: []card.Card{refusedInReview}, cards: cards(refusedInReview)},
			"cards", "warning", "p1 was refused in review (logo)", "server card update ID",
		},
		"no answer about a card": {
			deployment{stored: []card.Card{own}, cardErr: refused(45009)}, "cards", "failed", "45009", "midnight in Beijing",
		},
		"no card permission": {deployment{cardsErr: refused(48001)}, "card permission", "failed", "48001", "卡券功能"},
		"mini-program not whitelisted": {
			deployment{miniErr: refused(40164)}, "mini-program's access_token", "warning", "40164", "小程序后台",
		},
		"mini-program's token":       {deployment{}, "mini-program's access_token", "ok", "phone numbers", ""},
		"wrong mini-program secret":  {deployment{loginErr: refused(40125)}, "mini-program's AppSecret", "failed", "40125", "小程序后台"},
		"damage cannot be looked at": {deployment{damageErr: gone}, "database", "failed", "gone", "DATABASE_URL"},
		"cards cannot be read":       {deployment{listErr: gone}, "cards", "failed", "gone", "DATABASE_URL"},
		"members cannot be read":     {deployment{peopleErr: gone}, "unionid", "failed", "gone", "DATABASE_URL"},
		"unionids cannot be read":    {deployment{sharedErr: gone}, "unionid", "failed", "gone", "DATABASE_URL"},
		"a key was removed": {
			deployment{sealed: 2}, "encrypted data", "warning", "opens 2 forms, phone numbers or secrets; they were encrypted with d1, d2",
			"put the key named d1, d2 back at the end of DATA_KEYS",
		},
		"all keys are there":        {deployment{}, "encrypted data", "ok", "open all", ""},
		"texts cannot be read":      {deployment{sealedErr: gone}, "encrypted data", "failed", "gone", "DATABASE_URL"},
		"the outbox cannot be read": {deployment{backlogErr: gone}, "outbox", "failed", "gone", "DATABASE_URL"},
		"dead messages":             {deployment{outbox: outbox.Backlog{Parked: 2}}, "outbox", "warning", "2 messages", "--state dead"},
		"old messages": {
			deployment{outbox: outbox.Backlog{Waiting: 3, Oldest: 2 * time.Hour}},
			"outbox", "warning", "3 messages wait", "server outbox list",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := tt.deployment.diagnose(t, config.Config{}, "", nil)[tt.check]
			if got.Outcome != tt.outcome || !strings.Contains(got.Found.English, tt.found) || !strings.Contains(got.Fix.English, tt.fix) {
				t.Errorf("got %+v, want %s, %q, %q", got, tt.outcome, tt.found, tt.fix)
			}
		})
	}
}

func TestDiagnose_SaysTheSameInChinese(t *testing.T) {
	t.Parallel()
	d := &deployment{
		offset: 90 * time.Second, outbox: outbox.Backlog{Waiting: 3, Oldest: 2 * time.Hour},
		ticketErr: &wechat.Error{API: "/cgi-bin/ticket/getticket", Code: 45009},
		stored:    []card.Card{{ID: "p1", Status: card.Verified}, {ID: "p2", Status: card.Verified}, {ID: "p3"}},
		cards:     cards(card.Card{ID: "p1", Status: card.Verified}),
	}
	cfg := config.Config{AdminListenAddr: ":8081", DatabaseURL: "postgres://u:secret@db.example/a"}
	got := d.diagnose(t, cfg, "", nil)
	for name, want := range map[string][2]string{
		"ticket store":  {"数据库可用", ""},
		"clock":         {"和微信最近一次返回的时间相差 90 秒；两天以内，服务器会自动修正", "校准时钟：timedatectl set-ntp true"},
		"outbox":        {"有 3 条消息等待同步到微信，最早的已等待 120 分钟", "server outbox list"},
		"api_ticket":    {"wechat: /cgi-bin/ticket/getticket: 45009", "当天的调用额度已用完：等到北京时间零点，或者查清还有什么程序在调用"},
		"cards":         {"p2 不属于这个账号，或者已被删除；p3 ", "server card show ID 查看"},
		"exposure":      {"而且用的是明文 HTTP；DATABASE_URL：", "；在 DATABASE_URL 里加上 sslmode=verify-full"},
		"configuration": {"有效；WECHAT_API_URL 不是微信的地址", "要连接真正的微信，请去掉 WECHAT_API_URL"},
	} {
		if f := got[name]; !strings.Contains(f.Found.In("zh"), want[0]) || !strings.Contains(f.Fix.In("zh"), want[1]) {
			t.Errorf("%s: got %q, %q, want %q", name, f.Found.Chinese, f.Fix.Chinese, want)
		}
	}
}

func cards(list ...card.Card) map[string]card.Card {
	byID := map[string]card.Card{}
	for _, c := range list {
		byID[c.ID] = c
	}
	return byID
}

func TestDiagnose_ChecksThatCannotWorkAreLeftOut(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	for name, tt := range map[string]struct {
		deployment    deployment
		openErr       error
		done, leftOut string
	}{
		"database does not open":    {openErr: gone, done: "database", leftOut: "ticket store"},
		"database does not answer":  {deployment: deployment{readyErr: gone}, done: "database", leftOut: "ticket store"},
		"ticket store is gone":      {deployment: deployment{storeErr: gone}, done: "clock", leftOut: "card permission"},
		"WeChat refuses the secret": {deployment: deployment{secretErr: gone}, done: "mini-program's AppSecret", leftOut: "clock"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := tt.deployment.diagnose(t, config.Config{}, "", tt.openErr)
			if _, ok := got[tt.done]; !ok {
				t.Errorf("%q was not checked", tt.done)
			}
			if f, ok := got[tt.leftOut]; ok {
				t.Errorf("%q was checked: %+v", tt.leftOut, f)
			}
		})
	}
}

func TestDiagnose_Configuration(t *testing.T) {
	t.Parallel()
	full := config.Config{WeChatAPIURL: "https://api.weixin.qq.com", CallbackAESKey: "k", OfficialOriginalID: "gh_1", DataKeys: "d"}
	sparse := full
	sparse.DataKeys, sparse.CallbackAESKey = "", ""
	relay := full
	relay.WeChatAPIURL = "https://api.weixin.qq.com.example"
	for want, cfg := range map[string]config.Config{
		"valid and complete": full,
		"CALLBACK_AES_KEY (pushes come in the clear), DATA_KEYS": sparse,
		"WECHAT_API_URL is not WeChat's own":                     relay,
	} {
		if got := new(deployment).diagnose(t, cfg, "", nil)["configuration"]; !strings.Contains(got.Found.English, want) {
			t.Errorf("got %q, want %q", got.Found, want)
		}
	}
}

func TestDiagnose_Callback(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(strings.ReplaceAll(body, "ECHO", r.URL.Query().Get("echostr"))))
		}
	}
	for name, tt := range map[string]struct {
		handler        http.HandlerFunc
		outcome, found string
	}{
		"echo":      {answer(200, "ECHO"), "warning", "answers WeChat's check, over http"},
		"forbidden": {answer(403, ""), "failed", "refuses the signature"},
		"a page":    {answer(200, "<html>ECHO"), "failed", "answers 200 and not the echo"},
		"redirect":  {http.RedirectHandler("/login", http.StatusFound).ServeHTTP, "failed", "answers 302 and not the echo"},
	} {
		server := httptest.NewServer(tt.handler)
		got := new(deployment).diagnose(t, config.Config{}, server.URL+"/", nil)["callback"]
		server.Close()
		if got.Outcome != tt.outcome || !strings.Contains(got.Found.English, tt.found) {
			t.Errorf("%s: got %+v, want %s, %q", name, got, tt.outcome, tt.found)
		}
		if got := new(deployment).diagnose(t, config.Config{}, server.URL, nil)["callback"]; got.Outcome != "failed" {
			t.Errorf("%s, without a server: got %+v", name, got)
		}
	}
	for url, want := range map[string]string{"": "skipped", "shop.example": "failed", "://": "failed"} {
		if got := new(deployment).diagnose(t, config.Config{}, url, nil)["callback"]; got.Outcome != want {
			t.Errorf("%q: got %+v, want %s", url, got, want)
		}
	}
}

func TestDiagnose_SaysWhatOtherMachinesCanReachOrRead(t *testing.T) {
	t.Parallel()
	cfg := config.Config{AdminListenAddr: "127.0.0.1:8081"}
	if got := new(deployment).diagnose(t, cfg, "", nil)["exposure"]; got.Outcome != "ok" {
		t.Errorf("a loopback address: got %+v", got)
	}
	cfg = config.Config{AdminListenAddr: "0.0.0.0:8081", DatabaseURL: "postgres://u:secret@db.example/a"}
	got := new(deployment).diagnose(t, cfg, "", nil)["exposure"]
	if got.Outcome != "warning" || !strings.Contains(got.Found.English, "ADMIN_LISTEN_ADDR") ||
		!strings.Contains(got.Fix.English, "sslmode=verify-full") {
		t.Errorf("got %+v", got)
	}
}

func TestDiagnose_RemindsOfTheHostsOfWebPages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		hosts, publicURL, outcome, fix string
	}{
		{"", "", "ok", ""},
		{"127.0.0.1:8082,localhost", "", "ok", ""},
		{"127.0.0.1:8082,shop.example", "", "warning", "set PUBLIC_URL"},
		{"localhost,shop.example:8443", "http://127.0.0.1:1", "skipped", "enter shop.example:8443 at 公众平台"},
	} {
		cfg := config.Config{JSSDKHosts: strings.Split(c.hosts, ","), PublicURL: c.publicURL}
		if c.hosts == "" {
			cfg.JSSDKHosts = nil
		}
		if got := new(deployment).diagnose(t, cfg, "", nil)["web pages"]; got.Outcome != c.outcome || !strings.Contains(got.Fix.English, c.fix) {
			t.Errorf("%+v: got %+v", c, got)
		}
	}
}
