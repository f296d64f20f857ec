package app_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/addcard/addcard/internal/wechatsim"
)

// held makes a user's card that the server knows to be in the wallet.
func (w *world) held(s *server, user, cardID string) (token, code string) {
	w.t.Helper()
	token, _ = w.login(s, user)
	list := s.post("/v1/card-ext", token, want(cardID))
	added, err := w.sim.AddCard(user, list.body)
	if err != nil {
		w.t.Fatal(err)
	}
	if got := s.post("/v1/claims", token, map[string]any{"cardList": added}); got.status != http.StatusOK {
		w.t.Fatalf("claims: %d %s", got.status, got.body)
	}
	faces, err := w.sim.Cards(user)
	if err != nil {
		w.t.Fatal(err)
	}
	return token, faces[len(faces)-1].Code
}

func entriesPath(cardID, code string) string {
	return "/v1/cards/" + cardID + "/codes/" + code + "/entries"
}

// book posts one entry as the operator.
func (s *server) book(path, key, body string) answer {
	s.t.Helper()
	return request(s.t, http.MethodPost, s.admin+path, adminToken, []byte(body), func(r *http.Request) {
		if key != "" {
			r.Header.Set("Idempotency-Key", key)
		}
	})
}

func (s *server) operator(method, path, body string) answer {
	s.t.Helper()
	var raw []byte
	if body != "" {
		raw = []byte(body)
	}
	return request(s.t, method, s.admin+path, adminToken, raw)
}

type entry struct {
	ID            string
	Seq           int64
	AddBonus      int64 `json:"add_bonus"`
	Bonus         int64
	AddBalance    int64 `json:"add_balance"`
	Balance       int64
	RecordBonus   string `json:"record_bonus"`
	RecordBalance string `json:"record_balance"`
	CreatedAt     string `json:"created_at"`
	Reverses      string
	Reversed      bool
}

// booked checks that an entry was written and returns it.
func (a answer) booked(t *testing.T) entry {
	t.Helper()
	var out struct{ Entry entry }
	if a.status != http.StatusCreated || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("got %d %s %s", a.status, a.header.Get("Content-Type"), a.body)
	}
	a.json(t, &out)
	return out.Entry
}

func TestEntries_are_booked_replayed_and_refused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	cardID := w.card()
	s := w.serve()
	token, code := w.held(s, "ming", cardID)
	path := entriesPath(cardID, code)

	first := s.book(path, "k1", `{"add_bonus":30,"add_balance":5000,"record_bonus":"消费30元","record_balance":"充值"}`)
	e := first.booked(t)
	if e.Seq != 1 || e.AddBonus != 30 || e.Bonus != 30 || e.AddBalance != 5000 || e.Balance != 5000 ||
		e.RecordBonus != "消费30元" || e.RecordBalance != "充值" || e.ID == "" || !strings.HasSuffix(e.CreatedAt, "Z") {
		t.Errorf("got %+v", e)
	}
	if first.header.Get("Idempotent-Replayed") != "" {
		t.Error("the first answer says that it is a replay")
	}
	// The same, with a default said and in another order.
	again := s.book(path, "k1", `{"notify_bonus":true,"record_balance":"充值","add_balance":5000,"record_bonus":"消费30元","add_bonus":30}`)
	if again.status != 201 || !bytes.Equal(again.body, first.body) || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("replay: %d %s %v", again.status, again.body, again.header)
	}
	s.book(path, "k1", `{"add_bonus":31,"add_balance":5000}`).problem(t, 422, "idempotency_key_reused")
	s.book(path, "k1", `{"add_bonus":30,"add_balance":5000,"record_bonus":"消费30元","record_balance":"充值","notify_bonus":false}`).problem(t, 422, "idempotency_key_reused")
	s.book(path, "", `{"add_bonus":1}`).problem(t, 400, "idempotency_key_missing")

	// A refused debit leaves no trace and may succeed later under its key.
	s.book(path, "k2", `{"add_bonus":-31}`).problem(t, 409, "insufficient_bonus")
	s.book(path, "k3", `{"add_bonus":1,"add_balance":-5001}`).problem(t, 409, "insufficient_balance")
	s.book(path, "k4", `{"add_bonus":1}`).booked(t)
	if e := s.book(path, "k2", `{"add_bonus":-31}`).booked(t); e.Seq != 3 || e.Bonus != 0 || e.Balance != 5000 {
		t.Errorf("the debit: %+v", e)
	}

	// What is wrong is put right by another entry, once.
	undo := fmt.Sprintf(`{"reverses":%q,"record_balance":"退款"}`, e.ID)
	s.book(path, "k5", undo).problem(t, 409, "insufficient_bonus") // 30 were spent
	s.book(path, "k6", `{"add_bonus":30}`).booked(t)
	undone := s.book(path, "k5", undo).booked(t)
	if undone.AddBonus != -30 || undone.AddBalance != -5000 || undone.Bonus != 0 || undone.Balance != 0 || undone.RecordBalance != "退款" {
		t.Errorf("undone: %+v", undone)
	}
	s.book(path, "k7", undo).problem(t, 409, "entry_not_reversible")
	s.book(path, "k7", fmt.Sprintf(`{"reverses":%q}`, undone.ID)).problem(t, 409, "entry_not_reversible")
	if got := s.book(path, "k5", undo); got.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the undoing again: %d %s", got.status, got.body)
	}

	// The operator and the member read it, newest first.
	var seen struct {
		Entries    []entry
		NextCursor *string `json:"next_cursor"`
	}
	s.operator("GET", path, "").json(t, &seen)
	if len(seen.Entries) != 5 || seen.NextCursor != nil || seen.Entries[0].Reverses != e.ID || !seen.Entries[4].Reversed || seen.Entries[4].ID != e.ID {
		t.Errorf("the ledger: %+v", seen)
	}
	var mine struct{ Entries []map[string]any }
	s.get("/v1/me/cards/"+cardID+"/codes/"+code+"/entries", token).json(t, &mine)
	if len(mine.Entries) != 5 || len(mine.Entries[0]) != 9 || mine.Entries[0]["seq"] != 5.0 {
		t.Errorf("one's own: %+v", mine)
	}
	other, _ := w.login(s, "hong")
	s.get("/v1/me/cards/"+cardID+"/codes/"+code+"/entries", other).problem(t, 404, "code_not_found")
	s.get("/v1/me/cards/"+cardID+"/codes/0/entries", token).problem(t, 404, "code_not_found")
	request(t, http.MethodPost, s.base+path, adminToken, []byte(`{"add_bonus":1}`)).problem(t, 404, "not_found")
}

func TestEntries_on_what_nobody_holds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	cardID := w.card()
	s := w.serve()
	token, _ := w.login(s, "ming")
	issued := exts(t, s.post("/v1/card-ext", token, want(cardID)))[0].Code
	s.book(entriesPath(cardID, issued), "k1", `{"add_bonus":1}`).problem(t, 409, "card_not_held")
	s.book(entriesPath(cardID, "nope"), "k1", `{"add_bonus":1}`).problem(t, 404, "code_not_found")
	s.book(entriesPath(cardID, "nope"), "k1", `{"reverses":"x"}`).problem(t, 404, "code_not_found")
	s.operator("GET", entriesPath(cardID, "nope"), "").problem(t, 404, "code_not_found")
	s.operator("PUT", "/v1/cards/"+cardID+"/codes/"+issued+"/fields", `{"custom_field1":"a"}`).problem(t, 409, "card_not_held")
	s.operator("PUT", "/v1/cards/"+cardID+"/codes/nope/fields", `{"custom_field1":"a"}`).problem(t, 404, "code_not_found")
}

func TestEntries_input(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	cardID := w.card()
	s := w.serve()
	_, code := w.held(s, "ming", cardID)
	path := entriesPath(cardID, code)
	for body, field := range map[string]string{
		`{}`:                              "body.add_bonus",
		`{"add_bonus":0,"add_balance":0}`: "body.add_bonus",
		`{"add_bonus":0.5}`:               "body.add_bonus",
		`{"add_bonus":1000000000001}`:     "body.add_bonus",
		`{"add_balance":-1000000000001}`:  "body.add_balance",
		`{"add_balance":"1"}`:             "body.add_balance",
		`{"add_bonus":1,"bonus":5}`:       "body.bonus",
		`{"add_bonus":1,"record_bonus":"` + strings.Repeat("汉", 15) + `"}`: "body.record_bonus",
		`{"add_bonus":1,"record_balance":"a\u0000"}`:                       "body.record_balance",
		`{"add_bonus":1,"reverses":"x"}`:                                   "body.reverses",
		`{"reverses":"x"}`:                                                 "body.reverses",
	} {
		if p := s.book(path, "k", body).problem(t, 422, "invalid_input"); len(p.Errors) == 0 || p.Errors[0].Location != field {
			t.Errorf("%s: %+v, want %s", body, p.Errors, field)
		}
	}
	for name, key := range map[string]string{"too long": strings.Repeat("k", 256), "汉字": "汉"} {
		if p := s.book(path, key, `{"add_bonus":1}`).problem(t, 422, "invalid_input"); len(p.Errors) == 0 || p.Errors[0].Location != "header.Idempotency-Key" {
			t.Errorf("key %s: %+v", name, p.Errors)
		}
	}
	s.book(path, strings.Repeat("k", 255), `{"add_bonus":1}`).booked(t)
	twice := request(t, http.MethodPost, s.admin+path, adminToken, []byte(`{"add_bonus":1}`), func(r *http.Request) { r.Header["Idempotency-Key"] = []string{"a", "b"} })
	twice.problem(t, 422, "invalid_input")

	for query, field := range map[string]string{"limit=0": "query.limit", "limit=201": "query.limit", "limit=x": "query.limit", "cursor=x": "query.cursor", "cursor=YQ": "query.cursor"} {
		if p := s.operator("GET", path+"?"+query, "").problem(t, 422, "invalid_input"); len(p.Errors) == 0 || p.Errors[0].Location != field {
			t.Errorf("%s: %+v", query, p.Errors)
		}
	}
	for body, field := range map[string]string{
		`{}`: "body", `{"notify":true}`: "body", `{"custom_field4":"a"}`: "body.custom_field4", `{"custom_field1":"汉汉汉汉a"}`: "body.custom_field1",
	} {
		if p := s.operator("PUT", "/v1/cards/"+cardID+"/codes/"+code+"/fields", body).problem(t, 422, "invalid_input"); len(p.Errors) == 0 || p.Errors[0].Location != field {
			t.Errorf("%s: %+v", body, p.Errors)
		}
	}
}

func TestEntries_come_page_by_page(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	cardID := w.card()
	s := w.serve()
	_, code := w.held(s, "ming", cardID)
	path := entriesPath(cardID, code)
	for i := range 7 {
		s.book(path, fmt.Sprint("k", i), `{"add_bonus":1}`).booked(t)
	}
	var seqs []int64
	next := "?limit=3"
	for next != "" {
		var page struct {
			Entries    []entry
			NextCursor string `json:"next_cursor"`
		}
		s.operator("GET", path+next, "").json(t, &page)
		for _, e := range page.Entries {
			seqs = append(seqs, e.Seq)
		}
		next = ""
		if page.NextCursor != "" {
			next = "?limit=3&cursor=" + page.NextCursor
		}
		s.book(path, "more"+next, `{"add_bonus":1}`) // what is new does not shift the pages
	}
	if fmt.Sprint(seqs) != "[7 6 5 4 3 2 1]" {
		t.Errorf("got %v", seqs)
	}
}

// One key, many requests at once, on two replicas: one effect, one answer.
func TestEntries_one_key_one_effect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	w.quiet = true
	cardID := w.card()
	replicas := []*server{w.serve(), w.serve()}
	_, code := w.held(replicas[0], "ming", cardID)
	path := entriesPath(cardID, code)
	const keys, parallel = 40, 64
	for k := range keys {
		var wg sync.WaitGroup
		var mu sync.Mutex
		bodies, fresh := map[string]bool{}, 0
		for i := range parallel {
			wg.Go(func() {
				got := replicas[i%2].book(path, fmt.Sprint("key ", k), `{"add_bonus":1}`)
				mu.Lock()
				defer mu.Unlock()
				bodies[fmt.Sprint(got.status, string(got.body))] = true
				if got.header.Get("Idempotent-Replayed") == "" {
					fresh++
				}
			})
		}
		wg.Wait()
		if len(bodies) != 1 || fresh != 1 {
			t.Fatalf("key %d: %d different answers, %d not replayed", k, len(bodies), fresh)
		}
	}
	if e := replicas[0].book(path, "last", `{"add_bonus":1}`).booked(t); e.Bonus != keys+1 || e.Seq != keys+1 {
		t.Errorf("after %d keys: %+v", keys, e)
	}
}

// A whole balance can be spent once.
func TestEntries_sixty_four_debits_of_a_whole_balance(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wechatsim.Options{})
	w.quiet = true
	cardID := w.card()
	replicas := []*server{w.serve(), w.serve()}
	_, code := w.held(replicas[0], "ming", cardID)
	path := entriesPath(cardID, code)
	replicas[0].book(path, "in", `{"add_balance":500}`).booked(t)
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for i := range 64 {
		wg.Go(func() {
			got := replicas[i%2].book(path, fmt.Sprint("out ", i), `{"add_balance":-500}`)
			mu.Lock()
			defer mu.Unlock()
			statuses[got.status]++
		})
	}
	wg.Wait()
	if statuses[201] != 1 || statuses[409] != 63 {
		t.Errorf("statuses: %v", statuses)
	}
}
