package fleet

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// upstream is a simple WeChat that shares no code with the product. It issues
// numbered tokens and tickets, so that their order is visible, and counts the
// calls.
type upstream struct {
	t       testing.TB
	latency time.Duration // of every call that issues a value

	mu        sync.Mutex
	token     int // the number of the valid token
	tokenEnds time.Time
	ticket    int
	fetches   map[string]int        // calls that issue a value, by kind: token, wx_card, jsapi
	rejected  int                   // calls with an invalid token
	bodies    map[string]int        // of decrypt calls, with the number of calls
	expiresIn any                   // of tickets; 7200 when nil
	sticky    bool                  // returns the same ticket again
	failing   bool                  // answers -1
	skew      map[int]time.Duration // of the Date header, by caller
	during    func(kind string, caller int)
	after     func(kind string, caller int)
}

func newUpstream(t testing.TB, latency time.Duration) *upstream {
	return &upstream{t: t, latency: latency, token: 1, fetches: map[string]int{}, bodies: map[string]int{}}
}

// newURL returns a URL for this caller only, which identifies it. accepted may
// be nil; it is called for each connection before anything is read.
func (u *upstream) newURL(caller int, accepted func()) string {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { u.serve(w, r, caller) }))
	server.Listener = notifyingListener{server.Listener, accepted}
	server.Start()
	u.t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return server.URL
}

type notifyingListener struct {
	net.Listener
	accepted func()
}

func (w notifyingListener) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	if err == nil && w.accepted != nil {
		w.accepted()
	}
	return c, err
}

func (u *upstream) serve(w http.ResponseWriter, r *http.Request, caller int) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	answer, issues := u.answer(r, body)
	if answer == tokenRejected {
		time.Sleep(u.latency)
	}
	if issues != "" {
		u.mu.Lock()
		during, after := u.during, u.after
		u.mu.Unlock()
		if during != nil {
			during(issues, caller)
		}
		time.Sleep(u.latency) // simulates the latency; waits for nothing
		if after != nil {
			defer after(issues, caller)
		}
	}
	u.mu.Lock()
	w.Header().Set("Date", time.Now().Add(u.skew[caller]).UTC().Format(http.TimeFormat))
	u.mu.Unlock()
	w.Header().Set("Content-Type", "application/json; encoding=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
	_, _ = io.WriteString(w, answer)
	_ = http.NewResponseController(w).Flush()
}

const tokenRejected = `{"errcode":40001,"errmsg":"invalid credential, access_token is invalid or not latest"}`

const busy = `{"errcode":-1,"errmsg":"system error"}`

// answer handles a call. issues is the kind of value that was issued, or "".
func (u *upstream) answer(r *http.Request, body []byte) (text, issues string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	path, token := r.URL.Path, r.URL.Query().Get("access_token")
	switch path {
	case "/cgi-bin/stable_token":
		u.fetches["token"]++
		if u.failing {
			return busy, "token"
		}
		if left := time.Until(u.tokenEnds); left < 5*time.Minute { // as stable_token does
			if !u.tokenEnds.IsZero() {
				u.token++
			}
			u.tokenEnds = time.Now().Add(2 * time.Hour)
		}
		return fmt.Sprintf(`{"access_token":"token-%06d","expires_in":%d}`, u.token, int(time.Until(u.tokenEnds).Seconds())), "token"
	case "/sns/jscode2session":
		return fmt.Sprintf(`{"openid":"mini-%s","session_key":"c2Vzc2lvbiBrZXk="}`, r.URL.Query().Get("js_code")), ""
	}
	if token != fmt.Sprintf("token-%06d", u.token) {
		u.rejected++
		if path == "/card/code/decrypt" {
			u.bodies[string(body)]++
		}
		return tokenRejected, ""
	}
	switch path {
	case "/cgi-bin/ticket/getticket":
		kind := r.URL.Query().Get("type")
		u.fetches[kind]++
		if u.failing {
			return busy, kind
		}
		if !u.sticky || u.ticket == 0 {
			u.ticket++
		}
		expires, err := json.Marshal(u.expiresIn)
		if u.expiresIn == nil {
			expires = []byte("7200")
		}
		if err != nil {
			u.t.Error(err)
		}
		return fmt.Sprintf(`{"errcode":0,"errmsg":"ok","ticket":"ticket-%06d","expires_in":%s}`, u.ticket, expires), kind
	case "/card/batchget":
		return `{"errcode":0,"errmsg":"ok","card_id_list":[],"total_num":0}`, ""
	case "/card/get":
		return `{"errcode":0,"errmsg":"ok","card":{"card_type":"MEMBER_CARD","member_card":{"base_info":{"id":"pCard",
			"status":"CARD_STATUS_VERIFY_OK","title":"会员卡","use_custom_code":true,"date_info":{"type":"DATE_TYPE_PERMANENT"},
			"sku":{"quantity":100,"total_quantity":100}}}}}`, ""
	case "/card/code/decrypt":
		u.bodies[string(body)]++
		return `{"errcode":40075,"errmsg":"invalid encrypt code"}`, ""
	}
	return `{"errcode":40097,"errmsg":"invalid args"}`, ""
}

// set runs change while no call is handled.
func (u *upstream) set(change func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	change()
}

// count returns how often a value of that kind was requested.
func (u *upstream) count(kind string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.fetches[kind]
}

// number returns the position of a ticket or token in the order of issue.
func number(value string) int {
	n, err := strconv.Atoi(value[strings.LastIndexByte(value, '-')+1:])
	if err != nil {
		return -1
	}
	return n
}
