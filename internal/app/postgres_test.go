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
	"github.com/addcard/addcard/internal/testing/postgres"
	"github.com/addcard/addcard/internal/wechatsim"
)

// onPostgres is a world whose replicas share a PostgreSQL database and nothing else.
func onPostgres(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, wechatsim.Options{})
	w.env["DATABASE_URL"] = sqldbtest.Postgres(t)
	w.env["CALLBACK_AES_KEY"] = aesKey
	return w
}

// Two replicas, one member, one card: from the login to points on the face.
func TestPostgres_two_replicas_one_life(t *testing.T) {
	t.Parallel()
	w := onPostgres(t)
	a, b := w.serve(), w.serve()
	w.connect(b)
	id := w.newCard(a, realTime)
	token, me := w.login(a, "ming")

	codes, nonces := map[string]bool{}, map[string]bool{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var last answer
	for i := range 100 {
		wg.Go(func() {
			got := []*server{a, b}[i%2].post("/v1/card-ext", token, want(id))
			if got.status != 200 {
				t.Errorf("card-ext: %d %s", got.status, got.body)
				return
			}
			e := exts(t, got)[0]
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
		if n := w.sim.Calls()[path].Total; n != 1 {
			t.Errorf("%s: %d calls by two replicas, want 1", path, n)
		}
	}
	added, err := w.sim.AddCard("ming", last.body)
	if err != nil {
		t.Fatal(err)
	}
	b.post("/v1/claims", token, object{"cardList": added}).is(t, 200)
	code := w.codeOf("ming")
	status := func() string {
		var got struct{ Cards []struct{ Status string } }
		a.get("/v1/me", token).json(t, &got)
		return got.Cards[0].Status
	}
	eventually(t, "the card is active", func() bool { return status() == "active" })
	if n := w.sim.Calls()["/card/membercard/activate"].Total; n != 1 {
		t.Errorf("activated %d times", n)
	}

	// One key from 64 callers at two replicas is one entry; a whole balance is spent once.
	path := "/v1/cards/" + id + "/codes/" + code + "/entries"
	book := func(s *server, key string, body object) answer {
		return s.operate(http.MethodPost, path, body, func(r *http.Request) { r.Header.Set("Idempotency-Key", key) })
	}
	bodies := map[string]int{}
	for i := range 64 {
		wg.Go(func() {
			got := book([]*server{a, b}[i%2], "credit", object{"add_bonus": 100})
			mu.Lock()
			defer mu.Unlock()
			if got.status != http.StatusCreated {
				t.Errorf("credit: %d %s", got.status, got.body)
			}
			bodies[string(got.body)]++
		})
	}
	wg.Wait()
	spent := map[int]int{}
	for i := range 64 {
		wg.Go(func() {
			got := book([]*server{a, b}[i%2], fmt.Sprint("debit", i), object{"add_bonus": -100})
			mu.Lock()
			defer mu.Unlock()
			spent[got.status]++
		})
	}
	wg.Wait()
	if len(bodies) != 1 || spent[201] != 1 || spent[409] != 63 {
		t.Errorf("%d different answers to one key; debits: %v", len(bodies), spent)
	}
	book(a, "once more", object{"add_bonus": 7, "record_bonus": "消费"}).is(t, 201)
	eventually(t, "the face shows the total", func() bool {
		faces, err := w.sim.Cards("ming")
		return err == nil && faces[0].Bonus == 7
	})
	request(t, http.MethodDelete, a.base+"/v1/session", token, nil).is(t, 204)
	eventually(t, "the logout reaches the other replica", func() bool { return b.get("/v1/me", token).status == 401 })
	if p := b.people("?query=" + code); len(p.Members) != 1 || p.Members[0].ID != me {
		t.Errorf("by code: %+v", p)
	}
}

// While PostgreSQL is away nothing is acknowledged, and what needs it is 503;
// the server comes back by itself.
func TestPostgres_away(t *testing.T) {
	t.Parallel()
	server := postgres.New(t, "-c", "fsync=off")
	w := newWorld(t, wechatsim.Options{})
	w.env["DATABASE_URL"] = server.URL("postgres")
	s := w.serve()
	id := w.newCard(s, realTime)
	token, _ := w.login(s, "ming")
	server.Kill()
	for range 3 {
		got := s.post("/v1/card-ext", token, want(id))
		if got.status != http.StatusServiceUnavailable {
			t.Errorf("card-ext: %d %s", got.status, got.body)
		}
		if got := s.get("/v1/me", token); got.status != http.StatusServiceUnavailable {
			t.Errorf("me: %d %s", got.status, got.body)
		}
	}
	if got := s.get("/readyz", ""); got.status != http.StatusServiceUnavailable {
		t.Errorf("readyz: %d", got.status)
	}
	if got := s.get("/healthz", ""); got.status != http.StatusOK {
		t.Errorf("healthz: %d", got.status)
	}
	server.Restart(t)
	eventually(t, "it is served again", func() bool { return s.post("/v1/card-ext", token, want(id)).status == 200 })
	if codes := exts(t, s.post("/v1/card-ext", token, want(id))); !slices.ContainsFunc(codes, func(e ext) bool { return len(e.Code) == 16 }) {
		t.Errorf("cardExt: %+v", codes)
	}
}

// PostgreSQL breaks off one of two transactions that wait for each other. The
// entry in it is booked by another try, and nobody hears of it.
func TestPostgres_an_entry_that_a_deadlock_broke_off_is_booked(t *testing.T) {
	t.Parallel()
	w := onPostgres(t)
	s := w.serve()
	cardID := w.card()
	_, code := w.held(s, "ming", cardID)
	db, err := sqldb.Open(t.Context(), w.env["DATABASE_URL"])
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
	if e := s.book(entriesPath(cardID, code), "k1", `{"add_bonus":30}`).booked(t); e.Seq != 1 || e.Bonus != 30 {
		t.Errorf("got %+v", e)
	}
}
