package config_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/config"
)

func TestCheckName_NamesTheNearest(t *testing.T) {
	t.Parallel()
	for name := range config.Names() {
		if problem := config.CheckName(name); problem != "" {
			t.Errorf("%s: %s", name, problem)
		}
	}
	for name, want := range map[string]string{
		"OFFICIAL_APPID": "OFFICIAL_APP_ID", "official_app_id": "OFFICIAL_APP_ID", "DATABSE_URL": "DATABASE_URL",
		"ADDCARD_DATABASE_URL": "DATABASE_URL", "ADMIN_TOKEN_FIEL": "ADMIN_TOKEN_FILE", "SESSION_KEY": "SESSION_KEYS",
		"MINI_PROGRAM_APP_SECRET": "MINIPROGRAM_APP_SECRET", "LISTEN_ADDRESS": "LISTEN_ADDR", "LOG_LEVELL": "LOG_LEVEL",
		"REDIS_URI": "REDIS_URL", "TRUSTED_PROXY": "TRUSTED_PROXIES", "POSTGRES_PASSWORD": "",
	} {
		problem := config.CheckName(name)
		if hint := "did you mean " + want + "?"; problem == "" || want != "" && !strings.Contains(problem, hint) {
			t.Errorf("%s: got %q, want %q", name, problem, want)
		}
	}
}

// An environment has the variables of other programs.
func TestCheckEnviron_RefusesOnlyWhatLooksLikeAddcards(t *testing.T) {
	t.Parallel()
	for _, innocent := range []string{
		"PATH=/bin", "HOME=/", "WECHAT_PAY_URL=u", "WECHAT_PAY_API_KEY=k", "DATABASE_POOL=5", "DATABASE_URI=u", "REDIS_URI=u", "REDIS_URL2=u",
		"LOG_LEVELS=a", "LOG_FILE=f", "PUBLIC_URLS=u", "LISTEN_ADDRS=a", "PORT=80", "ADMIN_PASSWORD=p", "SESSION_SECRET=s", "CALLBACK_URL=u",
		"OTEL_EXPORTER_OTLP_ENDPOINTS=e", "OTEL_SERVICE_NAME=n", "ADDCARD_SERVICE_HOST=10.0.0.1", "ADDCARD_SERVICE_PORT_HTTP=80",
		"ADDCARD_PORT=tcp://10.0.0.1:80", "ADDCARD_PORT_80_TCP_ADDR=10.0.0.1", "ADDCARD_ADMIN_PORT_81_TCP=tcp://10.0.0.1:81",
		"ADDCARD_DATABASE_URL=", "OFFICIAL_APPID=", "INVOCATION_ID=1", "JOURNAL_STREAM=8:1", "KUBERNETES_PORT=tcp://10.0.0.1:443",
	} {
		if got := config.CheckEnviron([]string{innocent}, nil); len(got) > 0 {
			t.Errorf("%s: %q", innocent, got)
		}
	}
	for name, want := range map[string]string{
		"OFFICIAL_APPID": "OFFICIAL_APP_ID", "official_app_secret": "OFFICIAL_APP_SECRET", "MINI_PROGRAM_APPID": "MINIPROGRAM_APP_ID",
		"DATABASEURL": "DATABASE_URL", "CALLBACK_TOKN": "CALLBACK_TOKEN", "SESSION_KEY": "SESSION_KEYS", "DATA_KEY_FILE": "DATA_KEYS_FILE",
		"TRUSTED_PROXIE": "TRUSTED_PROXIES", "ADDCARD_LISTEN_ADDR": "LISTEN_ADDR", "ADDCARD_PORT": "", "ADDCARD_COLOUR": "",
	} {
		got := config.CheckEnviron([]string{name + "=cAnArY"}, nil)
		if len(got) != 1 || !strings.HasPrefix(got[0], name+": is no variable of addcard's") || !strings.Contains(got[0], want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	// A variable that is set was not misspelt, so the other one is another program's.
	got := config.CheckEnviron([]string{"SESSION_KEY=a", "OFFICIAL_APPID=b"}, []string{"SESSION_KEYS=c", "OFFICIAL_APP_ID=d"})
	if len(got) > 0 {
		t.Errorf("got %q", got)
	}
	if got := config.CheckEnviron([]string{"CALLBACK_TOKN=a"}, []string{"CALLBACK_TOKEN_FILE=c"}); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}

func TestShow_NamesTheOriginAndMasksSecrets(t *testing.T) {
	t.Parallel()
	secret := t.TempDir() + "/secret"
	if err := os.WriteFile(secret, []byte("cAnArY-admin-token-of-32-characters\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := config.Show(
		[]string{"LISTEN_ADDR=:1", "LOG_LEVEL=WARN", "DATABASE_URL=postgres://shop:cAnArY@db:5432/addcard?sslmode=verify-full&password=cAnArY"},
		[]string{"LISTEN_ADDR=:2", "LOG_LEVEL=", "ADMIN_TOKEN_FILE=" + secret, "CALLBACK_TOKEN=cAnArY", "REDIS_URL=rediss://:cAnArY@r:6379/0"},
	)
	for _, want := range []config.Setting{
		{"LISTEN_ADDR", ":2", "environment"}, {"LOG_LEVEL", "WARN", "file"}, {"LOG_FORMAT", "json", "default"},
		{"ADMIN_TOKEN", "[redacted]", "ADMIN_TOKEN_FILE"}, {"CALLBACK_TOKEN", "[redacted]", "environment"}, {"TICKET_TOKEN", "", "unset"},
		{"DATABASE_URL", "postgres://shop:xxxxx@db:5432/addcard?password=xxxxx&sslmode=verify-full", "file"},
		{"REDIS_URL", "rediss://:xxxxx@r:6379/0", "environment"},
	} {
		if !slices.Contains(got, want) {
			t.Errorf("%+v is not in %+v", want, got)
		}
	}
	for _, url := range []string{"sqlite:cAnArY.db", "host=db password=cAnArY", "postgres:cAnArY", "://cAnArY"} {
		shown := config.Show([]string{"DATABASE_URL=" + url}, nil)
		i := slices.IndexFunc(shown, func(s config.Setting) bool { return s.Name == "DATABASE_URL" })
		if isPath := strings.HasPrefix(url, "sqlite:"); (shown[i].Value == url) != isPath {
			t.Errorf("%s: got %q", url, shown[i].Value)
		}
	}
}
