package app_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/testing/postgres"
	"github.com/addcard/addcard/internal/wechatsim"
)

// onPostgres returns a world with replicas that share a PostgreSQL database and
// nothing else.
func onPostgres(t *testing.T) *apptest.World {
	t.Helper()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["DATABASE_URL"] = sqldbtest.Postgres(t)
	w.Env["CALLBACK_AES_KEY"] = apptest.AESKey
	return w
}

// Two replicas serve one member and one card, from the login to the points shown.
func TestPostgres_TwoReplicasOneLife(t *testing.T) {
	t.Parallel()
	w := onPostgres(t)
	a, b := w.Serve(), w.Serve()
	w.Connect(b)
	id := w.NewCard(a, apptest.RealTime)
	token, me := w.Login(a, "ming")

	codes, nonces := map[string]bool{}, map[string]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var last apptest.Answer
	for i := range 100 {
		wg.Go(func() {
			got := []*apptest.Server{a, b}[i%2].Post("/v1/card-ext", token, apptest.CardIDs(id))
			if got.Status != 200 {
				t.Errorf("card-ext: %d %s", got.Status, got.Body)
				return
			}
			e := apptest.CardExts(t, got)[0]
			mu.Lock()
			defer mu.Unlock()
			codes[e.Code], nonces[e.NonceStr], last = true, true, got
		})
	}
	wg.Wait()
	if len(codes) != 1 || len(nonces) != 100 {
		t.Fatalf("%d codes and %d nonces, want 1 and 100", len(codes), len(nonces))
	}
	for _, path := range []string{"/cgi-bin/stable_token", "/cgi-bin/ticket/getticket"} {
		if n := w.Sim.Calls()[path].Total; n != 1 {
			t.Errorf("%s: %d calls by two replicas, want 1", path, n)
		}
	}
	added, err := w.Sim.AddCard("ming", last.Body)
	if err != nil {
		t.Fatal(err)
	}
	b.Post("/v1/claims", token, apptest.Object{"cardList": added}).Is(t, 200)
	code := w.CodeOf("ming")
	status := func() string {
		var got struct{ Cards []struct{ Status string } }
		a.Get("/v1/me", token).JSON(t, &got)
		return got.Cards[0].Status
	}
	apptest.Eventually(t, "the card is active", func() bool { return status() == "active" })
	if n := w.Sim.Calls()["/card/membercard/activate"].Total; n != 1 {
		t.Errorf("activated %d times", n)
	}

	// 64 requests with one key make one entry; the whole balance is spent once.
	path := "/v1/cards/" + id + "/codes/" + code + "/entries"
	book := func(s *apptest.Server, key string, body apptest.Object) apptest.Answer {
		return s.Operate(http.MethodPost, path, body, func(r *http.Request) { r.Header.Set("Idempotency-Key", key) })
	}
	bodies := map[string]int{}
	for i := range 64 {
		wg.Go(func() {
			got := book([]*apptest.Server{a, b}[i%2], "credit", apptest.Object{"add_bonus": 100})
			mu.Lock()
			defer mu.Unlock()
			if got.Status != http.StatusCreated {
				t.Errorf("credit: %d %s", got.Status, got.Body)
			}
			bodies[string(got.Body)]++
		})
	}
	wg.Wait()
	spent := map[int]int{}
	for i := range 64 {
		wg.Go(func() {
			got := book([]*apptest.Server{a, b}[i%2], fmt.Sprint("debit", i), apptest.Object{"add_bonus": -100})
			mu.Lock()
			defer mu.Unlock()
			spent[got.Status]++
		})
	}
	wg.Wait()
	if len(bodies) != 1 || spent[201] != 1 || spent[409] != 63 {
		t.Errorf("%d different answers to one key; debits: %v", len(bodies), spent)
	}
	book(a, "once more", apptest.Object{"add_bonus": 7, "record_bonus": "消费"}).Is(t, 201)
	apptest.Eventually(t, "the face shows the total", func() bool {
		faces, err := w.Sim.Cards("ming")
		return err == nil && faces[0].Bonus == 7
	})
	apptest.Request(t, http.MethodDelete, a.Public+"/v1/session", token, nil).Is(t, 204)
	apptest.Eventually(t, "the logout reaches the other replica", func() bool { return b.Get("/v1/me", token).Status == 401 })
	if p := b.Members("?query=" + code); len(p.Members) != 1 || p.Members[0].ID != me {
		t.Errorf("by code: %+v", p)
	}
}

// PostgreSQL refuses a statement with a NUL, or with bytes that are not UTF-8.
func TestPostgres_NothingThatItRefusesReachesIt(t *testing.T) {
	t.Parallel()
	w := onPostgres(t)
	s := w.Serve()
	cardID := w.Card()
	_, code := w.Claim(s, "ming", cardID)
	s.AddEntry(apptest.EntriesPath(cardID, code), "k", `{"reverses":"a\u0000"}`).Problem(t, 422, "invalid_input")
	s.Operate(http.MethodPut, "/v1/cards/"+cardID+"/settings", `{"init_bonus":1,"init_bonus_record":"a\u0000"}`).
		Problem(t, 422, "invalid_input")
	for _, text := range []string{"%00", "a%00b", "%FF", "%E5%BA"} {
		s.Operate(http.MethodGet, "/v1/members?query="+text, nil).Problem(t, 422, "invalid_input")
		s.Operate(http.MethodGet, "/v1/members/"+text, nil).Problem(t, 404, "not_found")
		s.Operate(http.MethodDelete, "/v1/members/"+text, nil).Problem(t, 404, "not_found")
		s.Operate(http.MethodPost, "/v1/outbox/"+text+"/retry", nil).Problem(t, 404, "not_found")
	}
}

// While PostgreSQL is down nothing is acknowledged, and requests that need it get
// 503. The server recovers without a restart.
func TestPostgres_Away(t *testing.T) {
	t.Parallel()
	server := postgres.New(t, "-c", "fsync=off")
	w := apptest.New(t, wechatsim.Options{})
	w.Env["DATABASE_URL"] = server.URL("postgres")
	s := w.Serve()
	id := w.NewCard(s, apptest.RealTime)
	token, _ := w.Login(s, "ming")
	server.Kill()
	for range 3 {
		got := s.Post("/v1/card-ext", token, apptest.CardIDs(id))
		if got.Status != http.StatusServiceUnavailable {
			t.Errorf("card-ext: %d %s", got.Status, got.Body)
		}
		if got := s.Get("/v1/me", token); got.Status != http.StatusServiceUnavailable {
			t.Errorf("me: %d %s", got.Status, got.Body)
		}
	}
	if got := s.Get("/readyz", ""); got.Status != http.StatusServiceUnavailable {
		t.Errorf("readyz: %d", got.Status)
	}
	if got := s.Get("/healthz", ""); got.Status != http.StatusOK {
		t.Errorf("healthz: %d", got.Status)
	}
	server.Restart(t)
	apptest.Eventually(t, "it is served again", func() bool { return s.Post("/v1/card-ext", token, apptest.CardIDs(id)).Status == 200 })
	codes := apptest.CardExts(t, s.Post("/v1/card-ext", token, apptest.CardIDs(id)))
	if !slices.ContainsFunc(codes, func(e apptest.CardExt) bool { return len(e.Code) == 16 }) {
		t.Errorf("cardExt: %+v", codes)
	}
}

// PostgreSQL aborts one of two transactions that wait for each other. The server
// tries again, and the entry is booked without an error.
func TestPostgres_AnEntryThatADeadlockBrokeOffIsBooked(t *testing.T) {
	t.Parallel()
	w := onPostgres(t)
	s := w.Serve()
	cardID := w.Card()
	_, code := w.Claim(s, "ming", cardID)
	db, err := sqldb.Open(t.Context(), w.Env["DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, statement := range []string{
		"create sequence tries", // a rollback does not turn it back
		`create function stumble() returns trigger language plpgsql as $$ begin
			if nextval('tries') = 1 then raise exception 'deadlock' using errcode = '40P01'; end if; return new; end; $$`,
		"create trigger stumble before insert on entry for each row execute function stumble()",
	} {
		if err := db.Write(t.Context(), func(ctx context.Context, tx sqldb.Querier) error {
			_, err := tx.Exec(ctx, statement)
			return err
		}); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	if e := s.AddEntry(apptest.EntriesPath(cardID, code), "k1", `{"add_bonus":30}`).Entry(t); e.Seq != 1 || e.Bonus != 30 {
		t.Errorf("got %+v", e)
	}
}
