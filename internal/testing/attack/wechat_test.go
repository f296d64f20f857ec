//go:build linux

package attack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechatsim"
)

// accounts are those of server.Environ.
var accounts = wechatsim.Accounts{
	MiniProgram: wechatsim.Account{AppID: "wx0000000000000001", Secret: fmt.Sprintf("%032x", 11)},
	Official:    wechatsim.Account{AppID: "wx0000000000000002", Secret: fmt.Sprintf("%032x", 22)},
}

// dateLie is a Date header that the simulated WeChat sends instead of the right
// one.
type dateLie struct {
	Shift time.Duration // added to the right time
	Date  time.Time     // instead of Shift, unless it is zero
	Times int           // answers that get it; -1: all, until the next lie
}

// playWeChat is the role of the simulated WeChat. It prints its address. A POST
// to /date changes the Date header of its answers.
func playWeChat() error {
	var order struct{}
	ended, err := orders(&order)
	if err != nil {
		return err
	}
	sim := wechatsim.New(wechatsim.Options{Accounts: accounts})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	liar := &liar{next: sim.Handler()}
	go func() { _ = http.Serve(l, liar) }()
	if err := printJSON("http://" + l.Addr().String()); err != nil {
		return err
	}
	<-ended
	return nil
}

// liar changes Date headers.
type liar struct {
	next http.Handler
	mu   sync.Mutex
	lie  dateLie
}

func (l *liar) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/_sim/") {
		l.next.ServeHTTP(w, r)
		return
	}
	if r.URL.Path != "/date" {
		l.next.ServeHTTP(&lyingWriter{w, l}, r)
		return
	}
	var lie dateLie
	if err := json.NewDecoder(r.Body).Decode(&lie); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lie = lie
}

type lyingWriter struct {
	http.ResponseWriter
	liar *liar
}

// Unwrap lets an http.ResponseController find the writer.
func (w *lyingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *lyingWriter) WriteHeader(status int) {
	w.liar.mu.Lock()
	defer w.liar.mu.Unlock()
	if lie := &w.liar.lie; lie.Times != 0 {
		lie.Times = max(lie.Times-1, -1)
		date := time.Now().Add(lie.Shift)
		if !lie.Date.IsZero() {
			date = lie.Date
		}
		w.Header().Set("Date", date.UTC().Format(http.TimeFormat))
	}
	w.ResponseWriter.WriteHeader(status)
}

// wechat is the simulated WeChat, in its own process.
type wechat struct {
	t   testing.TB
	url string
}

func startWeChat(t testing.TB) *wechat {
	t.Helper()
	w := &wechat{t: t}
	spawn(t, "wechat", struct{}{}).read(&w.url)
	return w
}

// call sends a request to the control API and decodes the answer into out
// unless out is nil.
func (w *wechat) call(method, path string, in, out any) {
	w.t.Helper()
	if err := w.try(method, path, in, out); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wechat) try(method, path string, in, out any) error {
	raw, err := encode(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(method, w.url+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s: %d %s", path, resp.StatusCode, answer)
	}
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

// login makes a login code of a user.
func (w *wechat) login(user string) (code string, err error) {
	var out struct{ Code string }
	err = w.try(http.MethodPost, "/_sim/phones/"+user+"/login", object{}, &out)
	return out.Code, err
}

// calls returns how often an API was called since the last reset.
func (w *wechat) calls(path string) int {
	w.t.Helper()
	var out struct {
		Calls map[string]wechatsim.CallCount
	}
	w.call(http.MethodGet, "/_sim/calls", nil, &out)
	return out.Calls[path].Total
}

func (w *wechat) fault(f wechatsim.Fault) {
	w.t.Helper()
	w.call(http.MethodPost, "/_sim/faults", f, nil)
}

func (w *wechat) clearFaults() {
	w.t.Helper()
	w.call(http.MethodDelete, "/_sim/faults", nil, nil)
}

// lie changes the Date header of WeChat's answers.
func (w *wechat) lie(l dateLie) {
	w.t.Helper()
	w.call(http.MethodPost, "/date", l, nil)
}

// newCards creates approved cards at WeChat that the server has not seen.
func (w *wechat) newCards(n int) (ids []string) {
	w.t.Helper()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	a := accounts.Official
	w.call(http.MethodGet, "/cgi-bin/token?grant_type=client_credential&appid="+a.AppID+"&secret="+a.Secret, nil, &token)
	for range n {
		var made struct {
			CardID string `json:"card_id"`
			ErrMsg string
		}
		w.call(http.MethodPost, "/card/create?access_token="+token.AccessToken, cardDefinition(), &made)
		if made.CardID == "" {
			w.t.Fatal(made.ErrMsg)
		}
		w.call(http.MethodPost, "/_sim/cards/"+made.CardID+"/approve", nil, nil)
		ids = append(ids, made.CardID)
	}
	return ids
}

type object = map[string]any

// encode returns in as JSON without the escapes that WeChat refuses; nil is no
// body.
func encode(in any) ([]byte, error) {
	if in == nil {
		return nil, nil
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(in)
	return out.Bytes(), err
}

// cardDefinition is a card with bonus and balance and with our codes.
func cardDefinition() object {
	return object{"card": object{
		"card_type": "MEMBER_CARD", "member_card": object{
			"base_info": object{
				"logo_url": "http://mmbiz.qpic.cn/a/0", "brand_name": "示例", "code_type": "CODE_TYPE_TEXT", "title": "会员卡", "color": "Color010",
				"notice": "出示", "description": "说明", "sku": object{"quantity": 100_000}, "date_info": object{"type": "DATE_TYPE_PERMANENT"},
				"use_custom_code": true, "bind_openid": false, "get_limit": 1, "can_share": false, "can_give_friend": false,
			},
			"supply_bonus": true, "supply_balance": true, "prerogative": "特权", "auto_activate": false, "activate_url": "https://shop.example/",
		},
	}}
}
