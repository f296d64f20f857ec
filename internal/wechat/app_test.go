package wechat_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechat"
)

func TestApp_Code2Session_AsksAsWeChatWantsAndReadsWhoItIs(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"without errcode": `{"openid":"o-mini-1","session_key":"` + sessionKey + `","unionid":"u1"}`,
		"with errcode":    `{"errcode":0,"errmsg":"ok","openid":"o-mini-1","session_key":"x","unionid":"u1","expires_in":7200}`,
		"errcode string":  "\r\n {\"errcode\":\"0\",\"openid\":\"o-mini-1\",\"unionid\":\"u1\"}\n",
		"errcode null":    `{"errcode":null,"openid":"o-mini-1","unionid":"u1"}`,
	} {
		u := says(t, answer)
		openID, unionID, err := u.app().Code2Session(t.Context(), loginCode)
		if openID != "o-mini-1" || unionID != "u1" || err != nil {
			t.Errorf("%s: %q %q %v", name, openID, unionID, err)
		}
		want := url.Values{"appid": {appID}, "secret": {appSecret}, "js_code": {loginCode}, "grant_type": {"authorization_code"}}
		if got := u.seen()[0]; got.Method != "GET" || got.Path != "/sns/jscode2session" || !reflect.DeepEqual(got.Query, want) || got.Body != "" {
			t.Errorf("%s: asked %+v", name, got)
		}
	}
}

func TestApp_PageUser_AsksAsWeChatWantsAndReadsWhoItIs(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string][2]string{
		`{"access_token":"a","expires_in":7200,"refresh_token":"r","openid":"o1","scope":"snsapi_base"}`: {"o1", ""},
		`{"openid":"o1","unionid":"u1","is_snapshotuser":0}`:                                             {"o1", "u1"},
	} {
		u := says(t, answer)
		openID, unionID, err := u.app().PageUser(t.Context(), loginCode)
		if got := [2]string{openID, unionID}; got != want || err != nil {
			t.Errorf("%s: %q %v", answer, got, err)
		}
		query := url.Values{"appid": {appID}, "secret": {appSecret}, "code": {loginCode}, "grant_type": {"authorization_code"}}
		if got := u.seen()[0]; got.Method != "GET" || got.Path != "/sns/oauth2/access_token" || !reflect.DeepEqual(got.Query, query) {
			t.Errorf("asked %+v", got)
		}
	}
}

// WeChat's snapshot pages give an openid that is no person's.
func TestApp_PageUser_RefusesTheUserOfASnapshot(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{`1`, `"1"`, `true`} {
		openID, _, err := says(t, `{"openid":"virtual","is_snapshotuser":`+flag+`}`).app().PageUser(t.Context(), loginCode)
		if openID != "" || err == nil {
			t.Errorf("%s: got %q, %v", flag, openID, err)
		}
		e := (*wechat.Error)(nil)
		if flag != `true` && (!errors.As(err, &e) || !e.LoginCodeRefused()) {
			t.Errorf("%s: got %v, want a refused code", flag, err)
		}
	}
}

func TestApp_Code2Session_NamesTheRefusal(t *testing.T) {
	t.Parallel()
	type verdicts struct{ Refused, Blocked, TooOften, Permanent, Temporary bool }
	for _, tt := range []struct {
		answer string
		want   verdicts
	}{
		{`{"errcode":40029,"errmsg":"invalid code, rid: 654df33c-64386a2f-29857782"}`, verdicts{Refused: true}},
		{`{"errcode":40163,"errmsg":"code been used, hints: [ req_id: xxx ]"}`, verdicts{Refused: true}},
		{`{"errcode":"40163","errmsg":"code been used"}`, verdicts{Refused: true}},
		{`{"errcode":40226,"errmsg":"code blocked"}`, verdicts{Blocked: true}},
		{`{"errcode":45011,"errmsg":"api minute-quota reach limit  mustslower  retry next minute"}`, verdicts{TooOften: true}},
		{`{"errcode":40013,"errmsg":"invalid appid"}`, verdicts{Permanent: true}},
		{`{"errcode":40125,"errmsg":"invalid appsecret"}`, verdicts{Permanent: true}},
		{`{"errcode":40001,"errmsg":"invalid credential"}`, verdicts{Permanent: true}},
		{`{"errcode":-1,"errmsg":"system error"}`, verdicts{Temporary: true}},
		{``, verdicts{Temporary: true}},
		{`{"session_key":"x"}`, verdicts{Temporary: true}},
		{`{"openid":"","unionid":"u"}`, verdicts{Temporary: true}},
		{`{"openid":"o 1"}`, verdicts{Temporary: true}},
		{`{"openid":17}`, verdicts{Temporary: true}},
	} {
		u := says(t, tt.answer)
		openID, _, err := u.app().Code2Session(t.Context(), loginCode)
		e := (*wechat.Error)(nil)
		if !errors.As(err, &e) || openID != "" {
			t.Errorf("%s: %q %v", tt.answer, openID, err)
			continue
		}
		got := verdicts{e.LoginCodeRefused(), e.UserBlocked(), e.LoginTooOften(), e.Permanent(), e.Temporary()}
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.answer, got, tt.want)
		}
		if n := len(u.seen()); n != 1 {
			t.Errorf("%s: %d requests, want 1", tt.answer, n)
		}
	}
}

// droppingServer answers the first request of a connection and drops the connection
// at the second, as a restarting gateway does.
func droppingServer(t *testing.T, answer string) (baseURL string, requests *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	requests = new(atomic.Int32)
	serve := func(conn net.Conn) {
		defer conn.Close()
		in := bufio.NewReader(conn)
		for first := true; ; first = false {
			if _, err := http.ReadRequest(in); err != nil {
				return
			}
			if requests.Add(1); !first {
				return
			}
			resp := http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1,
				ContentLength: int64(len(answer)), Body: io.NopCloser(strings.NewReader(answer))}
			resp.Write(conn)
		}
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return "http://" + l.Addr().String(), requests
}

// A login failed with 40163 although the code was new: Go had repeated the GET
// on a second connection after the kept one was dropped.
func TestApp_Code2Session_NeverMeetsADroppedConnectionTwice(t *testing.T) {
	t.Parallel()
	base, requests := droppingServer(t, `{"openid":"o1"}`)
	app := wechat.NewApp(appID, appSecret, wechat.Options{BaseURL: base})
	for n := int32(1); n <= 3; n++ {
		if _, _, err := app.Code2Session(t.Context(), loginCode); err != nil {
			t.Fatal(err)
		}
		if got := requests.Load(); got != n {
			t.Errorf("after %d calls WeChat saw %d requests", n, got)
		}
	}

	// The same with keep-alive shows that the server provokes the repetition. On a busy
	// machine a call may come before the connection of the last one is kept.
	base, requests = droppingServer(t, `{"openid":"o1"}`)
	for n := int32(1); requests.Load() < n; n++ {
		if n > 100 {
			t.Fatal("a client that keeps connections repeated none of 100 calls")
		}
		resp, err := (&http.Client{}).Get(base)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

func TestApp_StableToken_AsksInNormalModeOnly(t *testing.T) {
	t.Parallel()
	u := says(t, `{"access_token":"`+oldToken+`","expires_in":345}`)
	token, life, err := u.app().StableToken(t.Context())
	if token != oldToken || life != 345*time.Second || err != nil {
		t.Errorf("%q %v %v", token, life, err)
	}
	want := `{"grant_type":"client_credential","appid":"` + appID + `","secret":"` + appSecret + `"}`
	if got := u.seen()[0]; got.Method != "POST" || got.Path != "/cgi-bin/stable_token" || got.Body != want || len(got.Query) != 0 {
		t.Errorf("asked %+v, want body %s", got, want)
	}
}

func TestApp_StableToken_TakesNoAbsurdTokenOrLife(t *testing.T) {
	t.Parallel()
	for answer, ok := range map[string]bool{
		`{"access_token":"t","expires_in":1}`:                                    true,
		`{"access_token":"t","expires_in":2592000}`:                              true,
		`{"access_token":"` + strings.Repeat("t", 1024) + `","expires_in":7200}`: true,
		`{"access_token":"` + strings.Repeat("t", 1025) + `","expires_in":7200}`: false,
		`{"access_token":"","expires_in":7200}`:                                  false,
		`{"access_token":"a b","expires_in":7200}`:                               false,
		`{"access_token":"a\n","expires_in":7200}`:                               false,
		`{"access_token":"会","expires_in":7200}`:                                 false,
		`{"access_token":null,"expires_in":7200}`:                                false,
		`{"access_token":["t"],"expires_in":7200}`:                               false,
		`{"ticket":"t","expires_in":7200}`:                                       false,
		`{"access_token":"t"}`:                                                   false,
		`{"access_token":"t","expires_in":0}`:                                    false,
		`{"access_token":"t","expires_in":-1}`:                                   false,
		`{"access_token":"t","expires_in":2592001}`:                              false,
		`{"access_token":"t","expires_in":1e18}`:                                 false,
		`{"access_token":"t","expires_in":9223372036854775808}`:                  false,
		`{"access_token":"t","access_token":"u","expires_in":7200}`:              false,
	} {
		token, life, err := says(t, answer).app().StableToken(t.Context())
		if (err == nil) != ok || ok != (token != "") || ok != (life > 0) {
			t.Errorf("%.80s: %.20q %v %v", answer, token, life, err)
		}
	}
}
