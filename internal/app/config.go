package app

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"addcard/internal/auth"
	"addcard/internal/sqldb"
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
	p := &problems{}
	p.readFiles(vars)
	p.parse(&c, vars)
	p.check(c)
	if len(p.list) > 0 {
		slices.Sort(p.list)
		return Config{}, &ConfigError{slices.Compact(p.list)}
	}
	return c, nil
}

type problems struct{ list []string }

func (p *problems) add(name, what string) { p.list = append(p.list, name+": "+what) }

func (p *problems) readFiles(vars map[string]string) {
	for _, name := range secretNames {
		path, ok := vars[name+"_FILE"]
		if !ok {
			continue
		}
		if _, both := vars[name]; both {
			p.add(name, "given both directly and as "+name+"_FILE")
			continue
		}
		content, err := os.ReadFile(path)
		if err != nil {
			p.add(name+"_FILE", "cannot be read")
			vars[name] = "unreadable" // so that it is not reported as missing too
			continue
		}
		vars[name] = strings.TrimRight(string(content), "\r\n")
	}
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
		if errors.As(err, &bad) {
			p.add(variableOf[bad.Name], "not a valid "+wanted[bad.Type.String()])
		} else {
			p.add("environment", "cannot be read")
		}
	}
}

var wanted = map[string]string{"int": "number", "time.Duration": "duration such as 10s", "slog.Level": "level (DEBUG, INFO, WARN, ERROR)"}

var variableOf = map[string]string{
	"RatePerMember": "RATE_LIMIT_PER_MEMBER", "RatePerAddress": "RATE_LIMIT_PER_IP",
	"ShutdownGrace": "SHUTDOWN_GRACE", "LogLevel": "LOG_LEVEL",
}

var (
	appIDForm      = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)
	originalIDForm = regexp.MustCompile(`^gh_[0-9A-Za-z]{1,32}$`)
	printable      = regexp.MustCompile(`^[!-~]+$`)
	aesKeyForm     = regexp.MustCompile(`^[0-9A-Za-z+/]{43}$`)
	hostForm       = regexp.MustCompile(`^[0-9A-Za-z.-]+(:[0-9]{1,5})?$`)
)

func (p *problems) check(c Config) {
	p.checkAddr("LISTEN_ADDR", c.ListenAddr)
	p.checkAddr("ADMIN_LISTEN_ADDR", c.AdminListenAddr)
	p.form("MINIPROGRAM_APP_ID", c.MiniProgramAppID, appIDForm, true, "the mini-program's AppID")
	p.form("OFFICIAL_APP_ID", c.OfficialAppID, appIDForm, true, "the Official Account's AppID")
	p.form("OFFICIAL_ORIGINAL_ID", c.OfficialOriginalID, originalIDForm, false, "the account's gh_… ID")
	p.secret(c, "MINIPROGRAM_APP_SECRET", c.MiniProgramAppSecret, true, 1)
	p.secret(c, "OFFICIAL_APP_SECRET", c.OfficialAppSecret, true, 1)
	p.secret(c, "CALLBACK_TOKEN", c.CallbackToken, true, 3)
	p.secret(c, "ADMIN_TOKEN", c.AdminToken, true, 32)
	p.secret(c, "TICKET_TOKEN", c.TicketToken, false, 32)
	if c.TicketToken != "" && c.TicketToken == c.AdminToken {
		p.add("TICKET_TOKEN", "the same as ADMIN_TOKEN, so it would open everything")
	}
	p.form("CALLBACK_AES_KEY", string(c.CallbackAESKey), aesKeyForm, false, "an EncodingAESKey of 43 characters")
	p.form("CALLBACK_AES_KEY_PREVIOUS", string(c.CallbackAESKeyPrevious), aesKeyForm, false, "an EncodingAESKey of 43 characters")
	p.checkKeys(c)
	p.checkStores(c)
	if !apiURL(c.WeChatAPIURL) {
		p.add("WECHAT_API_URL", "must be https://HOST, or http:// on a loopback address")
	}
	p.checkLimits(c)
}

func (p *problems) checkKeys(c Config) {
	if c.SessionKeys == "" {
		p.add("SESSION_KEYS", "is missing")
	} else if _, err := auth.ParseKeys(string(c.SessionKeys)); err != nil {
		p.add("SESSION_KEYS", strings.TrimPrefix(err.Error(), "auth: "))
	}
	p.refuseSample(c, "SESSION_KEYS", c.SessionKeys)
	for i, entry := range split(string(c.DataKeys)) {
		kid, key, ok := strings.Cut(entry, ":")
		if raw, err := base64.StdEncoding.DecodeString(key); !ok || kid == "" || err != nil || len(raw) != 32 {
			p.add("DATA_KEYS", fmt.Sprintf("entry %d is not kid:base64 of 32 bytes", i+1))
		}
	}
}

func (p *problems) checkStores(c Config) {
	if err := sqldb.CheckURL(string(c.DatabaseURL)); err != nil {
		p.add("DATABASE_URL", "must be sqlite:PATH")
	}
	if c.RedisURL != "" {
		p.add("REDIS_URL", "is not supported by this version; leave it empty and tickets are shared through the database")
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
	if n, portErr := strconv.Atoi(port); err != nil || portErr != nil || n < 0 || n > 65535 {
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

func (p *problems) secret(c Config, name string, s Secret, required bool, least int) {
	switch {
	case s == "" && required:
		p.add(name, "is missing")
	case s == "":
	case !printable.MatchString(string(s)):
		p.add(name, "must be printable characters without spaces")
	case len(s) < least:
		p.add(name, fmt.Sprintf("must have at least %d characters", least))
	}
	p.refuseSample(c, name, s)
}

// SampleMark is in every sample secret of the documentation, so that a copied
// one cannot go into service.
const SampleMark = "sample-do-not-use"

func (p *problems) refuseSample(c Config, name string, s Secret) {
	if !c.Sandbox && strings.Contains(string(s), SampleMark) {
		p.add(name, "is a sample from the documentation; `server init` makes a fresh one")
	}
}

func trustable(proxy string) bool {
	if prefix, err := netip.ParsePrefix(proxy); err == nil {
		return prefix.Bits() > 0
	}
	_, err := netip.ParseAddr(proxy)
	return err == nil
}

func apiURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname())
}

func loopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && addr.IsLoopback()
}

func split(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// Logger returns the logger that c asks for; it writes words for engineers to
// w, never data.
func (c Config) Logger(w *os.File) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel, ReplaceAttr: shortValues}
	if cmp.Or(c.LogFormat, "json") == "text" {
		return slog.New(slog.NewTextHandler(w, options))
	}
	return slog.New(slog.NewJSONHandler(w, options))
}

// shortValues keeps a foreign text from filling the log.
func shortValues(_ []string, a slog.Attr) slog.Attr {
	const most = 4096
	if a.Value.Kind() == slog.KindString && len(a.Value.String()) > most {
		a.Value = slog.StringValue(strings.ToValidUTF8(a.Value.String()[:most], "") + "…")
	}
	return a
}
