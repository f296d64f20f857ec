package app

import (
	"context"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // WeChat's protocol
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/addcard/addcard/internal/card"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/wechat"
)

// The outcomes of a check.
const (
	Fine    = "ok"
	Warning = "warning" // works, but not everything will
	Broken  = "failed"
	Skipped = "skipped" // could not be looked at
)

// Check is one look at a deployment: what was found, and what mends it.
type Check struct {
	Name    string `json:"name"`
	Outcome string `json:"outcome"`
	Found   string `json:"found"`
	Fix     string `json:"fix,omitempty"`
}

// doctor looks at one deployment.
type doctor struct {
	cfg       Config
	core      *Core
	official  *wechat.App
	mini      *wechat.App
	publicURL string
	checks    []Check
}

// Diagnose looks at everything that a deployment needs, told of each check as
// it is done, and returns them all. publicURL is where WeChat reaches the
// public listener, https://api.shop.example say; empty: not looked at. It asks
// WeChat about a dozen times, none of them rationed, and changes nothing there;
// the database's tables are brought up to date, as by the server. No secret is
// in what it says.
func Diagnose(ctx context.Context, cfg Config, publicURL string, told func(Check)) []Check {
	d := &doctor{cfg: cfg, publicURL: publicURL}
	did := func(name string, look func(context.Context) Check) bool {
		c := look(ctx)
		c.Name = name
		d.checks = append(d.checks, c)
		told(c)
		return c.Outcome != Broken
	}
	did("configuration", d.configuration)
	opened := did("database", d.open)
	if d.core != nil {
		defer func() { _ = d.core.Close() }()
	}
	if !opened {
		return d.checks
	}
	stored := did("ticket store", d.ticketStore)
	answers := did("service account's AppSecret and IP whitelist", d.officialSecret)
	if answers {
		did("clock", d.clock)
	}
	if answers && stored { // these need the shared access_token
		did("card permission", d.permission)
		did("cards", d.cards)
		did("api_ticket", d.ticket)
		did("quota", d.quota)
	}
	did("mini-program's AppSecret", d.miniSecret)
	did("callback", d.callback)
	did("unionid", d.unionID)
	did("outbox", d.outbox)
	return d.checks
}

func fine(format string, args ...any) Check {
	return Check{Outcome: Fine, Found: fmt.Sprintf(format, args...)}
}

func warning(fix, format string, args ...any) Check {
	return Check{Outcome: Warning, Found: fmt.Sprintf(format, args...), Fix: fix}
}

func broken(fix, format string, args ...any) Check {
	return Check{Outcome: Broken, Found: fmt.Sprintf(format, args...), Fix: fix}
}

// refused makes a check of what WeChat answered about the service account.
func refused(err error) Check { return refusedAt("公众平台 > 设置与开发 > 基本配置", err) }

// refusedAt makes a check of what WeChat answered, with the fix that its errcode
// asks for, at the place of WeChat's where the app's settings are.
func refusedAt(settings string, err error) Check {
	var e *wechat.Error
	if !errors.As(err, &e) {
		return broken("look at the error", "%v", err)
	}
	fixes := map[int]string{
		0:     "let this machine reach " + e.API + " at WECHAT_API_URL: a firewall, a proxy, DNS?",
		40001: "copy the AppSecret anew: " + settings,
		40013: "copy the AppID anew: " + settings,
		40125: "copy the AppSecret anew: " + settings,
		40164: "add the address that WeChat names to the IP whitelist: " + settings + " > IP白名单",
		61004: "add this machine's address to the IP whitelist: " + settings + " > IP白名单",
		40243: "the administrator unfreezes the AppSecret: " + settings,
		45009: "the day's quota is spent: wait for midnight in Beijing, or see who spends it",
		48001: "get the card permission (卡券功能): 公众平台 > 添加功能插件 > 卡券功能; the AppID must be the service account's, not the mini-program's",
		48004: "the call is banned: see the account's messages at 公众平台",
	}
	fix, known := fixes[e.Code]
	if !known {
		fix = "look the errcode up in WeChat's page 全局返回码"
	}
	return broken(fix, "%v", e)
}

func (d *doctor) configuration(context.Context) Check {
	var lacks []string
	for name, set := range map[string]bool{
		"CALLBACK_AES_KEY (pushes come in the clear)":                        d.cfg.CallbackAESKey != "",
		"OFFICIAL_ORIGINAL_ID (pushes to other accounts are not told apart)": d.cfg.OfficialOriginalID != "",
		"DATA_KEYS (forms of one-click cards are not kept)":                  d.cfg.DataKeys != "",
	} {
		if !set {
			lacks = append(lacks, name)
		}
	}
	slices.Sort(lacks)
	switch u, err := url.Parse(d.cfg.WeChatAPIURL); {
	case err != nil || !strings.HasSuffix(u.Hostname(), ".weixin.qq.com"):
		return warning("unset WECHAT_API_URL for the real WeChat", "valid; WECHAT_API_URL is not WeChat's own")
	case len(lacks) > 0:
		return warning("docs/configuration.md says what each is for", "valid; not set: %s", strings.Join(lacks, ", "))
	}
	return fine("valid, and nothing is missing")
}

func (d *doctor) open(ctx context.Context) Check {
	core, err := Open(ctx, d.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return broken("check DATABASE_URL, and that this user may write there", "%v", err)
	}
	d.core = core
	d.official, d.mini = core.official, core.mini
	if err := core.db.Ping(ctx); err != nil {
		return broken("check DATABASE_URL", "%v", err)
	}
	return fine("open, its tables are up to date")
}

func (d *doctor) ticketStore(ctx context.Context) Check {
	where := "the database"
	if d.cfg.RedisURL != "" {
		where = "Redis"
	}
	if err := d.core.tickets.reachable(ctx); err != nil {
		return broken("check REDIS_URL; docs/configuration.md says what Redis has to allow", "%s: %v", where, err)
	}
	return fine("%s answers", where)
}

func (d *doctor) officialSecret(ctx context.Context) Check {
	if _, _, err := d.official.StableToken(ctx); err != nil {
		return refused(err)
	}
	return fine("WeChat gives an access_token")
}

func (d *doctor) miniSecret(ctx context.Context) Check {
	_, _, err := d.mini.Code2Session(ctx, "doctor"+rand.Text()[:16])
	var e *wechat.Error
	if errors.As(err, &e) && e.LoginCodeRefused() {
		return fine("WeChat knows the mini-program and refuses a made-up login code, as it should")
	}
	if err == nil {
		return warning("", "WeChat took a made-up login code")
	}
	return refusedAt("小程序后台 > 开发管理 > 开发设置", err)
}

func (d *doctor) clock(context.Context) Check {
	if off := d.core.clock.Offset(); off != 0 {
		return warning("set the clock: timedatectl set-ntp true", "off WeChat's by %v; addcard corrects for it", off.Round(time.Second))
	}
	return fine("within a minute of WeChat's")
}

func (d *doctor) permission(ctx context.Context) Check {
	_, total, err := d.core.tickets.client.Cards(ctx, 0, 1)
	if err != nil {
		return refused(err)
	}
	return fine("granted; the account has %d cards", total)
}

// cards asks for each card and keeps nothing of the answers: a card that is
// lost is kept as deleted, and the next look would find nothing wrong.
func (d *doctor) cards(ctx context.Context) Check {
	known, err := d.core.Operator.List(ctx)
	if err != nil {
		return broken("", "%v", err)
	}
	const most = 50
	known = known[:min(len(known), most)]
	official := account{d.core.tickets.client}
	here := 0
	var bad, waiting []string
	for _, c := range known {
		now, err := official.Card(ctx, c.ID)
		switch {
		case errors.Is(err, card.ErrNotFound):
			if c.Status != card.Deleted {
				bad = append(bad, c.ID+" is not this account's, or was deleted")
			}
			continue
		case err != nil:
			return refused(err)
		case now.Status == card.VerifyFailed:
			bad = append(bad, c.ID+" was refused in review")
		case now.Status == card.NotVerified:
			waiting = append(waiting, c.ID)
		}
		here++
	}
	switch {
	case len(known) == 0:
		return warning("server card create, or start the server once: it reads the account's cards", "the catalogue is empty")
	case here == 0:
		return broken("see that OFFICIAL_APP_ID is the service account that made them", "none of the %d in the catalogue is this account's, or all were deleted", len(known))
	case len(bad) > 0:
		return warning("server card show ID", "%s", strings.Join(bad, "; "))
	case len(waiting) > 0:
		return warning("wait up to three working days; testers can take them: server card whitelist", "in review: %s", strings.Join(waiting, ", "))
	case here < len(known):
		return fine("%d of this account, %d deleted", here, len(known)-here)
	}
	return fine("%d, all of this account", here)
}

func (d *doctor) ticket(ctx context.Context) Check {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if _, err := d.core.APITicket(ctx); err != nil {
		return refused(err)
	}
	return fine("there, shared with the replicas")
}

// quota looks at the two calls that are rationed the most.
func (d *doctor) quota(ctx context.Context) Check {
	var told, short []string
	for _, path := range []string{"/cgi-bin/ticket/getticket", "/card/get"} {
		q, err := d.core.tickets.client.Quota(ctx, path)
		if err != nil {
			continue // it is only to know: whatever is wrong was found before
		}
		told = append(told, fmt.Sprintf("%s %d of %d used", path, q.Used, q.DailyLimit))
		if q.Left < q.DailyLimit/10 {
			short = append(short, path)
		}
	}
	switch {
	case len(told) == 0:
		return Check{Outcome: Skipped, Found: "WeChat does not tell it"}
	case len(short) > 0:
		return warning("see who else calls WeChat for this account; the quota begins anew at midnight in Beijing", "%s", strings.Join(told, ", "))
	}
	return fine("%s", strings.Join(told, ", "))
}

// callback asks the public listener what WeChat asks when the URL is saved.
func (d *doctor) callback(ctx context.Context) Check {
	if d.publicURL == "" {
		return Check{Outcome: Skipped, Found: "where WeChat reaches the server was not said", Fix: "server doctor --url https://api.shop.example"}
	}
	address, err := url.Parse(strings.TrimRight(d.publicURL, "/") + "/wechat/callback")
	if err != nil || address.Host == "" {
		return broken("give it as https://host", "--url is no URL")
	}
	echo, timestamp, nonce := rand.Text(), strconv.FormatInt(d.core.Now().Unix(), 10), rand.Text()[:10]
	values := []string{string(d.cfg.CallbackToken), timestamp, nonce}
	slices.Sort(values)
	sum := sha1.Sum([]byte(strings.Join(values, "")))
	address.RawQuery = url.Values{"signature": {hex.EncodeToString(sum[:])}, "timestamp": {timestamp}, "nonce": {nonce}, "echostr": {echo}}.Encode()
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		return broken("give it as https://host", "--url is no URL")
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return broken("start the server, and see that the domain and the proxy lead to its public listener", "%s does not answer", address.Host)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	switch {
	case resp.StatusCode == http.StatusForbidden:
		return broken("the running server has another CALLBACK_TOKEN than this configuration", "%s refuses the signature", address.Host)
	case string(body) != echo:
		return broken("lead /wechat/callback to the public listener, without changing the query", "%s answers %d and not the echo", address.Host, resp.StatusCode)
	case address.Scheme != "https":
		return warning("WeChat and mini-programs want https", "%s echoes what WeChat asks, over http", address.Host)
	}
	return fine("%s echoes what WeChat asks; save it at 公众平台 > 设置与开发 > 基本配置 > 服务器配置", address.Host)
}

// unionID looks at the newest members: without unionids nobody's two openids
// are one person before a card shows it.
func (d *doctor) unionID(ctx context.Context) Check {
	const most = 200
	people, err := d.core.Members.People(ctx, member.Mark{}, most)
	if err != nil {
		return broken("", "%v", err)
	}
	with := 0
	for _, p := range people {
		if slices.ContainsFunc(p.Identities, func(id member.Identity) bool { return id.UnionID != "" }) {
			with++
		}
	}
	switch {
	case len(people) == 0:
		return Check{Outcome: Skipped, Found: "nobody has logged in yet"}
	case with == 0:
		return warning("bind the mini-program and the service account to one 微信开放平台 account; wx.addCard needs it too", "none of the newest %d members has one", len(people))
	}
	return fine("%d of the newest %d members have one", with, len(people))
}

func (d *doctor) outbox(ctx context.Context) Check {
	b, err := d.core.Members.Backlog(ctx)
	switch {
	case err != nil:
		return broken("", "%v", err)
	case b.Dead > 0:
		return warning("server outbox list --state dead", "%d messages were refused by WeChat for good", b.Dead)
	case b.Oldest > time.Hour:
		return warning("server outbox list", "%d wait, the oldest for %v", b.Waiting, b.Oldest.Round(time.Minute))
	}
	return fine("%d messages wait for WeChat", b.Waiting)
}
