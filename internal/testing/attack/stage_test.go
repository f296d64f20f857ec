//go:build linux

package attack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/postgres"
	"github.com/addcard/addcard/internal/testing/server"
	"github.com/addcard/addcard/internal/wechatsim/push"
)

const (
	callbackToken = "callbacktoken"
	aesKey        = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
)

// setup is how the server runs. The zero value is SQLite, plain pushes and a log
// in a file.
type setup struct {
	sealed   bool // pushes in safe mode
	postgres bool
	stderr   *os.File // of the server; nil is a file
	prefix   []string // a command that runs the server
	env      []string
	members  int // 10 if 0
}

// stage is a server with members, its simulated WeChat and its operator.
type stage struct {
	t        testing.TB
	wechat   *wechat
	process  *serverProcess
	postgres *postgres.Server // nil on SQLite
	database string           // the file, on SQLite
	callback push.Callback
	cardID   string
	members  []*member
	serial   atomic.Int64 // makes texts unique
}

// member is an honest member with a session and an active card.
type member struct {
	user, addr, token, code string
	client                  *http.Client
}

func open(t testing.TB, o setup) *stage {
	t.Helper()
	dir := t.TempDir()
	s := &stage{t: t, wechat: startWeChat(t), database: filepath.Join(dir, "addcard.db")}
	env := append(server.Environ(dir, s.wechat.url), "RATE_LIMIT_PER_MEMBER=20", "RATE_LIMIT_PER_IP=100", "SHUTDOWN_GRACE=10s")
	s.callback = push.Callback{Token: callbackToken, AppID: accounts.Official.AppID}
	if o.sealed {
		s.callback.EncodingAESKey = aesKey
		env = append(env, "CALLBACK_AES_KEY="+aesKey)
	}
	if o.postgres {
		s.postgres = postgres.New(t, "-c", "fsync=off")
		env = append(env, "DATABASE_URL="+s.postgres.URL("postgres"))
	}
	s.process = launch(t, append(env, o.env...), o.stderr, o.prefix...)
	s.callback.URL = "http://" + s.process.public + "/wechat/callback"
	s.newCard()
	s.join(max(o.members, 10))
	return s
}

// clientFrom returns a client with this local address. It opens a connection
// for each request unless keep is true.
func clientFrom(addr string, keep bool) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}, Timeout: patience}
	return &http.Client{Timeout: patience, Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: !keep}}
}

// patience is how long an honest client waits for an answer.
const patience = 30 * time.Second

func (s *stage) newCard() {
	s.t.Helper()
	var made struct {
		CardID string `json:"card_id"`
	}
	s.ask(s.operator("POST", "/v1/cards", cardDefinition()), &made)
	s.cardID = made.CardID
	s.wechat.call(http.MethodPost, "/_sim/cards/"+s.cardID+"/approve", nil, nil)
}

// join makes n members with an active card, each from an address of its own.
func (s *stage) join(n int) {
	s.t.Helper()
	s.members = make([]*member, n)
	var wg sync.WaitGroup
	next := make(chan int)
	for range 8 {
		wg.Go(func() {
			for i := range next {
				s.members[i] = s.newMember(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	if s.t.Failed() {
		s.t.FailNow()
	}
}

func (s *stage) newMember(i int) *member {
	addr := fmt.Sprintf("127.0.%d.%d", 1+i/200, 1+i%200)
	m := &member{user: fmt.Sprint("member", i), addr: addr, client: clientFrom(addr, true)}
	var in struct{ Token string }
	for m.token = ""; m.token == ""; m.token = in.Token { // again with a new code when the server is busy
		code, err := s.wechat.login(m.user)
		if err == nil {
			err = s.do(m.client, s.request("POST", "/v1/session", "", object{"code": code}), &in)
		}
		if failed := (statusError{}); errors.As(err, &failed) && failed.again() {
			<-time.After(interval)
			continue
		}
		if err != nil {
			s.t.Errorf("login: %v", err)
			return m
		}
	}
	if err := s.takeCard(m); err != nil {
		s.t.Error(err)
	}
	m.client.CloseIdleConnections()
	return m
}

// takeCard makes the member's phone add the card, and claims it.
func (s *stage) takeCard(m *member) error {
	var list json.RawMessage
	body := object{"cards": []any{object{"card_id": s.cardID}}}
	if err := s.do(m.client, s.request("POST", "/v1/card-ext", m.token, body), &list); err != nil {
		return err
	}
	var added object
	if err := s.wechat.try(http.MethodPost, "/_sim/phones/"+m.user+"/add-card", list, &added); err != nil {
		return err
	}
	var claimed struct{ Cards []struct{ Code string } }
	if err := s.do(m.client, s.request("POST", "/v1/claims", m.token, object{"cardList": added["cardList"]}), &claimed); err != nil {
		return err
	}
	m.code = claimed.Cards[0].Code
	return nil
}

// request returns a request to the public listener; a body that is nil is not
// sent.
func (s *stage) request(method, path, token string, body any) *http.Request {
	return newRequest(method, "http://"+s.process.public+path, token, body)
}

// operator returns a request of the operator.
func (s *stage) operator(method, path string, body any) *http.Request {
	return newRequest(method, "http://"+s.process.admin+path, server.AdminToken, body)
}

func newRequest(method, url, token string, body any) *http.Request {
	raw, err := encode(body)
	if err != nil {
		panic(err)
	}
	req, err := http.NewRequest(method, url, bytes.NewReader(raw))
	if err != nil {
		panic(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req
}

// statusError is an answer that is not 2xx.
type statusError struct {
	status     int
	retryAfter string
	body       string
}

func (e statusError) Error() string { return fmt.Sprintf("%d %s", e.status, e.body) }

// again reports whether the answer asks the client to come again.
func (e statusError) again() bool { return e.status == 429 || e.status == 503 }

// do sends a request and decodes the answer into out: a *[]byte takes it as it
// is, nil ignores it. The error of an answer is a statusError.
func (s *stage) do(c *http.Client, req *http.Request, out any) error {
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return statusError{resp.StatusCode, resp.Header.Get("Retry-After"), string(body)}
	}
	switch out := out.(type) {
	case nil:
		return nil
	case *[]byte:
		*out = body
		return nil
	}
	return json.Unmarshal(body, out)
}

// ask sends a request that must succeed.
func (s *stage) ask(req *http.Request, out any) {
	s.t.Helper()
	if err := s.do(http.DefaultClient, req, out); err != nil {
		s.t.Fatalf("%s %s: %v", req.Method, req.URL.Path, err)
	}
}

func (s *stage) next() int64 { return s.serial.Add(1) }

func (s *stage) entriesPath(m *member) string {
	return "/v1/cards/" + s.cardID + "/codes/" + m.code + "/entries"
}
