package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/testing/postgres"
	"github.com/addcard/addcard/internal/wechatsim"
	"github.com/addcard/addcard/internal/wechatsim/push"
)

// inTime is the longest answer while the database stalls: four seconds, and some more
// on a busy machine.
const inTime = 4*time.Second + 10*time.Second

// stalled sends n entries at once while the database does not answer, and checks that
// each is refused in time and not accepted.
func stalled(t *testing.T, s *apptest.Server, path string, n int) {
	t.Helper()
	var wg sync.WaitGroup
	var longest atomic.Int64
	for i := range n {
		wg.Go(func() {
			began := time.Now()
			got := s.AddEntry(path, fmt.Sprint("k", i), `{"add_bonus":1}`)
			if took := int64(time.Since(began)); took > longest.Load() {
				longest.Store(took)
			}
			if got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
				t.Errorf("entry %d: %d %s", i, got.Status, got.Body)
			}
		})
	}
	wg.Wait()
	t.Logf("the longest of %d answers took %v", n, time.Duration(longest.Load()))
	if took := time.Duration(longest.Load()); took > inTime {
		t.Errorf("an answer took %v", took)
	}
}

// bookedOnce repeats the requests of stalled with their keys, and checks that each has
// one entry.
func bookedOnce(t *testing.T, s *apptest.Server, path string, n int) {
	t.Helper()
	apptest.Eventually(t, "it is served again", func() bool {
		return s.AddEntry(path, "k0", `{"add_bonus":1}`).Status == http.StatusCreated
	})
	for i := range n {
		apptest.Eventually(t, fmt.Sprint("entry ", i, " is booked"), func() bool {
			return s.AddEntry(path, fmt.Sprint("k", i), `{"add_bonus":1}`).Status == http.StatusCreated
		})
	}
	if e := s.AddEntry(path, "last", `{"add_bonus":1}`).Entry(t); e.Seq != int64(n)+1 || e.Bonus != int64(n)+1 {
		t.Errorf("after %d entries: %+v", n, e)
	}
}

// Symptom: of 300 entries while PostgreSQL's processes were stopped, 289 had no answer
// after 35 s.
func TestPostgres_StoppedIsRefusedInTime(t *testing.T) {
	t.Parallel()
	server := postgres.New(t, "-c", "fsync=off")
	w := apptest.New(t, wechatsim.Options{})
	w.Env["DATABASE_URL"] = server.URL("postgres")
	s := w.Serve()
	cardID := w.Card()
	token, code := w.Claim(s, "ming", cardID)
	path := apptest.EntriesPath(cardID, code)
	server.Pause(t)
	var wg sync.WaitGroup
	for _, at := range []string{"/readyz", "/v1/me"} {
		wg.Go(func() {
			began := time.Now()
			if got := s.Get(at, token); got.Status != http.StatusServiceUnavailable || time.Since(began) > inTime {
				t.Errorf("%s: %d after %v", at, got.Status, time.Since(began))
			}
		})
	}
	for i := range 20 {
		wg.Go(func() { pushInTime(t, s, fmt.Sprint("openid", i)) })
	}
	wg.Go(func() {
		metrics := string(s.Operate("GET", "/metrics", "").Is(t, 200).Body)
		if !strings.Contains(metrics, "\naddcard_database_up 0\n") || !strings.Contains(metrics, "\naddcard_ticket_ready{") ||
			strings.Contains(metrics, "\naddcard_outbox_messages{") {
			t.Errorf("metrics without the database:\n%s", metrics)
		}
	})
	stalled(t, s, path, 300)
	wg.Wait()
	if got := s.Get("/healthz", ""); got.Status != http.StatusOK {
		t.Errorf("healthz: %d", got.Status)
	}
	server.Continue(t)
	bookedOnce(t, s, path, 300)
	apptest.Eventually(t, "it is ready", func() bool { return s.Get("/readyz", "").Status == http.StatusOK })
}

// onFile returns a server on a SQLite file, and the path of the file.
func onFile(t *testing.T) (w *apptest.World, s *apptest.Server, path string) {
	t.Helper()
	w = apptest.New(t, wechatsim.Options{})
	path = filepath.Join(t.TempDir(), "a.db")
	w.Env["DATABASE_URL"] = "sqlite:" + path
	return w, w.Serve(), path
}

// hold takes the write lock of a SQLite file, and returns a function that gives it back.
func hold(t *testing.T, path string) (release func()) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	held, end := make(chan struct{}), make(chan struct{})
	var holder sync.WaitGroup
	holder.Go(func() {
		if err := db.Write(sqldb.Each(context.Background(), time.Hour), func(context.Context, sqldb.Querier) error {
			close(held)
			<-end
			return nil
		}); err != nil {
			t.Error(err)
		}
	})
	<-held
	release = sync.OnceFunc(func() {
		close(end)
		holder.Wait()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(release)
	return release
}

// pushInTime sends a push of WeChat's, which must be refused before WeChat gives up.
func pushInTime(t *testing.T, s *apptest.Server, openID string) {
	t.Helper()
	trigger := push.Trigger{
		Callback: push.Callback{URL: s.Public + "/wechat/callback", Token: "callbacktoken"}, Event: "user_get_card",
		Fields: map[string]string{"FromUserName": openID},
	}
	req, err := trigger.Request(t.Context())
	if err != nil {
		t.Error(err)
		return
	}
	began := time.Now()
	resp, err := apptest.Client.Do(req)
	if err != nil {
		t.Error(err)
		return
	}
	_ = resp.Body.Close()
	if took := time.Since(began); resp.StatusCode != http.StatusServiceUnavailable || took < time.Second || took > inTime-time.Second {
		t.Errorf("a push: %d after %v", resp.StatusCode, took)
	}
}

func TestSQLite_HeldByAnotherProcessIsRefusedInTime(t *testing.T) {
	t.Parallel()
	w, s, file := onFile(t)
	cardID := w.Card()
	_, code := w.Claim(s, "ming", cardID)
	path := apptest.EntriesPath(cardID, code)
	release := hold(t, file)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() { pushInTime(t, s, fmt.Sprint("openid", i)) })
	}
	stalled(t, s, path, 300)
	if got := s.Get("/readyz", ""); got.Status != http.StatusServiceUnavailable {
		t.Errorf("readyz: %d", got.Status)
	}
	if got := s.Get("/healthz", ""); got.Status != http.StatusOK {
		t.Errorf("healthz: %d", got.Status)
	}
	wg.Wait()
	release()
	bookedOnce(t, s, path, 300)
	apptest.Eventually(t, "it is ready", func() bool { return s.Get("/readyz", "").Status == http.StatusOK })
}

// Entries that wait for the database, as many as the operator may have at once, leave
// members their slots.
func TestListeners_HaveSlotsOfTheirOwn(t *testing.T) {
	t.Parallel()
	w, s, file := onFile(t)
	cardID := w.Card()
	token, code := w.Claim(s, "ming", cardID)
	w.Env["RATE_LIMIT_PER_IP"] = "1000" // else there are more slots
	a := newApp(t, w, app.Options{Log: slog.New(slog.DiscardHandler)})
	defer func() { _ = a.Close() }()
	public, admin := app.Handlers(a)
	ask := func(h http.Handler, method, path, token, body string) int {
		r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+token)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", "key")
		got := httptest.NewRecorder()
		h.ServeHTTP(got, r)
		return got.Code
	}
	release := hold(t, file)
	var entries sync.WaitGroup
	var full sync.Once
	for range 300 {
		entries.Go(func() {
			status := ask(admin, http.MethodPost, apptest.EntriesPath(cardID, code), apptest.AdminToken, `{"add_bonus":1}`)
			full.Do(func() {
				if me := ask(public, http.MethodGet, "/v1/me", token, ""); status != http.StatusServiceUnavailable || me != http.StatusOK {
					t.Errorf("an entry too many: %d, a member meanwhile: %d", status, me)
				}
			})
		})
	}
	entries.Wait()
	release()
}

// A start looks for damage before it writes anything.
func TestNew_RefusesADamagedFile(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	path := filepath.Join(t.TempDir(), "a.db")
	w.Env["DATABASE_URL"] = "sqlite:" + path
	cfg, err := config.Load(w.Environ())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := app.Migrate(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	const page = 4096
	for at := int64(4 * page); at < info.Size(); at += 8 * page { // not the schema
		if _, err := f.WriteAt([]byte(strings.Repeat("damage", page/8)), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	started, err := app.New(t.Context(), cfg, app.Options{})
	if err == nil {
		t.Fatal(started.Close())
	}
	if !strings.Contains(err.Error(), "damaged") || !strings.Contains(err.Error(), "restore a backup") {
		t.Errorf("got %v", err)
	}
}

// WeChat waits for five seconds: a push is given up before a request that came earlier.
func TestSQLite_APushIsRefusedBeforeAnEntry(t *testing.T) {
	t.Parallel()
	w, s, file := onFile(t)
	cardID := w.Card()
	_, code := w.Claim(s, "ming", cardID)
	defer hold(t, file)()
	refused, sent := make(chan string, 2), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		s.Operate(http.MethodPost, apptest.EntriesPath(cardID, code), apptest.Object{"add_bonus": 1}, func(r *http.Request) {
			trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) }}
			*r = *r.WithContext(httptrace.WithClientTrace(r.Context(), trace))
			r.Header.Set("Idempotency-Key", "k")
		})
		refused <- "the entry"
	})
	wg.Go(func() {
		<-sent
		pushInTime(t, s, "openid")
		refused <- "the push"
	})
	if first := <-refused; first != "the push" {
		t.Errorf("%s was answered first", first)
	}
	wg.Wait()
}
