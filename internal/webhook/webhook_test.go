package webhook_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/datakey"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/webhook"
	"github.com/addcard/addcard/internal/webhook/sqlstore"
)

// The example of the specification.
func TestSignatures(t *testing.T) {
	t.Parallel()
	secret, err := base64.StdEncoding.DecodeString("plJ3nmyCDGBKInavdOK15jsl")
	if err != nil {
		t.Fatal(err)
	}
	const body, want = `{"event_type":"ping","data":{"success":true}}`, "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="
	got := webhook.Signatures([][]byte{secret, []byte("another")}, "msg_loFOjxBNrRLzqYUf", "1731705121", []byte(body))
	if list := strings.Fields(got); len(list) != 2 || list[0] != want || list[1] == want || !strings.HasPrefix(list[1], "v1,") {
		t.Errorf("got %q, want %q and another", got, want)
	}
}

func TestIsAllowed(t *testing.T) {
	t.Parallel()
	for text, public := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "100.63.255.255": true, "100.128.0.1": true, "172.15.0.1": true, "172.32.0.1": true,
		"192.167.1.1":     true,
		"223.255.255.255": true, "2606:4700::1111": true, "2400:3200::1": true, "64:ff9b::808:808": true, "2002:808:808::1": true,
		"::ffff:8.8.8.8": true,

		"127.0.0.1": false, "127.255.255.254": false, "0.0.0.0": false, "0.1.2.3": false, "10.0.0.1": false, "172.16.0.1": false,
		"172.31.255.255": false, "192.168.0.1": false, "169.254.169.254": false, "100.64.0.1": false, "100.100.100.200": false,
		"100.127.255.255": false, "192.0.0.192": false, "192.0.2.1": false, "198.18.0.1": false, "198.19.255.255": false, "198.51.100.1": false,
		"203.0.113.1": false, "224.0.0.1": false, "239.1.1.1": false, "240.0.0.1": false, "255.255.255.255": false, "168.63.129.16": false,
		"::": false, "::1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::ffff:0:127.0.0.1": false, "::7f00:1": false,
		"64:ff9b::7f00:1": false, "64:ff9b::a9fe:a9fe": false, "64:ff9b:1::7f00:1": false, "2002:7f00:1::1": false, "2002:a9fe:a9fe::1": false,
		"2001:0:808:808::1": false, "2001:db8::1": false, "3fff::1": false, "100::1": false, "fc00::1": false, "fd00:ec2::254": false,
		"fe80::1": false, "fe80::1%eth0": false, "fec0::1": false, "ff02::1": false, "4000::1": false, "5f00::1": false,
	} {
		if got := webhook.IsAllowed(netip.MustParseAddr(text), nil); got != public {
			t.Errorf("%s: allowed %t", text, got)
		}
	}
	allow := []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00::/8")}
	for text, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "64:ff9b::a01:203": true, "10.2.0.1": false, "127.0.0.1": false, "fd00::1": true,
		"fd00::1%eth0": true, "fc00::1": false, "8.8.8.8": true,
	} {
		if got := webhook.IsAllowed(netip.MustParseAddr(text), allow); got != want {
			t.Errorf("%s, which is named or not: allowed %t", text, got)
		}
	}
}

// A name that resolves to this machine reaches nothing, and neither does a proxy of the
// environment.
func TestClient_ChecksTheAddressOfTheConnection(t *testing.T) {
	t.Parallel()
	var asked int
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer server.Close()
	url := strings.Replace(server.URL, "127.0.0.1", "localhost", 1) + "/?key=secret"
	get := func(allow ...netip.Prefix) error {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		client := webhook.NewClient(allow)
		if proxy := client.Transport.(*http.Transport).Proxy; proxy != nil {
			t.Error("the client uses a proxy")
		}
		res, err := client.Do(req)
		if err == nil {
			err = res.Body.Close()
		}
		return err
	}
	if err := get(); err == nil || !strings.Contains(err.Error(), "WEBHOOK_ALLOW_PRIVATE") || asked != 0 {
		t.Errorf("got %v after %d requests", err, asked)
	}
	if err := get(netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")); err != nil || asked != 1 {
		t.Errorf("an address that is allowed: %v after %d requests", err, asked)
	}
}

func newService(t *testing.T, o webhook.Options) *webhook.Service {
	t.Helper()
	if o.Keys == nil {
		keys, err := datakey.Parse("k1:" + base64.StdEncoding.EncodeToString([]byte("32 bytes for sealing in the test")))
		if err != nil {
			t.Fatal(err)
		}
		o.Keys = keys
	}
	return webhook.New(sqlstore.New(sqldbtest.New(t)), o)
}

func TestAdd_ChecksTheEndpoint(t *testing.T) {
	t.Parallel()
	allow := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.1.0.0/16")}
	private := newService(t, webhook.Options{Allow: allow})
	for _, tt := range []struct {
		url   string
		field string // that is wrong; empty for none
	}{
		{"https://crm.example/hook?key=1", ""}, {"https://crm.example:8443", ""}, {"https://8.8.8.8/", ""}, {"https://[2606:4700::1111]/", ""},
		{"http://crm.example/", "url"}, {"ftp://crm.example/", "url"}, {"crm.example", "url"}, {"https://", "url"}, {"https:///path", "url"},
		{"//crm.example/", "url"}, {"https://user@crm.example/", "url"}, {"https://user:pw@crm.example/", "url"},
		{"https://crm.example/#a", "url"},
		{"https://crm.example/#", "url"}, {"https://crm.example/a b", "url"}, {"https://crm.example/\n", "url"}, {"https://客户.example/", "url"},
		{"https://crm.example:65535/", ""}, {"https://crm.example:0/", "url"}, {"https://crm.example:65536/", "url"},
		{"https://crm.example:/", "url"}, {"https://crm.example:443:80/", "url"}, {"https://crm.example:https/", "url"},
		{"https://%zz/", "url"}, {"https://[::1", "url"}, {"", "url"}, {"https://crm.example/" + strings.Repeat("a", 2000), "url"},
		{"https://127.0.0.1/", "url"}, {"http://127.0.0.1/", "url"}, {"https://[::1]/", "url"}, {"https://localhost/", "url"},
		{"https://10.1.0.1/", "url"}, {"https://169.254.169.254/latest", "url"}, {"https://[::ffff:10.0.0.1]/", "url"},
	} {
		s := newService(t, webhook.Options{})
		_, _, err := s.Add(t.Context(), webhook.Endpoint{URL: tt.url, Events: []string{webhook.All}})
		wantField(t, tt.url, err, tt.field)
		all, err := s.Endpoints(t.Context())
		if err != nil || len(all) != map[bool]int{true: 1}[tt.field == ""] {
			t.Errorf("%q: stored %+v, %v", tt.url, all, err)
		}
	}
	for url, field := range map[string]string{
		"http://127.0.0.1:8080/": "", "http://localhost/": "", "https://localhost/": "", "https://10.1.0.1/": "",
		"http://10.1.0.1/": "url", "http://crm.example/": "url", "http://[::1]/": "url", "https://10.2.0.1/": "url", "http://LOCALHOST/": "url",
	} {
		e, _, err := private.Add(t.Context(), webhook.Endpoint{URL: url, Events: []string{webhook.All}})
		wantField(t, url, err, field)
		if err == nil {
			if err := private.Remove(t.Context(), e.ID); err != nil {
				t.Error(err)
			}
		}
	}
	s := newService(t, webhook.Options{})
	for name, e := range map[string]webhook.Endpoint{
		"events": {}, "events ": {Events: []string{"card.lost"}}, "events  ": {Events: []string{"card.claimed", ""}},
		"events   ": {Events: []string{webhook.TestType}}, "description": {Events: []string{"*"}, Description: "a\nb"},
		"description ":  {Events: []string{"*"}, Description: strings.Repeat("长", 67)},
		"description  ": {Events: []string{"*"}, Description: "\xff"},
	} {
		e.URL = "https://crm.example/"
		_, _, err := s.Add(t.Context(), e)
		wantField(t, name, err, strings.TrimSpace(name))
	}
	events := []string{"stock.low", "card.claimed", "stock.low"}
	e, secret, err := s.Add(t.Context(), webhook.Endpoint{URL: "https://crm.example/", Events: events})
	if raw, err2 := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_")); err != nil || err2 != nil || len(raw) != 32 {
		t.Errorf("the secret is %q, %v, %v", secret, err, err2)
	}
	if !slices.Equal(e.Events, []string{"card.claimed", "stock.low"}) || strings.Contains(fmt.Sprint(e), strings.TrimPrefix(secret, "whsec_")) {
		t.Errorf("got %+v", e)
	}
	e, _, err = s.Add(t.Context(), webhook.Endpoint{URL: e.URL, Events: []string{"stock.low", "*"}})
	if err != nil || !slices.Equal(e.Events, []string{"*"}) {
		t.Errorf("got %+v, %v", e, err)
	}
}

func wantField(t *testing.T, name string, err error, field string) {
	t.Helper()
	var invalid *webhook.InvalidError
	errors.As(err, &invalid)
	if (field == "") != (err == nil) || field != "" && (invalid == nil || invalid.Field != field) {
		t.Errorf("%q: got %v, want an error of %q", name, err, field)
	}
}

// A secret is never stored unsealed.
func TestAdd_NeedsDataKeys(t *testing.T) {
	t.Parallel()
	db := sqldbtest.New(t)
	s := webhook.New(sqlstore.New(db), webhook.Options{})
	_, _, err := s.Add(t.Context(), webhook.Endpoint{URL: "https://a.example/", Events: []string{"*"}})
	if !errors.Is(err, webhook.ErrNoKeys) {
		t.Errorf("got %v", err)
	}
	keys, err := datakey.Parse("k1:" + base64.StdEncoding.EncodeToString([]byte("32 bytes for sealing in the test")))
	if err != nil {
		t.Fatal(err)
	}
	e, _, err := webhook.New(sqlstore.New(db), webhook.Options{Keys: keys}).
		Add(t.Context(), webhook.Endpoint{URL: "https://a.example/", Events: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	if a, err := s.Test(t.Context(), e.ID); err != nil || !errors.Is(a.Err, webhook.ErrNoKeys) {
		t.Errorf("the keys were lost: %+v, %v", a, err)
	}
}

// A test says what the endpoint answered, and nothing of the query of its URL.
func TestTest(t *testing.T) {
	t.Parallel()
	status := http.StatusOK
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body = make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		w.WriteHeader(status)
	}))
	defer server.Close()
	s := newService(t, webhook.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	e, _, err := s.Add(t.Context(), webhook.Endpoint{URL: server.URL + "/?key=the-secret", Events: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Test(t.Context(), e.ID)
	if err != nil || a.Err != nil || a.Status != 200 || !strings.HasPrefix(string(body), `{"type":"webhook.test","timestamp":"2`) {
		t.Errorf("got %+v, %v after %s", a, err, body)
	}
	status = http.StatusTeapot
	if a, err := s.Test(t.Context(), e.ID); err != nil || a.Status != 418 || a.Err == nil || !strings.Contains(a.Err.Error(), "418") {
		t.Errorf("got %+v, %v", a, err)
	}
	server.Close()
	if a, err := s.Test(t.Context(), e.ID); err != nil || a.Status != 0 || a.Err == nil || strings.Contains(a.Err.Error(), "the-secret") {
		t.Errorf("got %+v, %v", a, err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if a, err := s.Test(canceled, e.ID); err == nil && (a.Err == nil || strings.Contains(a.Err.Error(), "the-secret")) {
		t.Errorf("got %+v", a)
	}
	if _, err := s.Test(t.Context(), "unknown"); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if got := webhook.Masked("https://a.example/b?key=1"); got != "https://a.example/b?…" {
		t.Errorf("masked: %s", got)
	}
}

// An answer may be as long as it likes; a sender does not wait for its end.
func TestTest_ReadsAnAnswerToABound(t *testing.T) {
	t.Parallel()
	var header int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("a", header))
		for page := make([]byte, 1<<10); ; {
			if _, err := w.Write(page); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	s := newService(t, webhook.Options{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	e, _, err := s.Add(t.Context(), webhook.Endpoint{URL: server.URL, Events: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	if a, err := s.Test(t.Context(), e.ID); err != nil || a.Err != nil || a.Status != 200 || a.Duration > 9*time.Second {
		t.Errorf("a body without an end: %+v, %v", a, err)
	}
	header = 1 << 20
	if a, err := s.Test(t.Context(), e.ID); err != nil || a.Err == nil || a.Status != 0 || a.Duration > 9*time.Second {
		t.Errorf("a long header: %+v, %v", a, err)
	}
}

// The log says which event was not delivered and why, and nothing that is secret.
func TestRun_LogsNoSecret(t *testing.T) {
	t.Parallel()
	db := sqldbtest.New(t)
	keys, err := datakey.Parse("k1:" + base64.StdEncoding.EncodeToString([]byte("32 bytes for sealing in the test")))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	ctx, stop := context.WithCancel(t.Context())
	s := webhook.New(sqlstore.New(db), webhook.Options{
		Keys: keys, Log: slog.New(slog.NewTextHandler(&log, nil)), Observe: func(string) { stop() },
		Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	})
	e, secret, err := s.Add(t.Context(), webhook.Endpoint{URL: "http://127.0.0.1:1/?key=in-the-query", Events: []string{"*"}, Enabled: true})
	if err != nil {
		t.Fatal(err)
	}
	sqldbtest.Exec(t, db, `insert into webhook_event (type, member_id, card_id, code, data) values ('card.claimed', 'm', 'c1', '1', '{"n":"in-the-body"}')`)
	s.Run(ctx)
	text := log.String()
	if !strings.Contains(text, "not delivered") || !strings.Contains(text, e.ID) {
		t.Errorf("the log is %s", text)
	}
	for _, not := range []string{strings.TrimPrefix(secret, "whsec_"), "in-the-query", "in-the-body"} {
		if strings.Contains(text, not) {
			t.Errorf("the log has %s: %s", not, text)
		}
	}
}

func TestResendSpan_ChecksWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	s := newService(t, webhook.Options{})
	if _, _, err := s.ResendSpan(t.Context(), "unknown", webhook.Span{}); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := s.Deliveries(t.Context(), "unknown", webhook.Filter{}, webhook.Mark{}, 1); !errors.Is(err, webhook.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	e, _, err := s.Add(t.Context(), webhook.Endpoint{URL: "https://a.example/", Events: []string{"*"}})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = s.ResendSpan(t.Context(), e.ID, webhook.Span{Types: []string{"card.lost"}})
	wantField(t, "a type", err, "events")
}
