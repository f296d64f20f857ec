// Package config turns environment variables into checked, typed values and
// reports everything that is wrong with them in one error.
//
// It does not read the process environment itself: the commands pass it in. It
// connects to nothing and never quotes a value, because any of them may hold a
// secret. docs/configuration.md describes the variables; a test compares the
// page with [Config].
package config

import (
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // SHOP_TIME_ZONE: a container may have no time zones

	"github.com/caarlos0/env/v11"
)

// Config holds the checked values of the environment variables.
type Config struct {
	ListenAddr      string `env:"LISTEN_ADDR" envDefault:":8080"`
	AdminListenAddr string `env:"ADMIN_LISTEN_ADDR" envDefault:"127.0.0.1:8081"`
	PublicURL       string `env:"PUBLIC_URL"`

	MiniProgramAppID     string `env:"MINIPROGRAM_APP_ID"`
	MiniProgramAppSecret Secret `env:"MINIPROGRAM_APP_SECRET"`
	OfficialAppID        string `env:"OFFICIAL_APP_ID"`
	OfficialAppSecret    Secret `env:"OFFICIAL_APP_SECRET"`
	OfficialOriginalID   string `env:"OFFICIAL_ORIGINAL_ID"`
	WeChatAPIURL         string `env:"WECHAT_API_URL" envDefault:"https://api.weixin.qq.com"`
	WeChatOpenURL        string `env:"WECHAT_OPEN_URL" envDefault:"https://open.weixin.qq.com"`

	CallbackToken          Secret `env:"CALLBACK_TOKEN"`
	CallbackAESKey         Secret `env:"CALLBACK_AES_KEY"`
	CallbackAESKeyPrevious Secret `env:"CALLBACK_AES_KEY_PREVIOUS"`

	SessionKeys Secret `env:"SESSION_KEYS"`
	AdminToken  Secret `env:"ADMIN_TOKEN"`
	TicketToken Secret `env:"TICKET_TOKEN"`
	DataKeys    Secret `env:"DATA_KEYS"`

	DatabaseURL Secret `env:"DATABASE_URL" envDefault:"sqlite:addcard.db"` // may hold a password
	RedisURL    Secret `env:"REDIS_URL"`

	ConsolePrefix string `env:"CONSOLE_PREFIX"`
	ShopTimeZone  string `env:"SHOP_TIME_ZONE" envDefault:"Asia/Shanghai"`

	RatePerMember  int      `env:"RATE_LIMIT_PER_MEMBER" envDefault:"20"`
	RatePerAddress int      `env:"RATE_LIMIT_PER_IP" envDefault:"100"`
	JSSDKHosts     []string `env:"JSSDK_HOSTS"`
	TrustedProxies []string `env:"TRUSTED_PROXIES"`

	WebhookAllowPrivate []string `env:"WEBHOOK_ALLOW_PRIVATE"`

	LogLevel      slog.Level    `env:"LOG_LEVEL" envDefault:"INFO"`
	LogFormat     string        `env:"LOG_FORMAT" envDefault:"json"`
	OTLPEndpoint  string        `env:"OTEL_EXPORTER_OTLP_ENDPOINT"`
	ShutdownGrace time.Duration `env:"SHUTDOWN_GRACE" envDefault:"10s"`

	// Sandbox allows the documentation's sample secrets. LoadSandbox sets it.
	Sandbox bool
}

// Zone returns the shop's time zone, in which days begin.
func (c Config) Zone() *time.Location {
	zone, err := time.LoadLocation(c.ShopTimeZone)
	if err != nil { // Load has checked it
		return time.UTC
	}
	return zone
}

// WebhookNetworks returns the networks that are not public and that endpoints of
// webhooks may be in.
func (c Config) WebhookNetworks() (list []netip.Prefix) {
	for _, text := range c.WebhookAllowPrivate {
		if p, err := netip.ParsePrefix(text); err == nil { // Load has checked it
			list = append(list, p)
		}
	}
	return list
}

// secretNames lists the variables that can also be given as NAME_FILE, the path
// of a file that holds the value. Container platforms mount secrets that way.
var secretNames = []string{
	"MINIPROGRAM_APP_SECRET", "OFFICIAL_APP_SECRET", "CALLBACK_TOKEN", "CALLBACK_AES_KEY", "CALLBACK_AES_KEY_PREVIOUS",
	"SESSION_KEYS", "ADMIN_TOKEN", "TICKET_TOKEN", "DATA_KEYS", "DATABASE_URL", "REDIS_URL",
}

// Error lists all problems of the environment, sorted. Each names a variable and
// quotes no value.
type Error struct{ Problems []string }

func (e *Error) Error() string {
	return "configuration: " + strings.Join(e.Problems, "; ")
}

// Load reads the variables in environ, which has the form of os.Environ. It
// returns an *Error that lists all problems.
func Load(environ []string) (Config, error) { return load(environ, false) }

// LoadSandbox is Load for a throw-away process against the simulated WeChat,
// where the documentation's sample secrets are allowed.
func LoadSandbox(environ []string) (Config, error) { return load(environ, true) }

func load(environ []string, sandbox bool) (Config, error) {
	vars := env.ToMap(environ)
	for name, value := range vars {
		if value == "" {
			delete(vars, name) // compose files set variables to nothing: the default applies
		}
	}
	c := Config{Sandbox: sandbox}
	p := &problems{reported: map[string]bool{}}
	p.readFiles(vars)
	p.parse(&c, vars)
	c.JSSDKHosts, c.TrustedProxies = trimmed(c.JSSDKHosts), trimmed(c.TrustedProxies)
	c.WebhookAllowPrivate = trimmed(c.WebhookAllowPrivate)
	p.check(c, vars)
	if len(p.list) > 0 {
		slices.Sort(p.list)
		return Config{}, &Error{slices.Compact(p.list)}
	}
	return c, nil
}

// problems collects what is wrong with the variables. A variable in reported
// already has a problem from which all others would follow, so it gets no more.
type problems struct {
	list     []string
	reported map[string]bool
}

func (p *problems) add(name, problem string) {
	if !p.reported[name] {
		p.list = append(p.list, name+": "+problem)
	}
}

// addOnly adds the only problem that is reported about the variable name; the
// message names the variable shown.
func (p *problems) addOnly(name, shown, problem string) {
	p.add(shown, problem)
	p.reported[name] = true
}

// readFiles sets each secret that is given as NAME_FILE from its file.
func (p *problems) readFiles(vars map[string]string) {
	for _, name := range secretNames {
		path, ok := vars[name+"_FILE"]
		if !ok {
			continue
		}
		if _, both := vars[name]; both {
			p.addOnly(name, name, "given both directly and as "+name+"_FILE")
			continue
		}
		content, err := readSecret(path)
		switch {
		case err != nil:
			p.addOnly(name, name+"_FILE", "cannot be read: the file must exist, and the server's user must be able to read it")
		case content == "":
			p.addOnly(name, name+"_FILE", "is empty")
		default:
			vars[name] = content
		}
	}
}

// readSecret returns the first 64 KiB of the file at path without the line end
// that editors add.
func readSecret(path string) (string, error) {
	const maxSize = 64 << 10
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	content, err := io.ReadAll(io.LimitReader(f, maxSize))
	return strings.TrimRight(string(content), "\r\n"), err
}

// parse fills c from vars. The library's errors quote values of the wrong type,
// so only the variable's name is taken from them.
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
		p.add(field.Tag.Get("env"), "must be "+typeNames[bad.Type])
	}
}

var typeNames = map[reflect.Type]string{
	reflect.TypeFor[int]():           "a whole number",
	reflect.TypeFor[time.Duration](): "a duration such as 10s",
	reflect.TypeFor[slog.Level]():    "DEBUG, INFO, WARN or ERROR",
}

// ListenAddr returns LISTEN_ADDR as environ has it, or its default. It checks
// nothing, so that it works without a complete configuration.
func ListenAddr(environ []string) string {
	addr := ":8080"
	for _, v := range environ {
		if name, value, _ := strings.Cut(v, "="); name == "LISTEN_ADDR" && value != "" {
			addr = value
		}
	}
	return addr
}
