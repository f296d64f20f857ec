package config_test

import (
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/config"
)

func TestWarnings_NameWhatOthersCanReachOrRead(t *testing.T) {
	t.Parallel()
	const secret = "canary"
	safe := config.Config{AdminListenAddr: "127.0.0.1:8081", DatabaseURL: "sqlite:addcard.db"}
	with := func(change func(*config.Config)) config.Config {
		c := safe
		change(&c)
		return c
	}
	admin := func(addr string) config.Config { return with(func(c *config.Config) { c.AdminListenAddr = addr }) }
	for name, tt := range map[string]struct {
		cfg  config.Config
		want string // the variables, in order
	}{
		"default":              {safe, ""},
		"all addresses":        {admin(":8081"), "ADMIN_LISTEN_ADDR"},
		"all IPv4":             {admin("0.0.0.0:8081"), "ADMIN_LISTEN_ADDR"},
		"all IPv6":             {admin("[::]:8081"), "ADMIN_LISTEN_ADDR"},
		"public":               {admin("203.0.113.5:8081"), "ADMIN_LISTEN_ADDR"},
		"public IPv6":          {admin("[2001:db8::1]:8081"), "ADMIN_LISTEN_ADDR"},
		"public, mapped":       {admin("[::ffff:203.0.113.5]:8081"), "ADMIN_LISTEN_ADDR"},
		"just outside private": {admin("172.32.0.1:8081"), "ADMIN_LISTEN_ADDR"},
		"a name":               {admin("admin.shop.example:8081"), "ADMIN_LISTEN_ADDR"},
		"localhost":            {admin("localhost:8081"), ""},
		"IPv6 loopback":        {admin("[::1]:8081"), ""},
		"private":              {admin("10.1.2.3:8081"), ""},
		"private 172":          {admin("172.31.0.1:8081"), ""},
		"private IPv6":         {admin("[fd00::7]:8081"), ""},
		"shared network":       {admin("100.100.1.1:8081"), ""},
		"PostgreSQL elsewhere": {
			with(func(c *config.Config) { c.DatabaseURL = "postgres://u:" + secret + "@db.example/a" }), "DATABASE_URL",
		},
		"PostgreSQL with TLS": {
			with(func(c *config.Config) { c.DatabaseURL = "postgres://u:" + secret + "@db.example/a?sslmode=verify-full" }), "",
		},
		"Redis elsewhere":     {with(func(c *config.Config) { c.RedisURL = "redis://u:" + secret + "@redis:6379" }), "REDIS_URL"},
		"a node elsewhere":    {with(func(c *config.Config) { c.RedisURL = "redis://127.0.0.1?addr=192.0.2.7:6379" }), "REDIS_URL"},
		"Redis with TLS":      {with(func(c *config.Config) { c.RedisURL = "rediss://redis:6379" }), ""},
		"Redis on this one":   {with(func(c *config.Config) { c.RedisURL = "redis://localhost:6379" }), ""},
		"Redis on this, IPv6": {with(func(c *config.Config) { c.RedisURL = "redis://[::1]:6379" }), ""},
		"everything": {config.Config{
			AdminListenAddr: ":1", DatabaseURL: "postgres://db/a", RedisURL: "redis://redis",
		}, "ADMIN_LISTEN_ADDR DATABASE_URL REDIS_URL"},
	} {
		var names []string
		for _, w := range tt.cfg.Warnings() {
			variable, _, _ := strings.Cut(w.Found, ":")
			names = append(names, variable)
			if !strings.Contains(w.Fix, variable) || !strings.HasPrefix(w.FoundChinese, variable) || !strings.Contains(w.FixChinese, variable) ||
				strings.Contains(w.Found+w.Fix+w.FoundChinese+w.FixChinese, secret) {
				t.Errorf("%s: %+v", name, w)
			}
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}
