package config

import (
	"encoding/base64"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/ticket/redisstore"
)

var (
	appIDForm      = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)
	originalIDForm = regexp.MustCompile(`^gh_[0-9A-Za-z]{1,32}$`)
	printable      = regexp.MustCompile(`^[!-~]+$`)
	pushTokenForm  = regexp.MustCompile(`^[0-9A-Za-z]{3,32}$`)
	aesKeyForm     = regexp.MustCompile(`^[0-9A-Za-z+/]{43}$`)
	kidForm        = regexp.MustCompile(`^[0-9A-Za-z._-]{1,32}$`)
	hostForm       = regexp.MustCompile(`^[0-9A-Za-z.-]+(:[1-9][0-9]{0,4})?$`)
)

// check adds the problems of the values in c, which were parsed from vars.
func (p *problems) check(c Config, vars map[string]string) {
	p.checkAddr("LISTEN_ADDR", c.ListenAddr)
	p.checkAddr("ADMIN_LISTEN_ADDR", c.AdminListenAddr)
	if samePort(c.ListenAddr, c.AdminListenAddr) {
		p.add("ADMIN_LISTEN_ADDR", "has the port of LISTEN_ADDR: choose another one, such as 127.0.0.1:8081")
	}
	p.form("MINIPROGRAM_APP_ID", c.MiniProgramAppID, appIDForm, true, "the mini-program's AppID")
	p.form("OFFICIAL_APP_ID", c.OfficialAppID, appIDForm, true, "the Official Account's AppID")
	p.form("OFFICIAL_ORIGINAL_ID", c.OfficialOriginalID, originalIDForm, false, "the account's gh_… ID")
	p.checkSecrets(c)
	p.checkSamples(c, vars)
	p.checkSessionKeys(c)
	p.checkDataKeys(c)
	p.checkStores(c)
	p.checkURLs(c)
	p.checkLimits(c)
	p.checkHosts(c)
	p.checkConsole(c)
	p.checkWebhooks(c)
}

// checkWebhooks refuses a prefix with bits behind its length: it is probably mistyped.
func (p *problems) checkWebhooks(c Config) {
	for i, text := range c.WebhookAllowPrivate {
		if network, err := netip.ParsePrefix(text); err != nil || network != network.Masked() || network.Addr().Is4In6() {
			p.add("WEBHOOK_ALLOW_PRIVATE", fmt.Sprintf("network %d: must be a network such as 10.1.0.0/16", i+1))
		}
	}
}

var prefixForm = regexp.MustCompile(`^(/[0-9A-Za-z._~-]+)+$`)

// checkConsole refuses a listener of the operator that the Internet reaches in plain
// HTTP, because people sign in there.
func (p *problems) checkConsole(c Config) {
	if c.ConsolePrefix != "" && !prefixForm.MatchString(c.ConsolePrefix) {
		p.add("CONSOLE_PREFIX", "must be a path such as /addcard, without a slash at the end")
	}
	wrong := slices.ContainsFunc(p.list, func(problem string) bool { return strings.HasPrefix(problem, "ADMIN_LISTEN_ADDR:") })
	if !wrong && isPublic(c.AdminListenAddr) && len(c.TrustedProxies) == 0 {
		p.add("ADMIN_LISTEN_ADDR", "accepts connections from other networks in plain HTTP; set it to 127.0.0.1:8081 or to a private address, "+
			"or put a proxy with TLS before it and name that in TRUSTED_PROXIES")
	}
}

func (p *problems) checkSecrets(c Config) {
	p.secret("MINIPROGRAM_APP_SECRET", c.MiniProgramAppSecret, true, 1)
	p.secret("OFFICIAL_APP_SECRET", c.OfficialAppSecret, true, 1)
	p.form("CALLBACK_TOKEN", string(c.CallbackToken), pushTokenForm, true, "3 to 32 letters and digits, which is what WeChat's console takes")
	p.secret("ADMIN_TOKEN", c.AdminToken, true, minToken)
	p.secret("TICKET_TOKEN", c.TicketToken, false, minToken)
	if c.TicketToken != "" && c.TicketToken == c.AdminToken {
		p.add("TICKET_TOKEN", "the same as ADMIN_TOKEN, so it would open everything")
	}
	const aesKey = "an EncodingAESKey of 43 characters"
	p.form("CALLBACK_AES_KEY", string(c.CallbackAESKey), aesKeyForm, false, aesKey)
	p.form("CALLBACK_AES_KEY_PREVIOUS", string(c.CallbackAESKeyPrevious), aesKeyForm, false, aesKey)
	if aesKeyForm.MatchString(string(c.CallbackAESKeyPrevious)) && c.CallbackAESKey == "" {
		p.add("CALLBACK_AES_KEY_PREVIOUS", "given without CALLBACK_AES_KEY")
	}
}

func (p *problems) checkSamples(c Config, vars map[string]string) {
	for _, name := range secretNames {
		if !c.Sandbox && isSample(vars[name]) {
			p.add(name, "is a sample from the documentation; `server init` makes a fresh one")
		}
	}
}

func (p *problems) checkSessionKeys(c Config) {
	if c.SessionKeys == "" {
		p.add("SESSION_KEYS", "is missing")
	} else if _, err := auth.ParseKeys(string(c.SessionKeys)); err != nil {
		for problem := range strings.SplitSeq(err.Error(), "\n") {
			p.add("SESSION_KEYS", strings.TrimPrefix(problem, "auth: session "))
		}
	}
}

func (p *problems) checkDataKeys(c Config) {
	if c.DataKeys == "" {
		return
	}
	kids := map[string]bool{}
	for i, entry := range trimmed(strings.Split(string(c.DataKeys), ",")) {
		kid, key, _ := strings.Cut(entry, ":")
		raw, err := base64.StdEncoding.Strict().DecodeString(key)
		switch {
		case !kidForm.MatchString(kid) || err != nil || len(raw) != 32:
			p.add("DATA_KEYS", fmt.Sprintf("key %d: not kid:base64 of 32 bytes", i+1))
		case kids[kid]:
			p.add("DATA_KEYS", fmt.Sprintf("key %d: kid is used twice", i+1))
		}
		kids[kid] = true
	}
}

func (p *problems) checkStores(c Config) {
	if err := sqldb.CheckURL(string(c.DatabaseURL)); err != nil {
		p.add("DATABASE_URL", strings.TrimPrefix(err.Error(), "sqldb: DATABASE_URL "))
	}
	if c.RedisURL != "" {
		if err := redisstore.CheckURL(string(c.RedisURL)); err != nil {
			p.add("REDIS_URL", strings.TrimPrefix(err.Error(), "redisstore: REDIS_URL "))
		}
	}
}

func (p *problems) checkURLs(c Config) {
	if !isAPIURL(c.WeChatAPIURL) {
		p.add("WECHAT_API_URL", "must be https://HOST, or http:// on a loopback address")
	}
	if !isAPIURL(c.WeChatOpenURL) {
		p.add("WECHAT_OPEN_URL", "must be https://HOST, or http:// on a loopback address")
	}
	if c.PublicURL != "" && (!isAPIURL(c.PublicURL) || strings.HasSuffix(c.PublicURL, "/")) {
		p.add("PUBLIC_URL", "must be https://HOST without a slash at the end, or http:// on a loopback address")
	}
	if c.OTLPEndpoint != "" && !isWebURL(c.OTLPEndpoint) {
		p.add("OTEL_EXPORTER_OTLP_ENDPOINT", "must be http://HOST:PORT or https://HOST:PORT")
	}
}

func (p *problems) checkLimits(c Config) {
	if c.RatePerMember < 0 {
		p.add("RATE_LIMIT_PER_MEMBER", "must be 0 or more")
	}
	if c.RatePerAddress < 0 {
		p.add("RATE_LIMIT_PER_IP", "must be 0 or more")
	}
	if _, err := time.LoadLocation(c.ShopTimeZone); err != nil || c.ShopTimeZone == "Local" {
		p.add("SHOP_TIME_ZONE", "must be the name of a time zone such as Asia/Shanghai")
	}
	if c.LogFormat != "json" && c.LogFormat != "text" {
		p.add("LOG_FORMAT", "must be json or text")
	}
	if c.ShutdownGrace < 0 || c.ShutdownGrace > 10*time.Minute {
		p.add("SHUTDOWN_GRACE", "must be between 0s and 10m")
	}
}

func (p *problems) checkHosts(c Config) {
	for i, host := range c.JSSDKHosts {
		switch {
		case strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }):
			p.add("JSSDK_HOSTS", fmt.Sprintf("entry %d must be written in punycode (xn--…)", i+1))
		case !isHost(host):
			p.add("JSSDK_HOSTS", fmt.Sprintf("entry %d is not a host name", i+1))
		}
	}
	for i, proxy := range c.TrustedProxies {
		if !isProxy(proxy) {
			p.add("TRUSTED_PROXIES", fmt.Sprintf("entry %d is not an address or a network smaller than everything", i+1))
		}
	}
}

func (p *problems) checkAddr(name, addr string) {
	_, port, err := net.SplitHostPort(addr)
	if _, noPort := strconv.ParseUint(port, 10, 16); err != nil || noPort != nil {
		p.add(name, "must be HOST:PORT or :PORT")
	}
}

// samePort reports whether two listeners cannot both listen: they have one port, and one
// address or all of them.
func samePort(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	all := func(host string) bool {
		ip, err := netip.ParseAddr(host)
		return host == "" || err == nil && ip.IsUnspecified()
	}
	return errA == nil && errB == nil && portA == portB && portA != "0" && (hostA == hostB || all(hostA) || all(hostB))
}

func (p *problems) form(name, value string, form *regexp.Regexp, required bool, what string) {
	switch {
	case value == "" && required:
		p.add(name, "is missing")
	case value != "" && !form.MatchString(value):
		p.add(name, "is not "+what)
	}
}

// minToken is the number of characters at which a random token cannot be
// guessed: 160 bits even in letters of one case.
const minToken = 32

func (p *problems) secret(name string, s Secret, required bool, minLength int) {
	switch {
	case s == "" && required:
		p.add(name, "is missing")
	case s == "":
	case !printable.MatchString(string(s)):
		p.add(name, "must be printable characters without spaces")
	case len(s) < minLength:
		p.add(name, fmt.Sprintf("must have at least %d characters", minLength))
	}
}

// SampleMark is part of every sample secret in the documentation, so that a
// copied sample is refused. Where a form does not allow hyphens, it is written
// without them, in upper or lower case.
const SampleMark = "sample-do-not-use"

func isSample(value string) bool {
	normalized := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "") }
	return strings.Contains(normalized(value), normalized(SampleMark))
}

// isProxy reports whether proxy is an address or a network that does not cover
// every address. An IPv4 network written in IPv6 is refused, because
// ::ffff:0:0/96 covers every address too.
func isProxy(proxy string) bool {
	if prefix, err := netip.ParsePrefix(proxy); err == nil {
		return prefix.Bits() > 0 && !prefix.Addr().Is4In6()
	}
	addr, err := netip.ParseAddr(proxy)
	return err == nil && addr.Zone() == ""
}

func isHost(host string) bool {
	_, port, given := strings.Cut(host, ":")
	_, err := strconv.ParseUint(port, 10, 16)
	return hostForm.MatchString(host) && (!given || err == nil)
}

func isAPIURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && isWebURL(s) && (u.Scheme == "https" || isLoopback(u.Hostname()))
}

func isWebURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") &&
		u.Hostname() != "" && u.User == nil && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
}

func isLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func trimmed(list []string) []string {
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}
