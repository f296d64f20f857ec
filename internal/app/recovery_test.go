package app_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/recovery"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/testing/postgres"
	"github.com/addcard/addcard/internal/wechatsim"
)

// core opens the services of the world's database, as a command does.
func core(w *apptest.World) *app.Core {
	w.T.Helper()
	cfg, err := config.Load(w.Environ())
	if err != nil {
		w.T.Fatal(err)
	}
	c, err := app.Open(w.T.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		w.T.Fatal(err)
	}
	w.T.Cleanup(func() { _ = c.Close() })
	return c
}

// looked waits until the server has compared everything, and returns the state.
func looked(w *apptest.World, c *app.Core) (st recovery.Status) {
	w.T.Helper()
	apptest.Eventually(w.T, "everything is compared", func() bool {
		var err error
		if st, err = c.Recovery.Status(w.T.Context()); err != nil {
			w.T.Fatal(err)
		}
		return st.Phase == recovery.PhaseDone
	})
	return st
}

// differences returns the states of the differences, by code.
func differences(w *apptest.World, c *app.Core) map[string]string {
	w.T.Helper()
	list, err := c.Recovery.Differences(w.T.Context(), recovery.Key{}, 100)
	if err != nil {
		w.T.Fatal(err)
	}
	states := map[string]string{}
	for _, d := range list {
		states[d.Code] = fmt.Sprintf("%s %d→%d", d.State, d.Bonus, d.FaceBonus)
	}
	return states
}

// A shop lives on for a while after a backup, loses its database and restores the
// backup. Nothing that its members have may be lost or set back.
func TestRecovery_AnOldCopyHarmsNobody(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card(func(base, _ map[string]any) { base["need_push_on_view"] = true })
	s := w.Serve()
	w.Connect(s)
	bonus := func(user, code, key string, add int, total int64) {
		t.Helper()
		s.AddEntry(apptest.EntriesPath(cardID, code), key, fmt.Sprintf(`{"add_bonus":%d}`, add)).Entry(t)
		w.WaitTotals(user, total, 0)
	}
	quietToken, quiet := w.Claim(s, "quiet", cardID)
	_, richer := w.Claim(s, "richer", cardID)
	_, poorer := w.Claim(s, "poorer", cardID)
	bonus("quiet", quiet, "q1", 100, 100)
	bonus("richer", richer, "r1", 100, 100)
	bonus("poorer", poorer, "p1", 100, 100)
	later, _ := w.Login(s, "later")
	laterSigned := s.Post("/v1/card-ext", later, apptest.CardIDs(cardID)) // issued before the copy, taken after it
	w.WaitEvents()

	backup := filepath.Join(t.TempDir(), "backup.db")
	if _, err := sqldb.Backup(t.Context(), "sqlite:"+w.DB, backup, func(string) {}); err != nil {
		t.Fatal(err)
	}

	bonus("richer", richer, "r2", 50, 150)
	bonus("poorer", poorer, "p2", -60, 40)
	if _, err := w.Sim.AddCard("later", laterSigned.Body); err != nil {
		t.Fatal(err)
	}
	token, _ := w.Login(s, "newcomer")
	added := apptest.Claims(w.AddCard(s, token, "newcomer", cardID)[0])
	s.Post("/v1/claims", token, added).Is(t, http.StatusOK)
	newcomer := w.CodeOf("newcomer")
	bonus("newcomer", newcomer, "n1", 70, 70)
	w.WaitTotals("later", 0, 0)
	w.WaitEvents()
	faces := map[string]int64{"quiet": 100, "richer": 150, "poorer": 40, "later": 0, "newcomer": 70}
	unchanged := func(when string) {
		t.Helper()
		got := map[string]int64{}
		for user := range faces {
			got[user] = w.WaitTotals(user, faces[user], 0).Bonus
		}
		if !maps.Equal(got, faces) {
			t.Errorf("%s the faces show %v, want %v", when, got, faces)
		}
	}
	s.Stop()
	w.Control("expire", apptest.Object{"credential": "api_ticket"}) // the ticket of the copy is none any more

	if _, err := sqldb.Restore(t.Context(), backup, "sqlite:"+w.DB, func(string) {}); err != nil {
		t.Fatal(err)
	}
	s = w.Serve()
	w.Connect(s)
	c := core(w)
	s.Get("/v1/me", quietToken).Problem(t, http.StatusUnauthorized, "session_invalid")
	if st := looked(w, c); st.Cards[recovery.Equal] != 1 || st.Cards[recovery.Differs] != 2 || st.Found != 1 || st.CopiedAt.IsZero() {
		t.Errorf("compared: %+v", st)
	}
	if got, want := differences(w, c), map[string]string{richer: "differs 100→150", poorer: "differs 100→40"}; !maps.Equal(got, want) {
		t.Errorf("differences: %v, want %v", got, want)
	}
	bonus("quiet", quiet, "q2", 1, 101) // a card without a difference can be used at once
	faces["quiet"] = 101
	s.AddEntry(apptest.EntriesPath(cardID, richer), "r3", `{"add_bonus":5}`).Problem(t, http.StatusServiceUnavailable, "unavailable")
	s.AddEntry(apptest.EntriesPath(cardID, quiet), "q2", `{"add_bonus":1}`).Is(t, http.StatusCreated)

	// Who took a card since the copy has it again, and gets no second one.
	token, _ = w.Login(s, "later")
	apptest.Eventually(t, "the card of later is active", func() bool {
		cards := s.Cards(token)
		return len(cards) == 1 && cards[0].Status == "active" && cards[0].Code == w.CodeOf("later")
	})
	token, _ = w.Login(s, "newcomer")
	w.Phone("newcomer", "open-card", `{"cardList":[{"cardId":"`+cardID+`","code":"`+newcomer+`"}]}`)
	w.WaitEvents()
	s.Post("/v1/claims", token, added).Is(t, http.StatusOK) // as when the mini-program is opened from the card
	apptest.Eventually(t, "the card of newcomer is there", func() bool {
		cards := s.Cards(token)
		return len(cards) == 1 && cards[0].Status == "active" && cards[0].Code == newcomer
	})
	exts := apptest.CardExts(t, s.Post("/v1/card-ext", token, apptest.CardIDs(cardID)))
	if exts[0].Code != newcomer {
		t.Errorf("newcomer gets the code %s, has %s", exts[0].Code, newcomer)
	}
	unchanged("while cards differ")

	if err := c.Recovery.Finish(t.Context(), false); err == nil {
		t.Error("the recovery ends although cards differ")
	}
	adopted := 0
	if err := c.Recovery.Adopt(t.Context(), func(recovery.Difference) { adopted++ }); err != nil || adopted != 2 {
		t.Errorf("adopted %d, %v", adopted, err)
	}
	if err := c.Recovery.Finish(t.Context(), false); err != nil {
		t.Error(err)
	}
	if got, want := differences(w, c), map[string]string{richer: "adopted 100→150", poorer: "adopted 100→40"}; !maps.Equal(got, want) {
		t.Errorf("differences: %v, want %v", got, want)
	}
	unchanged("after the recovery")
	apptest.Eventually(t, "the server sees that the recovery has ended", func() bool {
		return s.AddEntry(apptest.EntriesPath(cardID, richer), "r4", `{"add_bonus":-150}`).Status == http.StatusCreated
	})
	w.WaitTotals("richer", 0, 0)
	bonus("newcomer", newcomer, "n2", 5, 75)
	if wrong, err := c.Ledger.Unbalanced(context.WithoutCancel(t.Context()), 9); len(wrong) != 0 || err != nil {
		t.Errorf("do not add up: %v, %v", wrong, err)
	}
}

// shopUnderLoad is a shop whose members take cards, earn and spend all the time.
type shopUnderLoad struct {
	w      *apptest.World
	s      *apptest.Server
	cardID string

	mu   sync.Mutex
	took map[string]wechatsim.AddedCard // by user
}

// live has user number n log in, take a card and book on it until ctx ends. WeChat
// refuses what comes after the end.
func (l *shopUnderLoad) live(ctx context.Context, n int) {
	user := fmt.Sprint("user", n)
	token, _ := l.w.Login(l.s, user)
	added := l.w.AddCard(l.s, token, user, l.cardID)[0]
	l.mu.Lock()
	l.took[user] = added
	l.mu.Unlock()
	l.s.Post("/v1/claims", token, apptest.Claims(added)).Is(l.w.T, http.StatusOK)
	path := apptest.EntriesPath(l.cardID, l.w.CodeOf(user))
	for i := 0; ctx.Err() == nil && i < 40; i++ {
		add := 10
		if i%3 == 2 {
			add = -7
		}
		l.s.AddEntry(path, fmt.Sprint(user, " ", i), fmt.Sprintf(`{"add_bonus":%d}`, add)).Is(l.w.T, http.StatusCreated)
	}
}

// faces returns what each user's card shows, and ends the test if somebody has two.
func (l *shopUnderLoad) faces() map[string]wechatsim.CardFace {
	l.w.T.Helper()
	faces := map[string]wechatsim.CardFace{}
	for user := range l.took {
		cards, err := l.w.Sim.Cards(user)
		if err != nil || len(cards) != 1 {
			l.w.T.Fatalf("%s has the cards %v, %v", user, cards, err)
		}
		faces[user] = cards[0]
	}
	return faces
}

// A backup is made while everybody takes cards and books; much happens before it is
// restored. No face falls, each difference is listed, nobody gets a second code, and
// everybody has the card that is in the wallet.
func TestRecovery_OfABackupUnderLoad(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Quiet = true
	l := &shopUnderLoad{w: w, cardID: w.Card(), took: map[string]wechatsim.AddedCard{}}
	l.s = w.Serve()
	w.Connect(l.s)
	const before, since = 24, 8
	var lives sync.WaitGroup
	slots := make(chan struct{}, 6)
	run := func(n int) {
		slots <- struct{}{}
		lives.Go(func() { l.live(t.Context(), n); <-slots })
	}
	backup := filepath.Join(t.TempDir(), "backup.db")
	for n := range before {
		run(n)
		if n == before/2 {
			if _, err := sqldb.Backup(t.Context(), "sqlite:"+w.DB, backup, func(string) {}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n := range since {
		run(before + n)
	}
	lives.Wait()
	w.WaitEvents()
	apptest.Eventually(t, "all is sent", func() bool { return len(l.s.Outbox("")) == 0 })
	l.s.Stop()
	shown := l.faces()

	if _, err := sqldb.Restore(t.Context(), backup, "sqlite:"+w.DB, func(string) {}); err != nil {
		t.Fatal(err)
	}
	l.s = w.Serve()
	w.Connect(l.s)
	c := core(w)
	st := looked(w, c)
	listed := differences(w, c)
	people, err := c.Members.People(t.Context(), member.Mark{}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	ledger := map[string]int64{}
	for _, p := range people {
		for _, card := range p.Cards {
			ledger[card.Code] = card.Bonus
		}
	}
	for user, face := range shown {
		if bonus, known := ledger[face.Code]; known && bonus != face.Bonus && listed[face.Code] == "" {
			t.Errorf("%s: the ledger has %d, the face %d, and no difference is listed", user, bonus, face.Bonus)
		}
	}
	if err := c.Recovery.Adopt(t.Context(), func(recovery.Difference) {}); err != nil {
		t.Fatal(err)
	}
	if err := c.Recovery.Finish(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	// Everybody comes back, and opens the mini-program from the card.
	for user, added := range l.took {
		token, _ := w.Login(l.s, user)
		l.s.Post("/v1/claims", token, apptest.Claims(added)).Is(t, http.StatusOK)
		exts := apptest.CardExts(t, l.s.Post("/v1/card-ext", token, apptest.CardIDs(l.cardID)))
		if exts[0].Code != shown[user].Code {
			t.Errorf("%s gets the code %s and has %s", user, exts[0].Code, shown[user].Code)
		}
	}
	w.WaitEvents()
	apptest.Eventually(t, "all is sent", func() bool { return len(l.s.Outbox("")) == 0 })
	for user, face := range l.faces() {
		if face.Code != shown[user].Code || face.Bonus < shown[user].Bonus {
			t.Errorf("%s has %+v, had %+v", user, face, shown[user])
		}
		l.s.AddEntry(apptest.EntriesPath(l.cardID, face.Code), user+" later", `{"add_bonus":1}`).Is(t, http.StatusCreated)
	}
	if wrong, err := c.Ledger.Unbalanced(t.Context(), 9); len(wrong) != 0 || err != nil {
		t.Errorf("do not add up: %v, %v", wrong, err)
	}
	t.Logf("of %d cards in wallets the copy had %v, %d were found, %d differences were listed", len(shown), st.Cards, st.Found, len(listed))
}

// PostgreSQL has tools of its own, which mark no copy: the operator begins the recovery.
func TestRecovery_OfADumpOfPostgreSQL(t *testing.T) {
	t.Parallel()
	server := postgres.Shared(t)
	w := apptest.New(t, wechatsim.Options{})
	w.Env["DATABASE_URL"] = sqldbtest.Postgres(t)
	cardID := w.Card()
	s := w.Serve()
	w.Connect(s)
	token, code := w.Claim(s, "ming", cardID)
	path := apptest.EntriesPath(cardID, code)
	s.AddEntry(path, "k1", `{"add_bonus":100}`).Entry(t)
	w.WaitTotals("ming", 100, 0)
	w.WaitEvents()
	source, err := url.Parse(w.Env["DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	database := strings.TrimPrefix(source.Path, "/")
	dump := server.Dump(t, database)
	s.AddEntry(path, "k2", `{"add_bonus":50}`).Entry(t)
	w.WaitTotals("ming", 150, 0)
	s.Stop()

	w.Env["DATABASE_URL"] = server.Load(t, dump, database+"_restored")
	c := core(w)
	if st, err := c.Recovery.Status(t.Context()); st.Active() || err != nil {
		t.Errorf("before the operator says so: %+v, %v", st, err)
	}
	if err := c.Recovery.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = w.Serve()
	s.Get("/v1/me", token).Problem(t, http.StatusUnauthorized, "session_invalid")
	looked(w, c)
	if got, want := differences(w, c), map[string]string{code: "differs 100→150"}; !maps.Equal(got, want) {
		t.Errorf("differences: %v, want %v", got, want)
	}
	if err := c.Recovery.Adopt(t.Context(), func(recovery.Difference) {}); err != nil {
		t.Fatal(err)
	}
	s.AddEntry(path, "k3", `{"add_bonus":1}`).Entry(t)
	w.WaitTotals("ming", 151, 0)
	if err := c.Recovery.Finish(t.Context(), false); err != nil {
		t.Error(err)
	}
}
