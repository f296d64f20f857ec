package app_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

const loginPath = "/sns/jscode2session"

// hang makes WeChat's login hang, until it is told to go on.
func hang(t *testing.T, w *apptest.World) (goOn func()) {
	t.Helper()
	if err := w.Sim.AddFault(wechatsim.Fault{Path: loginPath, LatencyMS: 600_000, Times: -1}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if got := apptest.Request(t, http.MethodDelete, w.WeChat.URL+"/_sim/faults", "", nil); got.Status/100 != 2 {
			t.Fatalf("clear faults: %d %s", got.Status, got.Body)
		}
	}
}

// tryLogin posts a login code that no phone has given. It returns the status, or 0
// if ctx ended.
func tryLogin(ctx context.Context, s *apptest.Server, code string) (status int, header http.Header) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Public+"/v1/session", strings.NewReader(`{"code":"`+code+`"}`))
	if err != nil {
		return 0, nil
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := apptest.Client.Do(req)
	if err != nil {
		return 0, nil
	}
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Header
}

// Symptom: while code2Session hung, 160 logins a second took all slots of the server,
// and 2,000 callers that left held as many calls and descriptors.
func TestSlow_LoginsThatHangLeaveTheRestServed(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Quiet = true
	s := w.Serve()
	w.Connect(s)
	cardID := w.Card()
	token, code := w.Claim(s, "ming", cardID)
	entries := apptest.EntriesPath(cardID, code)
	apptest.Eventually(t, "the card is active", func() bool { return s.Cards(token)[0].Status == "active" })
	goOn := hang(t, w)
	before := w.Sim.Calls()[loginPath].Total

	attack, stop := context.WithCancel(t.Context())
	defer stop()
	var attackers sync.WaitGroup
	for i := range 160 {
		attackers.Go(func() {
			for n := 0; attack.Err() == nil; n++ {
				ctx, leave := context.WithTimeout(attack, 300*time.Millisecond)
				status, header := tryLogin(ctx, s, fmt.Sprint("junk-", i, "-", n))
				leave()
				if status != 0 && (status != http.StatusServiceUnavailable || header.Get("Retry-After") == "") {
					t.Errorf("a login while WeChat hangs: %d %v", status, header)
				}
				select { // about two a second of each
				case <-attack.Done():
				case <-time.After(500 * time.Millisecond):
				}
			}
		})
	}
	suspended := func() bool {
		got := s.Operate(http.MethodGet, "/metrics", nil).Is(t, 200)
		return bytes.Contains(got.Body, []byte("\naddcard_login_suspended 1"))
	}
	probes := 0
	apptest.Eventually(t, "logins are suspended", func() bool {
		probes++
		s.Get("/v1/me", token).Is(t, 200)
		s.AddEntry(entries, fmt.Sprint("key", probes), `{"add_bonus":1}`).Is(t, 201)
		return suspended()
	})
	if n := w.Sim.Calls()[loginPath].Total - before; n > 128+10 {
		t.Errorf("%d logins reached WeChat, in the %d rounds until they were suspended", n, probes)
	}
	w.Phone("ming", "delete-card", fmt.Sprintf(`{"card_id":%q,"code":%q}`, cardID, code)) // an event
	w.WaitEvents()
	apptest.Eventually(t, "the event is stored", func() bool { return s.Cards(token)[0].Status == "deleted" })
	if n := runtime.NumGoroutine(); n > 5000 { // with those of the simulator, the attackers and other tests
		t.Errorf("%d goroutines", n)
	}
	stop()
	attackers.Wait()
	goOn()
	start := time.Now()
	apptest.Eventually(t, "logins work again", func() bool {
		code, err := w.Sim.Login("hong")
		if err != nil {
			t.Fatal(err)
		}
		got := s.Post("/v1/session", "", map[string]string{"code": code})
		if got.Status != 200 {
			got.Problem(t, 503, "wechat_unavailable")
		}
		return got.Status == 200
	})
	t.Logf("logins worked again after %v", time.Since(start))
	if suspended() {
		t.Error("still suspended")
	}
}
