package app_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/wechatsim"
)

// world is a simulated WeChat and the servers that run against it, each with
// real listeners and a real database.
type world struct {
	t      testing.TB
	sim    *wechatsim.Sim
	wechat *httptest.Server
	db     string
	logs   *syncBuffer
	env    map[string]string
	quiet  bool // keep no log
}

func newWorld(t testing.TB, o wechatsim.Options) *world {
	t.Helper()
	sim := wechatsim.New(o)
	t.Cleanup(sim.Close)
	wechat := httptest.NewServer(sim.Handler())
	t.Cleanup(wechat.Close)
	return &world{t: t, sim: sim, wechat: wechat, db: filepath.Join(t.TempDir(), "addcard.db"), logs: &syncBuffer{}, env: map[string]string{}}
}

const adminToken = "an-admin-token-of-forty-characters-00001"

func (w *world) environ() []string {
	a := w.sim.Accounts()
	vars := map[string]string{
		"LISTEN_ADDR": "127.0.0.1:0", "ADMIN_LISTEN_ADDR": "127.0.0.1:0",
		"MINIPROGRAM_APP_ID": a.MiniProgram.AppID, "MINIPROGRAM_APP_SECRET": a.MiniProgram.Secret,
		"OFFICIAL_APP_ID": a.Official.AppID, "OFFICIAL_APP_SECRET": a.Official.Secret,
		"WECHAT_API_URL": w.wechat.URL, "CALLBACK_TOKEN": "callbacktoken",
		"SESSION_KEYS": "k1:" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("key!"), 8)),
		"ADMIN_TOKEN":  adminToken, "DATABASE_URL": "sqlite:" + w.db,
		"RATE_LIMIT_PER_MEMBER": "0", "RATE_LIMIT_PER_IP": "0", "SHUTDOWN_GRACE": "100ms",
	}
	for name, value := range w.env {
		vars[name] = value
	}
	var list []string
	for name, value := range vars {
		list = append(list, name+"="+value)
	}
	return list
}

// server is one running replica.
type server struct {
	t     testing.TB
	base  string
	admin string
	stop  func()
}

// serve starts a replica; it ends with the test, or at stop.
func (w *world) serve() *server {
	w.t.Helper()
	cfg, err := config.Load(w.environ())
	if err != nil {
		w.t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if w.quiet {
		log = slog.New(slog.DiscardHandler)
	}
	a, err := app.New(w.t.Context(), cfg, app.Options{Log: log, Version: "test"})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("server ended: %v", err)
		}
	})
	w.t.Cleanup(stop)
	return &server{t: w.t, base: "http://" + a.Addr(), admin: "http://" + a.AdminAddr(), stop: stop}
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a answer) json(t testing.TB, into any) {
	t.Helper()
	if err := json.Unmarshal(a.body, into); err != nil {
		t.Fatalf("answer %d %s: %v", a.status, a.body, err)
	}
}

type problem struct {
	Type, Title, Code, Detail string
	Status                    int
	RequestID                 string `json:"request_id"`
	Errors                    []struct{ Location, Message string }
}

// problem checks that the answer is a problem with this status and code.
func (a answer) problem(t *testing.T, status int, code string) problem {
	t.Helper()
	var p problem
	if a.status != status {
		t.Errorf("got %d %s, want %d %s", a.status, a.body, status, code)
		return p
	}
	a.json(t, &p)
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type: got %q", got)
	}
	if p.Code != code || p.Status != status || p.RequestID == "" || p.Title == "" || p.Type != "urn:addcard:problem:"+code {
		t.Errorf("got %+v, want code %s", p, code)
	}
	return p
}

// request sends one request; a nil body sends none.
func request(t testing.TB, method, url, token string, body []byte, edit ...func(*http.Request)) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var r io.Reader
	if body != nil {
		r = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, r)
	if err != nil {
		t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for _, f := range edit {
		f(req)
	}
	resp, err := noRedirect.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, raw}
}

var noRedirect = &http.Client{
	Transport:     &http.Transport{MaxIdleConnsPerHost: 128},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (s *server) post(path, token string, body any) answer {
	s.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	return request(s.t, http.MethodPost, s.base+path, token, raw)
}

func (s *server) get(path, token string) answer {
	s.t.Helper()
	return request(s.t, http.MethodGet, s.base+path, token, nil)
}

// login signs user in and returns the token and the member's ID.
func (w *world) login(s *server, user string) (token, memberID string) {
	w.t.Helper()
	code, err := w.sim.Login(user)
	if err != nil {
		w.t.Fatal(err)
	}
	got := s.post("/v1/session", "", map[string]string{"code": code})
	if got.status != http.StatusOK {
		w.t.Fatalf("login: %d %s", got.status, got.body)
	}
	var in struct {
		Token  string
		Member struct{ ID string }
	}
	got.json(w.t, &in)
	return in.Token, in.Member.ID
}

// card creates an approved card at WeChat; edit changes its definition.
func (w *world) card(edit ...func(base, card map[string]any)) string {
	w.t.Helper()
	base := map[string]any{
		"logo_url": "http://mmbiz.qpic.cn/a/0", "brand_name": "示例", "code_type": "CODE_TYPE_TEXT", "title": "会员卡", "color": "Color010",
		"notice": "出示", "description": "说明", "sku": map[string]any{"quantity": 100}, "date_info": map[string]any{"type": "DATE_TYPE_PERMANENT"},
		"use_custom_code": true, "bind_openid": false, "get_limit": 1, "can_share": false, "can_give_friend": false,
	}
	card := map[string]any{"base_info": base, "supply_bonus": true, "supply_balance": false, "prerogative": "特权",
		"auto_activate": false, "activate_url": "https://shop.example/"}
	for _, f := range edit {
		f(base, card)
	}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	a := w.sim.Accounts().Official
	request(w.t, http.MethodGet, fmt.Sprintf("%s/cgi-bin/token?grant_type=client_credential&appid=%s&secret=%s", w.wechat.URL, a.AppID, a.Secret), "", nil).json(w.t, &token)
	raw, err := json.Marshal(map[string]any{"card": map[string]any{"card_type": "MEMBER_CARD", "member_card": card}})
	if err != nil {
		w.t.Fatal(err)
	}
	raw = []byte(unescape(string(raw)))
	var created struct {
		CardID string `json:"card_id"`
		ErrMsg string
	}
	request(w.t, http.MethodPost, w.wechat.URL+"/card/create?access_token="+token.AccessToken, "", raw).json(w.t, &created)
	if created.CardID == "" {
		w.t.Fatalf("/card/create: %s", created.ErrMsg)
	}
	if err := w.sim.Approve(created.CardID); err != nil {
		w.t.Fatal(err)
	}
	return created.CardID
}

// unescape undoes what encoding/json does to <, > and &: WeChat refuses \u.
func unescape(s string) string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(s)
}

func want(cardIDs ...string) map[string]any {
	cards := make([]any, len(cardIDs))
	for i, id := range cardIDs {
		cards[i] = map[string]string{"card_id": id}
	}
	return map[string]any{"cards": cards}
}

// ext is a cardExt, decoded.
type ext struct {
	Code                string `json:"code"`
	OpenID              string `json:"openid"`
	Timestamp           int64  `json:"timestamp"`
	NonceStr            string `json:"nonce_str"`
	OuterStr            string `json:"outer_str"`
	FixedBeginTimestamp int64  `json:"fixed_begintimestamp"`
	Signature           string `json:"signature"`
}

// exts decodes the cardList of an answer.
func exts(t *testing.T, a answer) []ext {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("card-ext: %d %s", a.status, a.body)
	}
	var list struct {
		CardList []struct{ CardID, CardExt string }
	}
	a.json(t, &list)
	out := make([]ext, len(list.CardList))
	for i, c := range list.CardList {
		if err := json.Unmarshal([]byte(c.CardExt), &out[i]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// eventually waits until ok, which must become true within a minute.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
		<-time.After(10 * time.Millisecond)
	}
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
