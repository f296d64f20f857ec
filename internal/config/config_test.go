package config_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/config"
)

// canary is part of every value in these tests, so that a quoted value is found.
const canary = "cAnArY"

var (
	key32 = base64.StdEncoding.EncodeToString([]byte("cAnArYcAnArYcAnArYcAnArYcAnArY01"))
	key31 = base64.StdEncoding.EncodeToString(make([]byte, 31))
)

// required returns the variables that have no default.
func required() map[string]string {
	return map[string]string{
		"MINIPROGRAM_APP_ID": "wx-mini-cAnArY", "MINIPROGRAM_APP_SECRET": "mini-cAnArY",
		"OFFICIAL_APP_ID": "wx-official-cAnArY", "OFFICIAL_APP_SECRET": "official-cAnArY",
		"CALLBACK_TOKEN": "callbackcAnArY", "SESSION_KEYS": "cAnArY:" + key32,
		"ADMIN_TOKEN": "cAnArY-admin-token-of-32-characters",
	}
}

func environ(vars map[string]string) (list []string) {
	for name, value := range vars {
		list = append(list, name+"="+value)
	}
	return list
}

// load loads the required variables with changes applied.
func load(changes map[string]string) (config.Config, error) {
	vars := required()
	maps.Copy(vars, changes)
	return config.Load(environ(vars))
}

// problemsOf returns the problems in err, which must be a config.Error that quotes
// no value.
func problemsOf(t *testing.T, err error) []string {
	t.Helper()
	var invalid *config.Error
	if !errors.As(err, &invalid) {
		t.Fatalf("got %v, want a config.Error", err)
	}
	text := err.Error() + strings.Join(invalid.Problems, "\n")
	if strings.Contains(strings.ToLower(text), strings.ToLower(canary)) {
		t.Errorf("a value is quoted in %s", text)
	}
	return invalid.Problems
}

// misconfiguration is one variable with a wrong value, and the expected problem.
type misconfiguration struct {
	name            string
	variable, value string
	want            string
}

// What several variables have in common.
const (
	isASample     = "is a sample from the documentation; `server init` makes a fresh one"
	notAnAPIURL   = "must be https://HOST, or http:// on a loopback address"
	notAPublicURL = "must be https://HOST without a slash at the end, or http:// on a loopback address"
	notADatabase  = "must be sqlite:PATH or postgres://user:password@host:port/database"
	notReadable   = "cannot be read: the file must exist, and the server's user must be able to read it"
	notAToken     = "is not 3 to 32 letters and digits, which is what WeChat's console takes"
	takenPort     = "has the port of LISTEN_ADDR: choose another one, such as 127.0.0.1:8081"
	notANetwork   = " is not an address or a network smaller than everything"
	notAPrefix    = "must be a path such as /addcard, without a slash at the end"
)

var misconfigurations = []misconfiguration{
	{"missing", "MINIPROGRAM_APP_ID", "", "is missing"},
	{"with a space", "MINIPROGRAM_APP_ID", "wx cAnArY", "is not the mini-program's AppID"},
	{"too long", "MINIPROGRAM_APP_ID", canary + strings.Repeat("x", 64), "is not the mini-program's AppID"},
	{"missing", "MINIPROGRAM_APP_SECRET", "", "is missing"},
	{"two lines", "MINIPROGRAM_APP_SECRET", "cAnArY\ncAnArY", "must be printable characters without spaces"},
	{"sample", "MINIPROGRAM_APP_SECRET", "cAnArY-" + config.SampleMark, isASample},
	{"missing", "OFFICIAL_APP_ID", "", "is missing"},
	{"quoted", "OFFICIAL_APP_ID", `"cAnArY"`, "is not the Official Account's AppID"},
	{"missing", "OFFICIAL_APP_SECRET", "", "is missing"},
	{"with a tab", "OFFICIAL_APP_SECRET", "cAnArY\t", "must be printable characters without spaces"},
	{"sample", "OFFICIAL_APP_SECRET", config.SampleMark, isASample},
	{"an openid", "OFFICIAL_ORIGINAL_ID", "cAnArY", "is not the account's gh_… ID"},

	{"no scheme", "WECHAT_OPEN_URL", "cAnArY.example", notAnAPIURL},
	{"plain beyond this machine", "WECHAT_OPEN_URL", "http://cAnArY.example", notAnAPIURL},
	{"no scheme", "PUBLIC_URL", "cAnArY.example", notAPublicURL},
	{"plain beyond this machine", "PUBLIC_URL", "http://cAnArY.example", notAPublicURL},
	{"a slash at the end", "PUBLIC_URL", "https://cAnArY.example/", notAPublicURL},
	{"no scheme", "WECHAT_API_URL", "cAnArY.example", notAnAPIURL},
	{"unknown scheme", "WECHAT_API_URL", "ftp://cAnArY.example", notAnAPIURL},
	{"plain beyond this machine", "WECHAT_API_URL", "http://cAnArY.example", notAnAPIURL},
	{"plain on a private network", "WECHAT_API_URL", "http://10.0.0.1/cAnArY", notAnAPIURL},
	{"plain on every address", "WECHAT_API_URL", "http://0.0.0.0:8082/cAnArY", notAnAPIURL},
	{"plain on a name like loopback", "WECHAT_API_URL", "http://localhost.cAnArY.example", notAnAPIURL},
	{"no host", "WECHAT_API_URL", "https://:443/cAnArY", notAnAPIURL},
	{"with a password", "WECHAT_API_URL", "https://user:cAnArY@api.example", notAnAPIURL},
	{"with a query", "WECHAT_API_URL", "https://api.example/?cAnArY", notAnAPIURL},

	{"missing", "CALLBACK_TOKEN", "", "is missing"},
	{"weak", "CALLBACK_TOKEN", "ab", notAToken},
	{"long", "CALLBACK_TOKEN", canary + strings.Repeat("a", 27), notAToken},
	{"with a hyphen", "CALLBACK_TOKEN", "cAnArY-token", notAToken},
	{"sample", "CALLBACK_TOKEN", strings.ReplaceAll(config.SampleMark, "-", ""), isASample},
	{"short", "CALLBACK_AES_KEY", "cAnArY", "is not an EncodingAESKey of 43 characters"},
	{"padded", "CALLBACK_AES_KEY", key32, "is not an EncodingAESKey of 43 characters"},
	{"sample", "CALLBACK_AES_KEY", "SampleDoNotUse" + strings.Repeat("0", 29), isASample},
	{"long", "CALLBACK_AES_KEY_PREVIOUS", canary + strings.Repeat("0", 38), "is not an EncodingAESKey of 43 characters"},
	{"alone", "CALLBACK_AES_KEY_PREVIOUS", canary + strings.Repeat("0", 37), "given without CALLBACK_AES_KEY"},

	{"missing", "SESSION_KEYS", "", "is missing"},
	{"no kid", "SESSION_KEYS", key32, "key 1: not of the form kid:base64"},
	{"not base64", "SESSION_KEYS", "k1:" + key32 + ",k2:cAnArY!", "key 2: not standard base64"},
	{"weak", "SESSION_KEYS", "k1:" + base64.StdEncoding.EncodeToString([]byte("cAnArY")), "key 1: shorter than 32 bytes"},
	{"one kid twice", "SESSION_KEYS", "k1:" + key32 + ", k1:" + key32, "key 2: kid is used twice"},
	{"sample", "SESSION_KEYS", config.SampleMark + ":" + key32, isASample},
	{"missing", "ADMIN_TOKEN", "", "is missing"},
	{"weak", "ADMIN_TOKEN", "cAnArY-0123456789-0123456789-ab", "must have at least 32 characters"},
	{"with spaces", "ADMIN_TOKEN", "cAnArY 0123456789 0123456789 0123456789", "must be printable characters without spaces"},
	{"sample", "ADMIN_TOKEN", config.SampleMark + "-cAnArY-0123456789", isASample},
	{"weak", "TICKET_TOKEN", "cAnArY-0123456789-0123456789-ab", "must have at least 32 characters"},
	{"the admin's", "TICKET_TOKEN", required()["ADMIN_TOKEN"], "the same as ADMIN_TOKEN, so it would open everything"},
	{"no kid", "DATA_KEYS", key32, "key 1: not kid:base64 of 32 bytes"},
	{"of 31 bytes", "DATA_KEYS", "d1:" + key32 + ",d2:" + key31, "key 2: not kid:base64 of 32 bytes"},
	{"one kid twice", "DATA_KEYS", "d1:" + key32 + ",d1:" + key32, "key 2: kid is used twice"},
	{"sample", "DATA_KEYS", config.SampleMark + ":" + key32, isASample},

	{"unknown scheme", "DATABASE_URL", "mysql://cAnArY:cAnArY@db/addcard", notADatabase},
	{"no path", "DATABASE_URL", "sqlite:", notADatabase},
	{"scheme", "REDIS_URL", "http://:cAnArY@redis:6379", "must begin with redis:// or rediss://"},

	{"no port", "LISTEN_ADDR", "cAnArY", "must be HOST:PORT or :PORT"},
	{"named port", "LISTEN_ADDR", "cAnArY:http", "must be HOST:PORT or :PORT"},
	{"signed port", "LISTEN_ADDR", "cAnArY:+80", "must be HOST:PORT or :PORT"},
	{"port out of range", "ADMIN_LISTEN_ADDR", "cAnArY:65536", "must be HOST:PORT or :PORT"},
	{"the public one", "ADMIN_LISTEN_ADDR", ":8080", takenPort},
	{"the public port", "ADMIN_LISTEN_ADDR", "127.0.0.1:8080", takenPort},

	{"negative", "RATE_LIMIT_PER_MEMBER", "-1", "must be 0 or more"},
	{"no number", "RATE_LIMIT_PER_MEMBER", canary, "must be a whole number"},
	{"a fraction", "RATE_LIMIT_PER_IP", "0.5", "must be a whole number"},
	{"negative", "RATE_LIMIT_PER_IP", "-20", "must be 0 or more"},
	{"a URL", "JSSDK_HOSTS", "shop.example,https://cAnArY.example", "entry 2 is not a host name"},
	{"a path", "JSSDK_HOSTS", "cAnArY.example/", "entry 1 is not a host name"},
	{"a port out of range", "JSSDK_HOSTS", "cAnArY.example:65536", "entry 1 is not a host name"},
	{"port 0", "JSSDK_HOSTS", "cAnArY.example:0", "entry 1 is not a host name"},
	{"no port after the colon", "JSSDK_HOSTS", "cAnArY.example:", "entry 1 is not a host name"},
	{"a leading zero", "JSSDK_HOSTS", "cAnArY.example:0443", "entry 1 is not a host name"},
	{"汉字", "JSSDK_HOSTS", "shop.example, cAnArY.店", "entry 2 must be written in punycode (xn--…)"},
	{"an empty entry", "JSSDK_HOSTS", "cAnArY.example,", "entry 2 is not a host name"},
	{"everybody", "TRUSTED_PROXIES", "127.0.0.1, 0.0.0.0/0", "entry 2" + notANetwork},
	{"everybody, IPv6", "TRUSTED_PROXIES", "::/0", "entry 1" + notANetwork},
	{"everybody, IPv4 in IPv6", "TRUSTED_PROXIES", "::ffff:0:0/96", "entry 1" + notANetwork},
	{"a name", "TRUSTED_PROXIES", "cAnArY.example", "entry 1" + notANetwork},
	{"an address", "WEBHOOK_ALLOW_PRIVATE", "10.0.0.0/8, 10.1.2.3", "network 2: must be a network such as 10.1.0.0/16"},
	{"bits behind the length", "WEBHOOK_ALLOW_PRIVATE", "10.1.2.3/8", "network 1: must be a network such as 10.1.0.0/16"},
	{"IPv4 in IPv6", "WEBHOOK_ALLOW_PRIVATE", "::ffff:10.0.0.0/104", "network 1: must be a network such as 10.1.0.0/16"},
	{"a host", "WEBHOOK_ALLOW_PRIVATE", "cAnArY.example", "network 1: must be a network such as 10.1.0.0/16"},
	{"with a zone", "TRUSTED_PROXIES", "fe80::1%cAnArY", "entry 1" + notANetwork},
	{"unknown", "LOG_LEVEL", canary, "must be DEBUG, INFO, WARN or ERROR"},
	{"unknown", "LOG_FORMAT", canary, "must be json or text"},
	{"no scheme", "OTEL_EXPORTER_OTLP_ENDPOINT", "cAnArY:4318", "must be http://HOST:PORT or https://HOST:PORT"},
	{"with a password", "OTEL_EXPORTER_OTLP_ENDPOINT", "https://u:cAnArY@otel:4318", "must be http://HOST:PORT or https://HOST:PORT"},
	{"reachable in plain HTTP", "ADMIN_LISTEN_ADDR", ":8081", "accepts connections from other networks in plain HTTP; " +
		"set it to 127.0.0.1:8081 or to a private address, or put a proxy with TLS before it and name that in TRUSTED_PROXIES"},
	{"no path", "CONSOLE_PREFIX", "cAnArY", notAPrefix},
	{"a slash at the end", "CONSOLE_PREFIX", "/cAnArY/", notAPrefix},
	{"an address", "CONSOLE_PREFIX", "https://cAnArY.example/shop", notAPrefix},
	{"no zone", "SHOP_TIME_ZONE", "cAnArY/Shanghai", "must be the name of a time zone such as Asia/Shanghai"},
	{"the machine's zone", "SHOP_TIME_ZONE", "Local", "must be the name of a time zone such as Asia/Shanghai"},
	{"no unit", "SHUTDOWN_GRACE", "10", "must be a duration such as 10s"},
	{"endless", "SHUTDOWN_GRACE", "11m", "must be between 0s and 10m"},
	{"negative", "SHUTDOWN_GRACE", "-1s", "must be between 0s and 10m"},
}

func vars(name, value string) map[string]string { return map[string]string{name: value} }

func TestConfig_EachFaultStopsTheStartAndIsNamed(t *testing.T) {
	t.Parallel()
	for _, m := range misconfigurations {
		t.Run(m.variable+" "+m.name, func(t *testing.T) {
			t.Parallel()
			_, err := load(vars(m.variable, m.value))
			if got, want := problemsOf(t, err), []string{m.variable + ": " + m.want}; !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestConfig_EveryVariableHasAFaultInTheTable(t *testing.T) {
	t.Parallel()
	for field := range reflect.TypeFor[config.Config]().Fields() {
		name := field.Tag.Get("env")
		if name != "" && !slices.ContainsFunc(misconfigurations, func(m misconfiguration) bool { return m.variable == name }) {
			t.Errorf("%s has no case in the table", name)
		}
	}
}

func TestConfig_AllProblemsAreToldAtOnce(t *testing.T) {
	t.Parallel()
	all := map[string]string{}
	for _, m := range slices.Backward(misconfigurations) { // the first one of each variable
		all[m.variable] = m.value
	}
	_, err := load(all)
	got := problemsOf(t, err)
	if !slices.IsSorted(got) {
		t.Errorf("not sorted: %q", got)
	}
	for name := range all {
		if !slices.ContainsFunc(got, func(p string) bool { return strings.HasPrefix(p, name+": ") }) {
			t.Errorf("%s is not among %q", name, got)
		}
	}

	_, err = config.Load(nil)
	if got := problemsOf(t, err); len(got) != len(required()) {
		t.Errorf("an empty environment: %q", got)
	}
}

func TestConfig_Defaults(t *testing.T) {
	t.Parallel()
	got, err := load(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := required()
	want := config.Config{
		ListenAddr: ":8080", AdminListenAddr: "127.0.0.1:8081", WeChatAPIURL: "https://api.weixin.qq.com",
		WeChatOpenURL:    "https://open.weixin.qq.com",
		MiniProgramAppID: r["MINIPROGRAM_APP_ID"], MiniProgramAppSecret: config.Secret(r["MINIPROGRAM_APP_SECRET"]),
		OfficialAppID: r["OFFICIAL_APP_ID"], OfficialAppSecret: config.Secret(r["OFFICIAL_APP_SECRET"]),
		CallbackToken: config.Secret(r["CALLBACK_TOKEN"]), SessionKeys: config.Secret(r["SESSION_KEYS"]),
		AdminToken:  config.Secret(r["ADMIN_TOKEN"]),
		DatabaseURL: "sqlite:addcard.db", RatePerMember: 20, RatePerAddress: 100,
		ShopTimeZone: "Asia/Shanghai", LogLevel: slog.LevelInfo, LogFormat: "json", ShutdownGrace: 10 * time.Second,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}

	empty := map[string]string{}
	for field := range reflect.TypeFor[config.Config]().Fields() {
		if name := field.Tag.Get("env"); name != "" && r[name] == "" {
			empty[name], empty[name+"_FILE"] = "", ""
		}
	}
	if got, err := load(empty); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("variables set to nothing: got %+v, %v", got, err)
	}
}

func TestConfig_TakesWhatIsRight(t *testing.T) {
	t.Parallel()
	for name, values := range map[string][]string{
		"WECHAT_API_URL": {"https://api2.weixin.qq.com", "https://relay.example:8443/wechat",
			"http://127.0.0.1:8082", "http://[::1]:8082", "http://localhost:8082/"},
		"PUBLIC_URL":            {"https://card.shop.example", "https://shop.example/card", "http://127.0.0.1:8080"},
		"WECHAT_OPEN_URL":       {"http://127.0.0.1:8082"},
		"LISTEN_ADDR":           {":9000", "127.0.0.1:0", "[::1]:80", "shop.internal:8080"},
		"TRUSTED_PROXIES":       {"10.0.0.0/8, 192.168.1.1", "fd00::/8", "::1"},
		"WEBHOOK_ALLOW_PRIVATE": {"10.0.0.0/8, 192.168.1.1/32", "fd00::/8", "::1/128"},
		"JSSDK_HOSTS": {"shop.example", "shop.example, www.shop.example:8443", "Shop.EXAMPLE:443", "shop.example.",
			"xn--xhq521b.example"},
		"LOG_LEVEL":                   {"debug", "WARN", "Error"},
		"LOG_FORMAT":                  {"text", "json"},
		"CONSOLE_PREFIX":              {"/addcard", "/shop/cards-1"},
		"SHOP_TIME_ZONE":              {"Asia/Urumqi", "UTC"},
		"SHUTDOWN_GRACE":              {"0s", "1m30s", "10m"},
		"RATE_LIMIT_PER_IP":           {"0", "100000"},
		"SESSION_KEYS":                {"k2:" + key32 + ", k1:" + key32},
		"DATA_KEYS":                   {"d2:" + key32 + ", d1:" + key32},
		"CALLBACK_AES_KEY":            {"abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"},
		"TICKET_TOKEN":                {"cAnArY-ticket-token-of-32-characters"},
		"OFFICIAL_ORIGINAL_ID":        {"gh_7f083739789a"},
		"OTEL_EXPORTER_OTLP_ENDPOINT": {"http://otel:4318", "https://otel.example"},
	} {
		for _, value := range values {
			if _, err := load(vars(name, value)); err != nil {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
	}
	got, err := load(vars("TRUSTED_PROXIES", " 10.0.0.0/8 , ::1"))
	if want := []string{"10.0.0.0/8", "::1"}; err != nil || !slices.Equal(got.TrustedProxies, want) {
		t.Errorf("got %q, %v; want %q", got.TrustedProxies, err, want)
	}
}

func TestConfig_SecretsFromFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name+canary)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	full := required()
	maps.Copy(full, map[string]string{
		"TICKET_TOKEN": "cAnArY-ticket-token-of-32-characters", "DATA_KEYS": "d1:" + key32, "CALLBACK_AES_KEY": strings.Repeat("a", 43),
		"CALLBACK_AES_KEY_PREVIOUS": strings.Repeat("b", 43), "DATABASE_URL": "sqlite:cAnArY.db",
	})
	want, err := config.Load(environ(full))
	if err != nil {
		t.Fatal(err)
	}

	t.Run("every secret can be a file", func(t *testing.T) {
		byFile := map[string]string{}
		for name, value := range full {
			if strings.HasSuffix(name, "_APP_ID") {
				byFile[name] = value
				continue
			}
			byFile[name+"_FILE"] = file(name, value+"\r\n")
		}
		if got, err := config.Load(environ(byFile)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	})

	for name, c := range map[string]struct {
		set  map[string]string
		want []string
	}{
		"both": {map[string]string{"ADMIN_TOKEN": canary, "ADMIN_TOKEN_FILE": file("both", full["ADMIN_TOKEN"])},
			[]string{"ADMIN_TOKEN: given both directly and as ADMIN_TOKEN_FILE"}},
		"no such file": {map[string]string{"ADMIN_TOKEN": "", "ADMIN_TOKEN_FILE": filepath.Join(dir, "nowhere"+canary)},
			[]string{"ADMIN_TOKEN_FILE: " + notReadable}},
		"a folder": {map[string]string{"SESSION_KEYS": "", "SESSION_KEYS_FILE": dir},
			[]string{"SESSION_KEYS_FILE: " + notReadable}},
		// An empty file must not mean the default, which is another database.
		"empty": {map[string]string{"DATABASE_URL_FILE": file("empty", "\n")},
			[]string{"DATABASE_URL_FILE: is empty"}},
		"endless": {map[string]string{"CALLBACK_TOKEN": "", "CALLBACK_TOKEN_FILE": "/dev/zero"},
			[]string{"CALLBACK_TOKEN: " + notAToken}},
		"wrong inside": {map[string]string{"ADMIN_TOKEN": "", "ADMIN_TOKEN_FILE": file("weak", canary)},
			[]string{"ADMIN_TOKEN: must have at least 32 characters"}},
		"two at once": {map[string]string{"ADMIN_TOKEN": "", "ADMIN_TOKEN_FILE": file("none", ""), "SESSION_KEYS_FILE": file("keys", canary)},
			[]string{"ADMIN_TOKEN_FILE: is empty", "SESSION_KEYS: given both directly and as SESSION_KEYS_FILE"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(c.set)
			if got := problemsOf(t, err); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// The sandbox allows the samples, and nothing else that Load refuses.
func TestConfig_SamplesPassInTheSandboxOnly(t *testing.T) {
	t.Parallel()
	vars := required()
	vars["ADMIN_TOKEN"] = config.SampleMark + "-0123456789-0123456789"
	if _, err := config.LoadSandbox(environ(vars)); err != nil {
		t.Error(err)
	}
	vars["WECHAT_API_URL"] = "http://cAnArY.example"
	if _, err := config.LoadSandbox(environ(vars)); err == nil {
		t.Error("the sandbox sends secrets in the clear")
	}
}

func TestConfig_IsPrintedWithoutSecrets(t *testing.T) {
	t.Parallel()
	cfg, err := load(map[string]string{"TICKET_TOKEN": "cAnArY-ticket-token-of-32-characters", "DATABASE_URL": "sqlite:cAnArY.db"})
	if err != nil {
		t.Fatal(err)
	}
	cfg.MiniProgramAppID, cfg.OfficialAppID = "", "" // these are not secret
	for name, printed := range printings(cfg) {
		if strings.Contains(printed, canary) || !strings.Contains(printed, "[redacted]") {
			t.Errorf("%s: %s", name, printed)
		}
	}
}

func TestLogger_FollowsTheConfiguration(t *testing.T) {
	t.Parallel()
	write := func(changes map[string]string) string {
		cfg, err := load(changes)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		log := cfg.Logger(&out)
		log.Debug("low")
		long := strings.Repeat("长", 4096)
		log.Warn("high", "text", long, "error", errors.New(long), "took", 1500*time.Microsecond, "foreign", "a\nlevel=ERROR msg=b\x1b")
		return out.String()
	}
	var line struct{ Level, Msg, Text, Error, Took string }
	if err := json.Unmarshal([]byte(write(nil)), &line); err != nil || line.Level != "WARN" || line.Msg != "high" || line.Took != "1.5ms" {
		t.Errorf("json: %+v, %v", line, err)
	}
	if line.Error != line.Text {
		t.Errorf("an error of %d bytes was logged", len(line.Error))
	}
	if n := len(line.Text); n > 4100 || n < 4000 || strings.Contains(line.Text, "\ufffd") {
		t.Errorf("a text of %d bytes was logged", n)
	}
	got := write(map[string]string{"LOG_FORMAT": "text", "LOG_LEVEL": "debug"})
	if !strings.Contains(got, "level=DEBUG msg=low") || !strings.Contains(got, "level=WARN msg=high") {
		t.Errorf("text: %.200s", got)
	}
	if strings.Count(got, "\n") != 2 || strings.Contains(got, "\x1b") {
		t.Errorf("a foreign text made a line, or controls the terminal: %q", got)
	}
}
