//go:build linux

// Package crash tests, with processes of the real server on SQLite and PostgreSQL,
// that no acknowledged entry is lost or duplicated and that every card's face ends
// equal to its ledger, and that no event of a webhook is lost. Meanwhile processes are
// killed and paused, the database dies or fails over, disks are full or fail, and
// WeChat answers every fifth call wrongly, often after the call took effect. It has no
// exported API.
//
// `go test` runs a short form. `make crash` (ADDCARD_CRASH=full) kills the
// server 200 times on each database; `make soak` (ADDCARD_CRASH=30m) goes on
// for that long. The seed is logged. ADDCARD_SEED repeats it: the order of all
// actions, but not their timing.
package crash

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/postgres"
	"github.com/addcard/addcard/internal/testing/server"
	"github.com/addcard/addcard/internal/wechatsim"
)

// soak is how long the long form goes on; 0 means each fault as often as planned.
var (
	soak, soakErr = time.ParseDuration(os.Getenv("ADDCARD_CRASH"))
	full          = soakErr == nil || os.Getenv("ADDCARD_CRASH") == "full"
)

// timeout bounds what usually takes a moment.
const timeout = time.Minute

func TestMain(m *testing.M) { server.Main(m) }

// seed returns the seed of the test and logs it.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := rand.Uint64N(1_000_000) + 1
	if text := os.Getenv("ADDCARD_SEED"); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil || n == 0 {
			t.Fatalf("ADDCARD_SEED: %q", text)
		}
	}
	t.Logf("ADDCARD_SEED=%d", n)
	return n
}

// deployment is replicas of the server on one database, a simulated WeChat, and
// holders of a card.
type deployment struct {
	t         *testing.T
	sim       *wechatsim.Sim
	wechat    string
	env       []string
	postgres  *postgres.Server // nil on SQLite, and on a pair
	pair      *postgres.Pair   // nil on one server
	program   string           // what start starts
	newcomers []*card          // who came during an upgrade
	replicas  []atomic.Pointer[server.Server]
	client    *http.Client
	cardID    string
	cards     []*card
}

// card is the card of one holder.
type card struct {
	user, code string
	newest     atomic.Int64 // the greatest acknowledged seq
}

// databases set up the database of a deployment, by engine. dir is the folder
// for its data.
var databases = map[string]func(s *deployment, dir string){
	"sqlite": func(*deployment, string) {},
	"postgres": func(s *deployment, dir string) {
		s.t.Helper()
		s.postgres = postgres.NewIn(s.t, dir)
		s.env = append(s.env, "DATABASE_URL="+s.postgres.URL("postgres"))
	},
}

// arrangements are further databases, each for one test.
var arrangements = map[string]func(s *deployment, dir string){
	"a pooler": func(s *deployment, dir string) {
		s.t.Helper()
		s.env = append(s.env, "DATABASE_URL="+postgres.NewIn(s.t, dir).Pooler(s.t, "transaction", "postgres"))
	},
	"a pair": func(s *deployment, _ string) {
		s.t.Helper()
		s.pair = postgres.NewPair(s.t)
		s.env = append(s.env, "DATABASE_URL="+s.pair.URL("postgres"))
	},
}

// open starts a deployment with its database in dir; "" is a folder of the
// test.
func open(t *testing.T, database, dir string, seed uint64, replicas, holders int) *deployment {
	t.Helper()
	program, err := server.Binary()
	if err != nil {
		t.Fatal(err)
	}
	return openProgram(t, program, database, dir, seed, replicas, holders)
}

// openProgram is like open with the server at program.
func openProgram(t *testing.T, program, database, dir string, seed uint64, replicas, holders int) *deployment {
	t.Helper()
	sim := wechatsim.New(wechatsim.Options{Seed: seed})
	t.Cleanup(sim.Close)
	wechat := httptest.NewServer(sim.Handler())
	t.Cleanup(wechat.Close)
	a := sim.Accounts()
	s := &deployment{
		t: t, sim: sim, wechat: wechat.URL, program: program, replicas: make([]atomic.Pointer[server.Server], replicas),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: 20 * time.Second},
	}
	folder := dir
	if folder == "" {
		folder = t.TempDir()
	}
	s.env = append(server.Environ(folder, wechat.URL),
		"MINIPROGRAM_APP_ID="+a.MiniProgram.AppID, "MINIPROGRAM_APP_SECRET="+a.MiniProgram.Secret,
		"OFFICIAL_APP_ID="+a.Official.AppID, "OFFICIAL_APP_SECRET="+a.Official.Secret,
		"WEBHOOK_ALLOW_PRIVATE=127.0.0.0/8", "DATA_KEYS=d1:"+base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("data"), 8)))
	setUp, ok := databases[database]
	if !ok {
		setUp = arrangements[database]
	}
	setUp(s, dir)
	for i := range s.replicas {
		s.start(i)
	}
	s.cardID = s.newCard()
	for i := range holders {
		s.cards = append(s.cards, s.claimCard(fmt.Sprint("user", i)))
	}
	s.eventually("all cards are active", func() bool {
		for _, c := range s.cards {
			if got := s.face(c); !got.HasActive {
				return false
			}
		}
		return len(s.outbox()) == 0
	})
	return s
}

// start starts a replica. Like a supervisor, it tries again while the replica
// ends because there is no database.
func (s *deployment) start(i int) {
	s.t.Helper()
	for deadline := time.Now().Add(timeout); ; {
		r, err := server.LaunchProgram(s.t, s.program, s.env)
		if err == nil {
			s.replicas[i].Store(r)
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatal(err)
		}
	}
}

// reply is the answer to a request.
type reply struct {
	status   int
	replayed bool
	body     []byte
}

func (s *deployment) do(method, url, token, key string, body []byte) (reply, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, url, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header.Get("Idempotent-Replayed") == "true", raw}, err
}

// ask sends a request that must succeed and decodes the answer into out. A question
// that is answered 503 is asked again: until a second after a crash of PostgreSQL, a
// replica may read from a connection that the crash has closed.
func (s *deployment) ask(method, url, token string, in, out any) {
	s.t.Helper()
	raw, isRaw := in.([]byte)
	var got reply
	var err error
	if !isRaw && in != nil {
		if raw, err = json.Marshal(in); err != nil {
			s.t.Fatal(err)
		}
	}
	s.eventually(method+" "+url+" is served", func() bool {
		got, err = s.do(method, url, token, "", raw)
		return method != http.MethodGet || got.status != http.StatusServiceUnavailable
	})
	if err != nil || got.status >= 300 {
		s.t.Fatalf("%s %s: %d %s %v", method, url, got.status, got.body, err)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(got.body, out); err != nil {
		s.t.Fatalf("%s %s: %s: %v", method, url, got.body, err)
	}
}

type object = map[string]any

// newCard creates a card with bonus and balance.
func (s *deployment) newCard() string { return s.createCard(object{"use_custom_code": true}) }

// createCard creates a card with bonus and balance, and with these fields of base_info.
func (s *deployment) createCard(base object) string {
	all := object{
		"logo_url": "http://mmbiz.qpic.cn/a/0", "brand_name": "示例", "code_type": "CODE_TYPE_TEXT", "title": "会员卡", "color": "Color010",
		"notice": "出示", "description": "说明", "sku": object{"quantity": 100_000}, "date_info": object{"type": "DATE_TYPE_PERMANENT"},
		"bind_openid": false, "get_limit": 1, "can_share": false, "can_give_friend": false,
	}
	maps.Copy(all, base)
	var created struct {
		CardID string `json:"card_id"`
	}
	s.ask(http.MethodPost, s.replicas[0].Load().Admin+"/v1/cards", server.AdminToken, object{"card": object{
		"card_type": "MEMBER_CARD", "member_card": object{
			"base_info": all, "supply_bonus": true, "supply_balance": true, "prerogative": "特权",
			"auto_activate": false, "activate_url": "https://shop.example/",
		},
	}}, &created)
	if err := s.sim.Approve(created.CardID); err != nil {
		s.t.Fatal(err)
	}
	return created.CardID
}

// claimCard logs a user in, adds the card to the user's wallet and claims it.
func (s *deployment) claimCard(user string) *card {
	s.t.Helper()
	code, err := s.sim.Login(user)
	if err != nil {
		s.t.Fatal(err)
	}
	base := s.replicas[0].Load().Public
	var in struct{ Token string }
	s.ask(http.MethodPost, base+"/v1/session", "", object{"code": code}, &in)
	var list json.RawMessage
	s.ask(http.MethodPost, base+"/v1/card-ext", in.Token, object{"cards": []any{object{"card_id": s.cardID}}}, &list)
	added, err := s.sim.AddCard(user, list)
	if err != nil {
		s.t.Fatal(err)
	}
	s.ask(http.MethodPost, base+"/v1/claims", in.Token, object{"cardList": added}, nil)
	c := &card{user: user}
	c.code = s.face(c).Code
	return c
}

func (s *deployment) face(c *card) wechatsim.CardFace {
	s.t.Helper()
	faces, err := s.sim.Cards(c.user)
	if err != nil || len(faces) != 1 {
		s.t.Fatalf("the wallet of %s: %+v, %v", c.user, faces, err)
	}
	return faces[0]
}

func (s *deployment) entriesPath(c *card) string {
	return "/v1/cards/" + s.cardID + "/codes/" + c.code + "/entries"
}

// outboxMessage is a message in the outbox, as the admin API returns it.
type outboxMessage struct {
	ID, Kind, State, Code string
	Attempts              int
	LastError             string `json:"last_error"`
}

func (s *deployment) outbox() []outboxMessage {
	s.t.Helper()
	var page struct{ Messages []outboxMessage }
	s.ask(http.MethodGet, s.replicas[0].Load().Admin+"/v1/outbox", server.AdminToken, nil, &page)
	return page.Messages
}

// entry is an entry of the ledger, as the admin API returns it.
type entry struct {
	ID            string
	Seq           int64
	AddBonus      int64 `json:"add_bonus"`
	Bonus         int64
	AddBalance    int64 `json:"add_balance"`
	Balance       int64
	RecordBonus   string `json:"record_bonus"`
	RecordBalance string `json:"record_balance"`
}

// ledger returns all entries of a card, oldest first.
func (s *deployment) ledger(c *card) []entry {
	s.t.Helper()
	var list []entry
	for cursor := ""; ; {
		var page struct {
			Entries    []entry
			NextCursor string `json:"next_cursor"`
		}
		s.ask(http.MethodGet, s.replicas[0].Load().Admin+s.entriesPath(c)+"?limit=200&cursor="+cursor, server.AdminToken, nil, &page)
		list = append(list, page.Entries...)
		if cursor = page.NextCursor; cursor == "" {
			break
		}
	}
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

func (s *deployment) eventually(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(timeout); !ok(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("not within %v: %s", timeout, what)
		}
	}
}

// wechatFaults hit about a fifth of all calls: 11 in a hundred after the call
// took effect.
var wechatFaults = []wechatsim.Fault{
	{Drop: true, When: "after", Rate: 0.06},
	{HTTPStatus: 502, When: "after", Rate: 0.05},
	{ErrCode: -1, Rate: 0.03},
	{Drop: true, Rate: 0.03},
	{ErrCode: 45061, Rate: 0.03, Path: "/card/membercard/updateuser"},
	{LatencyMS: 300, Rate: 0.03},
}

func (s *deployment) injectFaults() {
	s.t.Helper()
	for _, f := range wechatFaults {
		if f.Path == "" {
			f.Path = "*"
		}
		f.Times = -1
		if err := s.sim.AddFault(f); err != nil {
			s.t.Fatal(err)
		}
	}
}

// faultHits returns how often each of these faults happened.
func (s *deployment) faultHits() (hits []int) {
	s.t.Helper()
	var out struct{ Faults []struct{ Hits int } }
	s.ask(http.MethodGet, s.wechat+"/_sim/faults", "", nil, &out)
	for _, f := range out.Faults {
		hits = append(hits, f.Hits)
	}
	return hits
}

// calls returns the number of calls of WeChat.
func (s *deployment) calls() (n int) {
	for _, c := range s.sim.Calls() {
		n += c.Total
	}
	return n
}
