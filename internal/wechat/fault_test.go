package wechat_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/wechat"
)

// everyCall makes each call of the package once.
var everyCall = map[string]func(ctx context.Context, a *wechat.App, c *wechat.Client) error{
	"Code2Session": func(ctx context.Context, a *wechat.App, _ *wechat.Client) error {
		_, _, err := a.Code2Session(ctx, loginCode)
		return err
	},
	"PageUser": func(ctx context.Context, a *wechat.App, _ *wechat.Client) error {
		_, _, err := a.PageUser(ctx, loginCode)
		return err
	},
	"StableToken": func(ctx context.Context, a *wechat.App, _ *wechat.Client) error {
		_, _, err := a.StableToken(ctx)
		return err
	},
	"Ticket": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		_, _, err := c.Ticket(ctx, "wx_card")
		return err
	},
	"Card": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		_, _, err := c.Card(ctx, "p1")
		return err
	},
	"Cards": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		_, _, err := c.Cards(ctx, 0, 50)
		return err
	},
	"DecryptCode": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		_, err := c.DecryptCode(ctx, "x")
		return err
	},
	"Code": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		_, err := c.Code(ctx, "p1", "1")
		return err
	},
	"CardList": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		_, err := c.CardList(ctx, "o1", "")
		return err
	},
	"Activate": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		return c.Activate(ctx, wechat.Activation{Code: "1"})
	},
	"UserInfo": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		_, err := c.UserInfo(ctx, "p1", "1")
		return err
	},
	"CreateCard": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		_, err := c.CreateCard(ctx, []byte(`{}`))
		return err
	},
	"UpdateCard": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		_, err := c.UpdateCard(ctx, "p1", []byte(`{}`))
		return err
	},
	"DeleteCard": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error { return c.DeleteCard(ctx, "p1") },
	"ModifyStock": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		return c.ModifyStock(ctx, "p1", 1)
	},
	"SetActivationForm": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		return c.SetActivationForm(ctx, "p1", []byte(`{}`))
	},
	"SetTestWhitelist": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		return c.SetTestWhitelist(ctx, nil, nil)
	},
	"UploadImage": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		_, err := c.UploadImage(ctx, "logo.png", []byte("x"))
		return err
	},
	"CreateQRCode": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		_, err := c.CreateQRCode(ctx, wechat.QRCode{CardID: "p1"})
		return err
	},
	"CreateShelf": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		_, _, err := c.CreateShelf(ctx, []byte(`{}`))
		return err
	},
	"DepositCodes": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		_, err := c.DepositCodes(ctx, "p1", []string{"1"})
		return err
	},
	"DepositCount": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		_, err := c.DepositCount(ctx, "p1")
		return err
	},
	"CheckCodes": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		_, _, err := c.CheckCodes(ctx, "p1", []string{"1"})
		return err
	},
	"MakeUnavailable": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		return c.MakeUnavailable(ctx, "p1", "1", "")
	},
	"OpenCard": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		_, err := c.OpenCard(ctx, "p1", "")
		return err
	},
	"Form": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		_, _, err := c.Form(ctx, "ticket")
		return err
	},
	"Quota": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		_, err := c.Quota(ctx, "/card/get")
		return err
	},
	"PhoneNumber": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		_, err := c.PhoneNumber(ctx, loginCode, "o1")
		return err
	},
	"UpdateUser": func(ctx context.Context, _ *wechat.App, c *wechat.Client) error {
		_, err := c.UpdateUser(ctx, wechat.Update{Code: "1"})
		return err
	},
}

// The tables below must cover every method.
func TestEveryCall_HasEveryCall(t *testing.T) {
	t.Parallel()
	for _, of := range []any{&wechat.App{}, &wechat.Client{}} {
		for i := range reflect.TypeOf(of).NumMethod() {
			if name := reflect.TypeOf(of).Method(i).Name; name != "Close" && everyCall[name] == nil {
				t.Errorf("%s is not in everyCall", name)
			}
		}
	}
}

// hijacked reads the request, answers with raw bytes and closes the connection.
func hijacked(raw func(r *http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		io.WriteString(conn, raw(r))
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	}
}

func whole(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
}

// sentBack returns everything in a request that an upstream could repeat.
func sentBack(r *http.Request) string {
	body, _ := io.ReadAll(r.Body)
	return fmt.Sprint(r.URL.String(), r.URL.Query(), string(body), sessionKey, aTicket)
}

type faultCase struct {
	answer    http.HandlerFunc
	says      string // in the error
	ambiguous bool
	kind      error // that the error is
}

func faults() map[string]faultCase {
	return map[string]faultCase{
		"nothing at all":   {hijacked(func(*http.Request) string { return "" }), "connection", true, nil},
		"garbage":          {hijacked(func(*http.Request) string { return "\x00\x01\x02 junk\r\n\r\n" }), "request failed", true, nil},
		"request repeated": {hijacked(func(r *http.Request) string { return sentBack(r) + "\r\n\r\n" }), "request failed", true, nil},
		"truncated": {hijacked(func(*http.Request) string { return "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"errco" }),
			"connection", true, nil},
		"half an object":     {whole(200, `{"errcode":0,`), "not a JSON object", true, nil},
		"empty":              {whole(200, ""), "empty", true, nil},
		"blank":              {whole(200, " \r\n"), "empty", true, nil},
		"HTML":               {whole(200, "<html><body>502</body></html>"), "not a JSON object", true, nil},
		"JSON string":        {whole(200, `"ok"`), "not a JSON object", true, nil},
		"JSON null":          {whole(200, "null"), "not a JSON object", true, nil},
		"two objects":        {whole(200, `{}{}`), "not a JSON object", true, nil},
		"deep":               {whole(200, strings.Repeat(`{"a":`, 12_000)), "not a JSON object", true, nil},
		"odd errcode":        {whole(200, `{"errcode":"many"}`), "not a JSON object", true, nil},
		"errcode twice":      {whole(200, `{"errcode":40001,"errcode":0}`), "not a JSON object", true, nil},
		"gateway":            {whole(502, `{"message":"bad gateway"}`), "HTTP 502", true, nil},
		"10 MB":              {whole(200, `{"a":"`+strings.Repeat("x", 10<<20)+`"}`), "too long (HTTP 200, 65537 bytes)", true, nil},
		"long header":        {header(100 << 10), "request failed", true, nil},
		"gzip bomb":          {bomb(), "too long (HTTP 200, 65537 bytes)", true, nil},
		"errcode in a 500":   {whole(500, `{"errcode":48001,"errmsg":"api unauthorized hint: [x]"}`), "48001 api unauthorized", false, nil},
		"secrets in errmsg":  {repeatsInErrmsg, "40013 invalid", false, nil},
		"busy":               {whole(200, `{"errcode":-1,"errmsg":"system error"}`), "-1 system error", true, nil},
		"slow header":        {silent, "no answer in time", true, context.DeadlineExceeded},
		"slow body":          {drip, "no answer in time", true, context.DeadlineExceeded},
		"redirect":           {redirectTo("http://127.0.0.1:1/"), "redirect refused", true, nil},
		"permanent redirect": {redirectTo("/elsewhere?secret=" + appSecret), "redirect refused", true, nil},
	}
}

// header returns an answer with a field of n bytes.
func header(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", n))
		_, _ = io.WriteString(w, `{"errcode":0}`)
	}
}

// bomb returns a small answer that decompresses to 32 MiB.
func bomb() http.HandlerFunc {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	io.WriteString(z, `{"a":"`)
	for range 32 {
		z.Write(make([]byte, 1<<20))
	}
	z.Close()
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(packed.Bytes())
	}
}

func repeatsInErrmsg(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var sent map[string]any
	json.Unmarshal(body, &sent)
	json.NewEncoder(w).Encode(map[string]any{"errcode": 40013,
		"errmsg": fmt.Sprint("invalid\r\n", r.URL, " ", r.URL.Query(), sent, " rid: ", r.URL.Query())})
}

func silent(_ http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body) // otherwise the server does not notice that the client is gone
	<-r.Context().Done()
}

func drip(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	io.WriteString(w, "{")
	w.(http.Flusher).Flush()
	<-r.Context().Done()
}

func redirectTo(target string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, target, http.StatusPermanentRedirect)
	}
}

func TestEveryCall_UnderEveryFaultSaysWhatHappenedAndNoSecret(t *testing.T) {
	t.Parallel()
	for fault, tt := range faults() {
		for name, do := range everyCall {
			t.Run(fault+"/"+name, func(t *testing.T) {
				t.Parallel()
				u := newUpstreamRaw(t, tt.answer)
				o := wechat.Options{BaseURL: u.URL, Timeout: 300 * time.Millisecond}
				if !errors.Is(tt.kind, context.DeadlineExceeded) {
					o.Timeout = 20 * time.Second // the machine may be slow; the fault is another
				}
				err := do(t.Context(), wechat.NewApp(appID, appSecret, o), wechat.NewClient(twoTokens(), o))
				e := (*wechat.Error)(nil)
				if !errors.As(err, &e) {
					t.Fatalf("error %v", err)
				}
				says := tt.says
				if e.API == cardAPI {
					says = strings.Replace(says, "65537", "1048577", 1)
				}
				if !strings.Contains(err.Error(), says) || e.Ambiguous() != tt.ambiguous {
					t.Errorf("%v (ambiguous: %v), want %q (%v)", err, e.Ambiguous(), says, tt.ambiguous)
				}
				if e.Code == 0 && !e.Temporary() || tt.kind != nil && !errors.Is(err, tt.kind) {
					t.Errorf("%v: temporary %v, cause %v", err, e.Temporary(), errors.Unwrap(err))
				}
				noSecret(t, err)
			})
		}
	}
}

// newUpstreamRaw leaves the body of the request to the handler.
func newUpstreamRaw(t *testing.T, answer http.HandlerFunc) *httptest.Server {
	s := httptest.NewUnstartedServer(answer)
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// noSecret searches every form in which an error may be logged.
func noSecret(t *testing.T, err error) {
	t.Helper()
	var out bytes.Buffer
	for chain := err; chain != nil; chain = errors.Unwrap(chain) {
		fmt.Fprintf(&out, "%v %+v %#v %q\n", chain, chain, chain, chain)
		slog.New(slog.NewJSONHandler(&out, nil)).Error("call", "error", chain)
		slog.New(slog.NewTextHandler(&out, nil)).Error("call", "error", chain)
		json.NewEncoder(&out).Encode(chain)
	}
	for _, secret := range []string{appSecret, loginCode, oldToken, newToken, sessionKey, aTicket} {
		for _, spelling := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			if strings.Contains(out.String(), spelling) {
				t.Errorf("%q is in %s", secret, out.String())
			}
		}
	}
	if strings.ContainsAny(err.Error(), "\r\n\x00") {
		t.Errorf("control characters in %q", err)
	}
}

func TestEveryCall_ThatWasNotSentIsNotAmbiguous(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for base, says := range map[string]string{
		"http://" + l.Addr().String():  "connection refused",
		"http://no..host":              "host not found", // refused before any resolver is asked,
		"http://[::1":                  "base URL cannot be used",
		"https://" + quietTLS(t):       "certificate not trusted",
		"http://127.0.0.1:1/?secret=x": "connection refused",
	} {
		o := wechat.Options{BaseURL: base}
		for name, do := range everyCall {
			err := do(t.Context(), wechat.NewApp(appID, appSecret, o), wechat.NewClient(twoTokens(), o))
			e := (*wechat.Error)(nil)
			if !errors.As(err, &e) || e.Ambiguous() || !e.Temporary() || !strings.Contains(err.Error(), says) {
				t.Errorf("%s %s: %v, want %q", base, name, err, says)
				continue
			}
			noSecret(t, err)
		}
	}
}

func quietTLS(t *testing.T) string {
	s := httptest.NewUnstartedServer(whole(200, "{}"))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestEveryCall_EndsWithItsCaller(t *testing.T) {
	t.Parallel()
	u := newUpstreamRaw(t, silent)
	o := wechat.Options{BaseURL: u.URL, Timeout: time.Minute}
	for name, do := range everyCall {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		err := do(ctx, wechat.NewApp(appID, appSecret, o), wechat.NewClient(twoTokens(), o))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		noSecret(t, err)
	}
}

func TestEveryCall_FollowsNoRedirect(t *testing.T) {
	t.Parallel()
	var trapped atomic.Int32
	trap := newUpstreamRaw(t, func(http.ResponseWriter, *http.Request) { trapped.Add(1) })
	for _, status := range []int{301, 302, 303, 307, 308} {
		u := newUpstreamRaw(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Location", trap.URL+"/latest/meta-data?"+r.URL.RawQuery)
			w.WriteHeader(status)
			io.WriteString(w, `{"openid":"o1","access_token":"t","ticket":"t","expires_in":7200}`)
		})
		o := wechat.Options{BaseURL: u.URL}
		for name, do := range everyCall {
			if err := do(t.Context(), wechat.NewApp(appID, appSecret, o), wechat.NewClient(twoTokens(), o)); err == nil {
				t.Errorf("%d %s: no error", status, name)
			}
		}
	}
	if n := trapped.Load(); n != 0 {
		t.Errorf("the trap saw %d requests", n)
	}
}

func TestConnections_AreOursAlone(t *testing.T) {
	t.Parallel()
	for _, tr := range wechat.Transports(wechat.NewApp(appID, appSecret, wechat.Options{}), wechat.NewClient(twoTokens(), wechat.Options{})) {
		if tr.Proxy != nil || tr.TLSClientConfig.MinVersion < tls.VersionTLS12 || tr.TLSClientConfig.InsecureSkipVerify {
			t.Errorf("proxy set: %v, TLS: %+v", tr.Proxy != nil, tr.TLSClientConfig)
		}
	}
}

func TestApp_AndClientDoNotPrintWhatTheyKeep(t *testing.T) {
	t.Parallel()
	app, client := wechat.NewApp(appID, appSecret, wechat.Options{}), wechat.NewClient(twoTokens(), wechat.Options{})
	text := fmt.Sprintf("%v %+v %#v %v %+v %#v %+v %#v", app, app, app, client, client, client, *app, *client)
	for _, secret := range []string{appSecret, oldToken} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is in %s", secret, text)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{cardsAnswer, rejected, `{"card":{"card_type":"A","a":{"base_info":{"status":"S"}}}}`,
		`{"openid":"o","unionid":"u"}`, `{"access_token":"t","ticket":"t","expires_in":7200}`, `{"errcode":"1","errmsg":{}}`, "\xff{}"} {
		f.Add(seed)
	}
	var answer atomic.Pointer[string]
	u := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, *answer.Load()) }))
	defer u.Close()
	o := wechat.Options{BaseURL: u.URL}
	app, client := wechat.NewApp(appID, appSecret, o), wechat.NewClient(twoTokens(), o)
	f.Fuzz(func(t *testing.T, text string) {
		answer.Store(&text)
		for name, do := range everyCall {
			if name == "Code2Session" || name == "PageUser" || name == "StableToken" || name == "Ticket" {
				continue // a connection each: too slow to fuzz, and the same reader
			}
			if err := do(t.Context(), app, client); err != nil && !strings.HasPrefix(err.Error(), "wechat: /") {
				t.Errorf("%s of %q: %v", name, text, err)
			}
		}
	})
}
