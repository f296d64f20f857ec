package app_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
	"github.com/addcard/addcard/internal/wechatsim/push"
)

// pushed sends the server a push to this account that is sealed with this key, and
// returns the status of the answer.
func pushed(t *testing.T, w *apptest.World, s *apptest.Server, key, account string) int {
	t.Helper()
	e := push.Trigger{Event: "user_view_card", ToUserName: account, Callback: push.Callback{URL: s.Public + "/wechat/callback",
		Token: apptest.CallbackToken, EncodingAESKey: key, AppID: w.Sim.Accounts().Official.AppID}}
	return send(t, e)
}

// send sends a push and returns the status of the answer.
func send(t *testing.T, e push.Trigger) int {
	t.Helper()
	req, err := e.Request(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	resp, err := apptest.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// hasMetric reports whether the server has this sample.
func hasMetric(s *apptest.Server, sample string) bool {
	s.T.Helper()
	return bytes.Contains(s.Operate(http.MethodGet, "/metrics", nil).Is(s.T, http.StatusOK).Body, []byte("\n"+sample+"\n"))
}

// While CALLBACK_AES_KEY is being changed, WeChat seals with the one or the other.
func TestCallback_TakesThePreviousKeyToo(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	other := strings.Repeat("Z", 42) + "A"
	w.Env["CALLBACK_AES_KEY"], w.Env["CALLBACK_AES_KEY_PREVIOUS"] = other, apptest.AESKey
	s := w.Serve()
	for key, want := range map[string]int{other: 200, apptest.AESKey: 200, strings.Repeat("Y", 42) + "A": 403} {
		if got := pushed(t, w, s, key, ""); got != want {
			t.Errorf("%s: got %d, want %d", key, got, want)
		}
	}
}

// WeChat may push for another account that is bound to the same URL.
func TestCallback_OfAnotherAccountHasNoEffect(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["OFFICIAL_ORIGINAL_ID"] = "gh_0123456789ab"
	s := w.Serve()
	for _, account := range []string{"gh_0123456789ab", "gh_another"} {
		if got := pushed(t, w, s, "", account); got != http.StatusOK {
			t.Errorf("%s: got %d", account, got)
		}
	}
	for outcome, n := range map[string]int{"user_view_card": 1, "other_account": 1} {
		if sample := fmt.Sprintf("addcard_pushes_total{outcome=%q} %d", outcome, n); !hasMetric(s, sample) {
			t.Errorf("there is no sample %s", sample)
		}
	}
}

// A push that is refused is counted, wherever it is refused: alerts go by that.
func TestCallback_CountsWhatItRefuses(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["CALLBACK_AES_KEY"] = apptest.AESKey
	s := w.Serve()
	forged := "/wechat/callback?timestamp=1795000000&nonce=n&signature=" + strings.Repeat("0", 40)
	s.Get(forged+"&echostr=1", "").Is(t, http.StatusForbidden)               // Echo
	s.Post(forged+"&encrypt_type=aes", "", "").Is(t, http.StatusForbidden)   // Check
	if got := pushed(t, w, s, strings.Repeat("Y", 42)+"A", ""); got != 403 { // Receive
		t.Errorf("another key: got %d", got)
	}
	if sample := `addcard_pushes_total{outcome="forged"} 3`; !hasMetric(s, sample) {
		t.Errorf("there is no sample %s", sample)
	}
}

// A machine whose clock is wrong goes by WeChat's at once: otherwise every push is
// refused, and a card that was taken is not activated.
func TestCallback_GoesByWeChatsClockToo(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Control("clock/advance", apptest.Object{"seconds": 3600})
	s := w.Serve()
	w.Login(s, "ming") // the answer has WeChat's time
	for ahead, want := range map[int64]int{0: 200, 3600: 200, 7200: 403} {
		signed := []string{apptest.CallbackToken, fmt.Sprint(time.Now().Unix() + ahead), "nonce"}
		query := "?timestamp=" + signed[1] + "&nonce=nonce&echostr=1&signature="
		slices.Sort(signed)
		if got := s.Get(fmt.Sprintf("/wechat/callback%s%x", query, sha1.Sum([]byte(strings.Join(signed, "")))), ""); got.Status != want {
			t.Errorf("%d seconds ahead: got %d, want %d", ahead, got.Status, want)
		}
	}
}

// Events may come late: the one of an earlier review says nothing about a card that was
// approved since.
func TestCallback_AnEarlierReviewThatComesLateIsIgnored(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	cardID := w.NewCard(s)
	now := time.Now().Unix()
	for _, e := range []push.Trigger{
		{Event: "card_pass_check", CreateTime: now}, {Event: "card_not_pass_check", CreateTime: now - 60},
	} {
		e.Callback = push.Callback{URL: s.Public + "/wechat/callback", Token: apptest.CallbackToken}
		e.Fields = map[string]string{"CardId": cardID, "RefuseReason": "an earlier reason"}
		if got := send(t, e); got != http.StatusOK {
			t.Fatalf("%s: got %d", e.Event, got)
		}
	}
	if got := s.Operate(http.MethodGet, "/v1/cards", nil).Is(t, http.StatusOK); bytes.Contains(got.Body, []byte("an earlier reason")) {
		t.Errorf("cards: %s", got.Body)
	}
}

// Without a request, the server gets what requests will need.
func TestRun_PreparesForRequests(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	s := w.Serve()
	apptest.Eventually(t, "the api_ticket is there, and the account's cards are", func() bool {
		return hasMetric(s, `addcard_ticket_ready{kind="wx_card"} 1`) &&
			bytes.Contains(s.Operate(http.MethodGet, "/v1/cards", nil).Body, []byte(cardID))
	})
	for _, sample := range []string{
		`addcard_ticket_ready{kind="access_token"} 1`, `addcard_ticket_ready{kind="jsapi"} 0`, `addcard_ticket_waiters{kind="jsapi"} 0`,
	} {
		if !hasMetric(s, sample) {
			t.Errorf("there is no sample %s", sample)
		}
	}
}

// A former version went on using a unionid that WeChat gave for two people.
func TestRun_EndsTheUseOfASharedUnionID(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	former := w.Serve()
	w.Login(former, "ming")
	w.Login(former, "hong")
	former.Stop()
	db := sqldbtest.Open(t, "sqlite:"+w.DB)
	sqldbtest.Exec(t, db, "update identity set unionid = 'shared'")
	sqldbtest.Exec(t, db, `insert into identity_conflict (app_id, openid, member_id, other_member_id, created_at)
		select app_id, openid, member_id, 'another', 1 from identity`)
	s := w.Serve()
	apptest.Eventually(t, "the unionid is distrusted", func() bool { return hasMetric(s, "addcard_unionid_conflicts 1") })
}

// A guess of the operator's token is counted: an alert goes by that.
func TestMetrics_CountGuessesOfTheToken(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	s := w.Serve()
	apptest.Request(t, http.MethodGet, s.Admin+"/v1/cards", "a-guess-of-the-token", nil).Is(t, http.StatusUnauthorized)
	if sample := "addcard_admin_refused_total 1"; !hasMetric(s, sample) {
		t.Errorf("there is no sample %s", sample)
	}
}

func TestMetrics_CountTheDroppedLinesOfTheLog(t *testing.T) {
	t.Parallel()
	o := app.Options{Log: slog.New(slog.DiscardHandler), LogDropped: func() uint64 { return 7 }}
	a := newApp(t, apptest.New(t, wechatsim.Options{}), o)
	defer func() { _ = a.Close() }()
	const name = "addcard_log_lines_dropped_total"
	families, err := app.Metrics(a).Gather()
	i := slices.IndexFunc(families, func(f *dto.MetricFamily) bool { return f.GetName() == name })
	if err != nil || i < 0 || families[i].GetMetric()[0].GetCounter().GetValue() != 7 {
		t.Errorf("%s has another value; %v", name, err)
	}
}

func newApp(t *testing.T, w *apptest.World, o app.Options) *app.App {
	t.Helper()
	cfg, err := config.Load(w.Environ())
	if err != nil {
		t.Fatal(err)
	}
	a, err := app.New(t.Context(), cfg, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A server with one listener of two is of no use; the platform starts it again.
func TestRun_EndsWhenAListenerFails(t *testing.T) {
	t.Parallel()
	for _, listener := range []string{"public", "admin"} {
		a := newApp(t, apptest.New(t, wechatsim.Options{}), app.Options{Log: slog.New(slog.DiscardHandler)})
		if err := app.Listener(a, listener).Close(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- a.Run(t.Context()) }()
		select {
		case err := <-ended:
			if err == nil || !strings.Contains(err.Error(), "serve ") {
				t.Errorf("%s: got %v", listener, err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s: it goes on", listener)
		}
	}
}

// A fetch that is under way at the end is waited for: its ticket may be the only one
// that WeChat still accepts.
func TestRun_KeepsTheTicketThatItFetchesAtTheEnd(t *testing.T) {
	t.Parallel()
	const getticket = "/cgi-bin/ticket/getticket"
	w := apptest.New(t, wechatsim.Options{})
	if err := w.Sim.AddFault(wechatsim.Fault{Path: getticket, LatencyMS: 2000}); err != nil {
		t.Fatal(err)
	}
	first := w.Serve()
	apptest.Eventually(t, "the token is there, and so WeChat is asked for a ticket", func() bool {
		return hasMetric(first, `addcard_ticket_ready{kind="access_token"} 1`)
	})
	first.Stop()
	if err := addCard(w, w.Serve(), "ming", w.Card()); err != nil {
		t.Error(err)
	}
	if n := calls(w, getticket); n != 1 {
		t.Errorf("WeChat was asked %d times, want once", n)
	}
}

// What a former version deleted is still in the free pages of its file.
func TestOpen_RewritesTheFileOfAFormerVersion(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cfg, err := config.Load(w.Environ())
	if err != nil {
		t.Fatal(err)
	}
	db := sqldbtest.Open(t, "sqlite:"+w.DB)
	for name, start := range map[string]func() error{
		"serve":   func() error { return newApp(t, w, app.Options{Log: slog.New(slog.DiscardHandler)}).Close() },
		"migrate": func() error { _, err := app.Migrate(t.Context(), cfg); return err },
	} {
		var version int
		err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Querier) error {
			_, err := tx.Exec(ctx, "pragma user_version = 0")
			return err
		})
		if err := errors.Join(err, start()); err != nil {
			t.Fatal(err)
		}
		if err := db.Read().QueryRow(t.Context(), "pragma user_version").Scan(&version); err != nil || version == 0 {
			t.Errorf("%s: the file is of version %d, %v", name, version, err)
		}
	}
}

// All clients of a trusted proxy have its address, so it counts as none.
func TestConnections_OfATrustedProxyAreNotBoundedLikeAClients(t *testing.T) {
	t.Parallel()
	for proxies, closed := range map[string]bool{"": true, "127.0.0.1": false} {
		w := apptest.New(t, wechatsim.Options{})
		w.Env["RATE_LIMIT_PER_IP"], w.Env["TRUSTED_PROXIES"] = "100", proxies
		s := w.Serve()
		for range 250 { // far more than a client may have, and fewer than all may have
			conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(s.Public, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
		s.Get("/healthz", "").Is(t, http.StatusOK) // on a connection that was accepted last
		if none := `addcard_http_connections_closed_total{listener="public"} 0`; hasMetric(s, none) == closed {
			t.Errorf("TRUSTED_PROXIES=%s: were some closed? want %t", proxies, closed)
		}
	}
}
