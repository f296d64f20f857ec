package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/redis"
	"github.com/addcard/addcard/internal/wechatsim"
)

// misconfiguration is one mistake of a new operator. `server doctor`, or the start if
// serve is set, must name it and what mends it.
type misconfiguration struct {
	set    map[string]string   // variables; empty ones are not set
	fault  wechatsim.Fault     // of WeChat
	before func(d *deployment) // what happens before
	clock  time.Duration       // by which the machine's clock is behind WeChat's
	args   []string            // of doctor
	serve  bool
	named  string // what the finding says
	fix    string // what mends it
}

const (
	unopened = "d9:OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk="
	opened   = "d1:MTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTE="
)

// misconfigurations are the mistakes, by what is wrong. $NAME stands for what the
// deployment has.
var misconfigurations = map[string]misconfiguration{
	"a wrong AppSecret": {
		set: map[string]string{"OFFICIAL_APP_SECRET": "wrong"}, named: "40125", fix: "copy the AppSecret again: 公众平台",
	},
	"a wrong AppSecret of the mini-program": {
		set:   map[string]string{"MINIPROGRAM_APP_SECRET": "wrong"},
		named: "failed   mini-program's AppSecret: ", fix: "copy the AppSecret again: 小程序后台",
	},
	"swapped AppIDs": {
		set:   map[string]string{"OFFICIAL_APP_ID": "$MINI_ID", "MINIPROGRAM_APP_ID": "$OFFICIAL_ID"},
		named: "failed   service account's AppSecret", fix: "the AppIDs of the two apps must not be swapped",
	},
	"swapped apps": {
		set: map[string]string{
			"OFFICIAL_APP_ID": "$MINI_ID", "MINIPROGRAM_APP_ID": "$OFFICIAL_ID",
			"OFFICIAL_APP_SECRET": "$MINI_SECRET", "MINIPROGRAM_APP_SECRET": "$OFFICIAL_SECRET",
		},
		named: "failed   card permission: ", fix: "OFFICIAL_APP_ID must be the service account's AppID, not the mini-program's",
	},
	"no card permission": {
		fault: wechatsim.Fault{Path: "/card/batchget", ErrCode: 48001},
		named: "48001", fix: "开通卡券功能|get the card permission",
	},
	"not in WeChat's IP whitelist": {
		fault: wechatsim.Fault{Path: "/cgi-bin/stable_token", ErrCode: 40164},
		named: "40164", fix: "add the address that WeChat names to the IP whitelist",
	},
	"WeChat is not reached": {
		set:   map[string]string{"WECHAT_API_URL": "http://$FREE"},
		named: "refused", fix: "let this machine reach /cgi-bin/stable_token at WECHAT_API_URL",
	},
	"no session key": {
		set: map[string]string{"SESSION_KEYS": ""}, serve: true,
		named: "SESSION_KEYS: is missing", fix: "docs/configuration.md",
	},
	"a short session key": {
		set: map[string]string{"SESSION_KEYS": "k1:c2hvcnQ="}, serve: true, named: "SESSION_KEYS: key 1: shorter than", fix: "32 bytes",
	},
	"a short data key": {set: map[string]string{"DATA_KEYS": "d1:c2hvcnQ="}, named: "DATA_KEYS: key 1", fix: "kid:base64 of 32 bytes"},
	"a data key that was removed": {
		set: map[string]string{"DATA_KEYS": unopened},
		before: func(d *deployment) {
			d.run("card", "create", d.write("card.json", d.card()))
			d.run("member", "import", d.write("members.csv", "phone,bonus\n13800138000,5\n"), "--card", d.cardID)
		},
		named: "no key of DATA_KEYS opens 1 forms", fix: "put the key named d1 back at the end of DATA_KEYS",
	},
	"a file of a secret that cannot be read": {
		set: map[string]string{"ADMIN_TOKEN": "", "ADMIN_TOKEN_FILE": "/run/secrets/nowhere"}, serve: true,
		named: "ADMIN_TOKEN_FILE: cannot be read", fix: "the file must exist",
	},
	"an empty file of a secret": {
		set: map[string]string{"ADMIN_TOKEN": "", "ADMIN_TOKEN_FILE": "/dev/null"}, serve: true, named: "ADMIN_TOKEN_FILE:", fix: "is empty",
	},
	"a short ADMIN_TOKEN": {
		set: map[string]string{"ADMIN_TOKEN": "secret"}, serve: true,
		named: "ADMIN_TOKEN:", fix: "at least 32 characters",
	},
	"a long token of the message push": {
		set: map[string]string{"CALLBACK_TOKEN": strings.Repeat("a", 33)}, serve: true,
		named: "CALLBACK_TOKEN:", fix: "3 to 32 letters and digits",
	},
	"an EncodingAESKey of 42 characters": {
		set: map[string]string{"CALLBACK_AES_KEY": strings.Repeat("a", 42)}, serve: true,
		named: "CALLBACK_AES_KEY:", fix: "an EncodingAESKey of 43 characters",
	},
	"another path of the callback": {
		args: []string{"--url", "http://$PAGE/shop"}, named: "and not the echo", fix: "route /wechat/callback to the public listener",
	},
	"a callback that nothing answers": {
		set:   map[string]string{"PUBLIC_URL": "http://$FREE"},
		named: "$FREE does not answer", fix: "start the server, and check that the domain and the proxy",
	},
	"another token of the callback": {
		args: []string{"--url", "http://$FORBIDDEN"}, named: "refuses the signature", fix: "another CALLBACK_TOKEN",
	},
	"cards of another account": {
		before: func(d *deployment) { d.run("card", "create", d.write("card.json", d.card())) },
		fault:  wechatsim.Fault{Path: "/card/get", ErrCode: 40073},
		named:  "is this account's", fix: "set OFFICIAL_APP_ID to the service account that created them",
	},
	"a database in a missing folder": {
		set:   map[string]string{"DATABASE_URL": "sqlite:nowhere/addcard.db"},
		named: "failed   database: ", fix: "check DATABASE_URL, and that this user may write there",
	},
	"a database in a read-only folder": {
		set: map[string]string{"DATABASE_URL": "sqlite:/proc/addcard.db"}, named: "failed   database: ", fix: "this user may write there",
	},
	"a database server that is not there": {
		set: map[string]string{"DATABASE_URL": "postgres://shop:x@$FREE/addcard"}, named: "failed   database: ", fix: "check DATABASE_URL",
	},
	"Redis is not reached": {
		set:   map[string]string{"REDIS_URL": "redis://$FREE"},
		named: "failed   ticket store: Redis", fix: "check REDIS_URL",
	},
	"a wrong password of Redis": {
		set: map[string]string{"REDIS_URL": "redis://:wrong@$REDIS"}, named: "WRONGPASS", fix: "check REDIS_URL",
	},
	"Redis that evicts": {
		set:   map[string]string{"REDIS_URL": "redis://:right@$REDIS"},
		named: "maxmemory-policy is allkeys-lru", fix: "CONFIG SET maxmemory-policy noeviction",
	},
	"two listeners on one port": {
		set: map[string]string{"LISTEN_ADDR": ":9000", "ADMIN_LISTEN_ADDR": "127.0.0.1:9000"}, serve: true,
		named: "ADMIN_LISTEN_ADDR: has the port of LISTEN_ADDR", fix: "choose another one",
	},
	"a port in use": {
		set: map[string]string{"LISTEN_ADDR": "$PAGE"}, serve: true,
		named: "address already in use", fix: "stop the other program or change LISTEN_ADDR",
	},
	"an operator's listener for everybody": {
		set: map[string]string{"ADMIN_LISTEN_ADDR": "0.0.0.0:8081"}, serve: true,
		named: "ADMIN_LISTEN_ADDR: accepts connections from other networks",
		fix:   "set it to 127.0.0.1:8081",
	},
	"proxies that are no addresses": {
		set: map[string]string{"TRUSTED_PROXIES": "127.0.0.1,nginx"}, serve: true,
		named: "TRUSTED_PROXIES: entry 2", fix: "is not an address or a network",
	},
	"proxies that are everybody": {
		set: map[string]string{"TRUSTED_PROXIES": "0.0.0.0/0"}, serve: true, named: "TRUSTED_PROXIES: entry 1", fix: "smaller than everything",
	},
	"a PUBLIC_URL without TLS": {
		set: map[string]string{"PUBLIC_URL": "http://api.shop.example"}, serve: true, named: "PUBLIC_URL:", fix: "must be https://HOST",
	},
	"a web page that WeChat has not verified": {
		set:   map[string]string{"JSSDK_HOSTS": "shop.example", "PUBLIC_URL": "http://$PAGE"},
		named: "whether it has verified shop.example", fix: "as JS接口安全域名",
	},
	"a web page without PUBLIC_URL": {
		set: map[string]string{"JSSDK_HOSTS": "shop.example"}, named: "people cannot sign in on shop.example", fix: "set PUBLIC_URL",
	},
	"a wrong clock": {
		clock: 3 * time.Hour, named: "off WeChat's latest answer", fix: "timedatectl set-ntp true",
	},
	"a wrong time zone": {
		set: map[string]string{"SHOP_TIME_ZONE": "Beijing"}, serve: true, named: "SHOP_TIME_ZONE:", fix: "such as Asia/Shanghai",
	},
	"a misspelt variable": {
		set: map[string]string{"MINI_PROGRAM_APP_ID": "wx1", "MINIPROGRAM_APP_ID": ""}, serve: true,
		named: "MINI_PROGRAM_APP_ID: is no variable of addcard's", fix: "did you mean MINIPROGRAM_APP_ID?",
	},
	"a variable with a prefix": {
		set: map[string]string{"ADDCARD_REDIS_URL": "redis://r"}, serve: true, named: "ADDCARD_REDIS_URL:", fix: "did you mean REDIS_URL?",
	},
	"a secret of the documentation": {
		set: map[string]string{"ADMIN_TOKEN": "sample-do-not-use-admin-token-of-32-characters"}, serve: true,
		named: "ADMIN_TOKEN: is a sample", fix: "`server init` makes a fresh one",
	},
}

// deployment is one whose configuration is right but for one thing.
type deployment struct {
	*testing.T
	dir    string
	env    map[string]string
	cardID string
}

func (d *deployment) write(name, text string) string {
	d.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(text), 0o600); err != nil {
		d.Fatal(err)
	}
	return name
}

// exec runs the server with arguments and returns all that it prints.
func (d *deployment) exec(args ...string) (string, error) {
	d.Helper()
	ctx, cancel := context.WithTimeout(d.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "server", args...)
	cmd.Dir, cmd.Env = d.dir, []string{"GORACE=atexit_sleep_ms=0"}
	for name, value := range d.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// run is exec of a command that must succeed. It takes the card_id from what is printed.
func (d *deployment) run(args ...string) {
	d.Helper()
	out, err := d.exec(args...)
	if err != nil {
		d.Fatalf("%q: %v: %s", args, err, out)
	}
	for field := range strings.FieldsSeq(out) {
		if strings.HasPrefix(field, "pSim") {
			d.cardID = field
		}
	}
}

func (d *deployment) card() string {
	return `{"card_type": "MEMBER_CARD", "member_card": {"base_info": {"logo_url": "http://mmbiz.qpic.cn/a/0", "brand_name": "a", "title": "a",
		"color": "Color010", "code_type": "CODE_TYPE_TEXT", "notice": "a", "description": "a", "get_limit": 1, "sku": {"quantity": 1},
		"date_info": {"type": "DATE_TYPE_PERMANENT"}}, "prerogative": "a", "supply_bonus": true, "supply_balance": false, "wx_activate": true}}`
}

func TestMisconfigurations_AreNamedWithTheirFix(t *testing.T) {
	t.Parallel()
	page := httptest.NewServer(http.NotFoundHandler())
	forbidden := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	store := redis.Single(t)
	store.Do("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	store.Do("CONFIG", "SET", "requirepass", "right")
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // returns at once
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { page.Close(); forbidden.Close(); _ = l.Close() })
	values := map[string]string{
		"PAGE": page.Listener.Addr().String(), "FORBIDDEN": forbidden.Listener.Addr().String(), "REDIS": store.Addr,
		"FREE": "127.0.0.1:1", // where nothing listens
	}
	for name, m := range misconfigurations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m.check(t, values)
		})
	}
}

func (m misconfiguration) check(t *testing.T, values map[string]string) {
	t.Helper()
	sim := wechatsim.New(wechatsim.Options{})
	wechat := httptest.NewServer(sim.Handler())
	defer func() { sim.Close(); wechat.Close() }()
	a := sim.Accounts()
	expand := func(text string) string {
		return os.Expand(text, func(name string) string {
			return map[string]string{
				"MINI_ID": a.MiniProgram.AppID, "MINI_SECRET": a.MiniProgram.Secret,
				"OFFICIAL_ID": a.Official.AppID, "OFFICIAL_SECRET": a.Official.Secret,
			}[name] + values[name]
		})
	}
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32))
	d := &deployment{T: t, dir: t.TempDir(), env: map[string]string{
		"LISTEN_ADDR": "127.0.0.1:0", "ADMIN_LISTEN_ADDR": "127.0.0.1:0", "WECHAT_API_URL": wechat.URL,
		"MINIPROGRAM_APP_ID": "$MINI_ID", "MINIPROGRAM_APP_SECRET": "$MINI_SECRET",
		"OFFICIAL_APP_ID": "$OFFICIAL_ID", "OFFICIAL_APP_SECRET": "$OFFICIAL_SECRET",
		"CALLBACK_TOKEN": "token", "SESSION_KEYS": "k1:" + key, "ADMIN_TOKEN": strings.Repeat("t", 32), "DATA_KEYS": opened,
	}}
	set := func(vars map[string]string) {
		for name, value := range vars {
			d.env[name] = expand(value)
		}
	}
	set(d.env)
	if m.before != nil {
		m.before(d)
	}
	set(m.set)
	sim.Advance(m.clock)
	if m.fault != (wechatsim.Fault{}) {
		m.fault.Times = -1
		if err := sim.AddFault(m.fault); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"doctor"}
	if m.serve {
		args = []string{"serve"}
	}
	for _, arg := range m.args {
		args = append(args, expand(arg))
	}
	out, err := d.exec(args...)
	if m.serve && err == nil {
		t.Error("the server started")
	}
	named := strings.Index(out, expand(m.named))
	if named < 0 {
		t.Fatalf("%q is not in\n%s", m.named, out)
	}
	for fix := range strings.SplitSeq(m.fix, "|") {
		if strings.Contains(out[named:], fix) || strings.Contains(out, fix) && m.serve {
			return
		}
	}
	t.Errorf("the fix %q is not in\n%s", m.fix, out)
}
