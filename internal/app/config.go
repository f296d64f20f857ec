package app

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/addcard/addcard/internal/auth"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/ticket/redisstore"
)

// Config is the environment, checked. docs/configuration.md describes it; a
// test compares the two.
type Config struct {
	ListenAddr      string `env:"LISTEN_ADDR" envDefault:":8080"`
	AdminListenAddr string `env:"ADMIN_LISTEN_ADDR" envDefault:"127.0.0.1:8081"`

	MiniProgramAppID     string `env:"MINIPROGRAM_APP_ID"`
	MiniProgramAppSecret Secret `env:"MINIPROGRAM_APP_SECRET"`
	OfficialAppID        string `env:"OFFICIAL_APP_ID"`
	OfficialAppSecret    Secret `env:"OFFICIAL_APP_SECRET"`
	OfficialOriginalID   string `env:"OFFICIAL_ORIGINAL_ID"`
	WeChatAPIURL         string `env:"WECHAT_API_URL" envDefault:"https://api.weixin.qq.com"`

	CallbackToken          Secret `env:"CALLBACK_TOKEN"`
	CallbackAESKey         Secret `env:"CALLBACK_AES_KEY"`
	CallbackAESKeyPrevious Secret `env:"CALLBACK_AES_KEY_PREVIOUS"`

	SessionKeys Secret `env:"SESSION_KEYS"`
	AdminToken  Secret `env:"ADMIN_TOKEN"`
	TicketToken Secret `env:"TICKET_TOKEN"`
	DataKeys    Secret `env:"DATA_KEYS"`

	DatabaseURL Secret `env:"DATABASE_URL" envDefault:"sqlite:addcard.db"` // may hold a password
	RedisURL    Secret `env:"REDIS_URL"`

	RatePerMember  int      `env:"RATE_LIMIT_PER_MEMBER" envDefault:"20"`
	RatePerAddress int      `env:"RATE_LIMIT_PER_IP" envDefault:"100"`
	JSSDKHosts     []string `env:"JSSDK_HOSTS"`
	TrustedProxies []string `env:"TRUSTED_PROXIES"`

	LogLevel      slog.Level    `env:"LOG_LEVEL" envDefault:"INFO"`
	LogFormat     string        `env:"LOG_FORMAT" envDefault:"json"`
	OTLPEndpoint  string        `env:"OTEL_EXPORTER_OTLP_ENDPOINT"`
	ShutdownGrace time.Duration `env:"SHUTDOWN_GRACE" envDefault:"10s"`

	// Sandbox lets the secrets be samples; cmd/sandbox sets it.
	Sandbox bool
}

// secretNames may each be given as NAME_FILE instead: the path of a file that
// holds the value, as container platforms mount secrets.
var secretNames = []string{
	"MINIPROGRAM_APP_SECRET", "OFFICIAL_APP_SECRET", "CALLBACK_TOKEN", "CALLBACK_AES_KEY", "CALLBACK_AES_KEY_PREVIOUS",
	"SESSION_KEYS", "ADMIN_TOKEN", "TICKET_TOKEN", "DATA_KEYS", "DATABASE_URL", "REDIS_URL",
}

// ConfigError is everything that is wrong with the environment. It names
// variables and never quotes a value.
type ConfigError struct{ Problems []string }

func (e *ConfigError) Error() string {
	return "configuration: " + strings.Join(e.Problems, "; ")
}

// LoadConfig reads the variables in environ (as os.Environ gives them). It
// returns a *ConfigError with all problems at once.
func LoadConfig(environ []string) (Config, error) { return loadConfig(environ, false) }

// LoadSandboxConfig is LoadConfig for a throw-away process against the
// simulator, where the documentation's sample secrets may be used.
func LoadSandboxConfig(environ []string) (Config, error) { return loadConfig(environ, true) }

func loadConfig(environ []string, sandbox bool) (Config, error) {
	vars := env.ToMap(environ)
	for name, value := range vars {
		if value == "" {
			delete(vars, name) // compose files set variables to nothing: the default holds
		}
	}
	c := Config{Sandbox: sandbox}
	p := &problems{settled: map[string]bool{}}
	p.readFiles(vars)
	p.parse(&c, vars)
	c.JSSDKHosts, c.TrustedProxies = trimmed(c.JSSDKHosts), trimmed(c.TrustedProxies)
	p.check(c, vars)
	if len(p.list) > 0 {
		slices.Sort(p.list)
		return Config{}, &ConfigError{slices.Compact(p.list)}
	}
	return c, nil
}

// problems collects what is wrong. A variable that is settled has got its one
// problem: what else could be said about it follows from that.
type problems struct {
	list    []string
	settled map[string]bool
}

func (p *problems) add(name, what string) {
	if !p.settled[name] {
		p.list = append(p.list, name+": "+what)
	}
}

func (p *problems) settle(name, shown, what string) {
	p.add(shown, what)
	p.settled[name] = true
}

func (p *problems) readFiles(vars map[string]string) {
	for _, name := range secretNames {
		path, ok := vars[name+"_FILE"]
		if !ok {
			continue
		}
		if _, both := vars[name]; both {
			p.settle(name, name, "given both directly and as "+name+"_FILE")
			continue
		}
		content, err := readSecret(path)
		switch {
		case err != nil:
			p.settle(name, name+"_FILE", "cannot be read")
		case content == "":
			p.settle(name, name+"_FILE", "is empty")
		default:
			vars[name] = content
		}
	}
}

// readSecret reads the file at path without the line end that editors add.
func readSecret(path string) (string, error) {
	const most = 64 << 10
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, most))
	return strings.TrimRight(string(content), "\r\n"), err
}

// parse fills c; where a value does not have the field's type, the library's
// error quotes it, so only the name is kept.
func (p *problems) parse(c *Config, vars map[string]string) {
	err := env.ParseWithOptions(c, env.Options{Environment: vars})
	var all env.AggregateError
	if !errors.As(err, &all) {
		if err != nil {
			p.add("environment", "cannot be read")
		}
		return
	}
	for _, err := range all.Errors {
		var bad env.ParseError
		if !errors.As(err, &bad) {
			p.add("environment", "cannot be read")
			continue
		}
		field, _ := reflect.TypeFor[Config]().FieldByName(bad.Name)
		p.add(field.Tag.Get("env"), "must be "+wanted[bad.Type])
	}
}

var wanted = map[reflect.Type]string{
	reflect.TypeFor[int]():           "a whole number",
	reflect.TypeFor[time.Duration](): "a duration such as 10s",
	reflect.TypeFor[slog.Level]():    "DEBUG, INFO, WARN or ERROR",
}

var (
	appIDForm      = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)
	originalIDForm = regexp.MustCompile(`^gh_[0-9A-Za-z]{1,32}$`)
	printable      = regexp.MustCompile(`^[!-~]+$`)
	aesKeyForm     = regexp.MustCompile(`^[0-9A-Za-z+/]{43}$`)
	kidForm        = regexp.MustCompile(`^[0-9A-Za-z._-]{1,32}$`)
	hostForm       = regexp.MustCompile(`^[0-9A-Za-z.-]+(:[0-9]{1,5})?$`)
)

func (p *problems) check(c Config, vars map[string]string) {
	p.checkAddr("LISTEN_ADDR", c.ListenAddr)
	p.checkAddr("ADMIN_LISTEN_ADDR", c.AdminListenAddr)
	if c.AdminListenAddr == c.ListenAddr && !strings.HasSuffix(c.ListenAddr, ":0") {
		p.add("ADMIN_LISTEN_ADDR", "the same as LISTEN_ADDR")
	}
	p.form("MINIPROGRAM_APP_ID", c.MiniProgramAppID, appIDForm, true, "the mini-program's AppID")
	p.form("OFFICIAL_APP_ID", c.OfficialAppID, appIDForm, true, "the Official Account's AppID")
	p.form("OFFICIAL_ORIGINAL_ID", c.OfficialOriginalID, originalIDForm, false, "the account's gh_… ID")
	p.checkSecrets(c, vars)
	p.checkKeys(c)
	p.checkStores(c)
	if !apiURL(c.WeChatAPIURL) {
		p.add("WECHAT_API_URL", "must be https://HOST, or http:// on a loopback address")
	}
	if c.OTLPEndpoint != "" && !webURL(c.OTLPEndpoint) {
		p.add("OTEL_EXPORTER_OTLP_ENDPOINT", "must be http://HOST:PORT or https://HOST:PORT")
	}
	p.checkLimits(c)
	p.checkHosts(c)
}

func (p *problems) checkSecrets(c Config, vars map[string]string) {
	p.secret("MINIPROGRAM_APP_SECRET", c.MiniProgramAppSecret, true, 1)
	p.secret("OFFICIAL_APP_SECRET", c.OfficialAppSecret, true, 1)
	p.secret("CALLBACK_TOKEN", c.CallbackToken, true, 3)
	p.secret("ADMIN_TOKEN", c.AdminToken, true, leastToken)
	p.secret("TICKET_TOKEN", c.TicketToken, false, leastToken)
	if c.TicketToken != "" && c.TicketToken == c.AdminToken {
		p.add("TICKET_TOKEN", "the same as ADMIN_TOKEN, so it would open everything")
	}
	p.form("CALLBACK_AES_KEY", string(c.CallbackAESKey), aesKeyForm, false, "an EncodingAESKey of 43 characters")
	p.form("CALLBACK_AES_KEY_PREVIOUS", string(c.CallbackAESKeyPrevious), aesKeyForm, false, "an EncodingAESKey of 43 characters")
	if aesKeyForm.MatchString(string(c.CallbackAESKeyPrevious)) && c.CallbackAESKey == "" {
		p.add("CALLBACK_AES_KEY_PREVIOUS", "given without CALLBACK_AES_KEY")
	}
	for _, name := range secretNames {
		if !c.Sandbox && sample(vars[name]) {
			p.add(name, "is a sample from the documentation; `server init` makes a fresh one")
		}
	}
}

func (p *problems) checkKeys(c Config) {
	if c.SessionKeys == "" {
		p.add("SESSION_KEYS", "is missing")
	} else if _, err := auth.ParseKeys(string(c.SessionKeys)); err != nil {
		for problem := range strings.SplitSeq(err.Error(), "\n") {
			p.add("SESSION_KEYS", strings.TrimPrefix(problem, "auth: session "))
		}
	}
	kids := map[string]bool{}
	for i, entry := range split(string(c.DataKeys)) {
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

func (p *problems) checkLimits(c Config) {
	if c.RatePerMember < 0 {
		p.add("RATE_LIMIT_PER_MEMBER", "must be 0 or more")
	}
	if c.RatePerAddress < 0 {
		p.add("RATE_LIMIT_PER_IP", "must be 0 or more")
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
		if !hostForm.MatchString(host) {
			p.add("JSSDK_HOSTS", fmt.Sprintf("entry %d is not a host name", i+1))
		}
	}
	for i, proxy := range c.TrustedProxies {
		if !trustable(proxy) {
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

func (p *problems) form(name, value string, form *regexp.Regexp, required bool, what string) {
	switch {
	case value == "" && required:
		p.add(name, "is missing")
	case value != "" && !form.MatchString(value):
		p.add(name, "is not "+what)
	}
}

// leastToken is what can be guessed by nobody if it is random: 160 bits even
// in letters of one case.
const leastToken = 32

func (p *problems) secret(name string, s Secret, required bool, least int) {
	switch {
	case s == "" && required:
		p.add(name, "is missing")
	case s == "":
	case !printable.MatchString(string(s)):
		p.add(name, "must be printable characters without spaces")
	case len(s) < least:
		p.add(name, fmt.Sprintf("must have at least %d characters", least))
	}
}

// SampleMark is in every sample secret of the documentation, so that a copied
// one cannot go into service. Where a form has no room for hyphens, it is
// written without them, in upper or lower case.
const SampleMark = "sample-do-not-use"

func sample(value string) bool {
	bare := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "-", "") }
	return strings.Contains(bare(value), bare(SampleMark))
}

// trustable tells an address or a network of proxies from everybody. An IPv4
// network written in IPv6 is refused: ::ffff:0:0/96 is everybody too.
func trustable(proxy string) bool {
	if prefix, err := netip.ParsePrefix(proxy); err == nil {
		return prefix.Bits() > 0 && !prefix.Addr().Is4In6()
	}
	addr, err := netip.ParseAddr(proxy)
	return err == nil && addr.Zone() == ""
}

func apiURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && webURL(s) && (u.Scheme == "https" || loopback(u.Hostname()))
}

func webURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") &&
		u.Hostname() != "" && u.User == nil && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return trimmed(strings.Split(list, ","))
}

func trimmed(list []string) []string {
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// Logger returns the logger that c asks for; it writes words for engineers to
// w, never data.
func (c Config) Logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel, ReplaceAttr: readable}
	if c.LogFormat == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// readable keeps a foreign text from filling the log, and gives durations a
// unit: slog's JSON has bare nanoseconds.
func readable(_ []string, a slog.Attr) slog.Attr {
	const most = 4096
	switch a.Value.Kind() {
	case slog.KindString:
		if text := a.Value.String(); len(text) > most {
			a.Value = slog.StringValue(strings.ToValidUTF8(text[:most], "") + "…")
		}
	case slog.KindDuration:
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
