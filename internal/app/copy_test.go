package app_test

import (
	"maps"
	"path/filepath"
	"testing"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// A shop moves from SQLite to PostgreSQL and back, and its members notice nothing.
func TestCopy_AServerGoesOnWithTheCopy(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["CALLBACK_AES_KEY"] = apptest.AESKey
	s := w.Serve()
	w.Connect(s)
	id := w.NewCard(s, apptest.RealTime, apptest.WithBalance)
	token, code := w.Claim(s, "ming", id)
	path := apptest.EntriesPath(id, code)
	apptest.Eventually(t, "the card is active", func() bool { return s.Cards(token)[0].Status == "active" })
	first := s.AddEntry(path, "k1", `{"add_bonus":100,"add_balance":2000,"record_bonus":"a"}`).Entry(t)
	w.WaitTotals("ming", 100, 2000)
	_, loggedOut := w.Login(s, "hua")
	before := s.Cards(token)[0]

	url, seq := "sqlite:"+w.DB, first.Seq
	for _, next := range []string{sqldbtest.EmptyPostgres(t), "sqlite:" + filepath.Join(t.TempDir(), "moved.db")} {
		apptest.Eventually(t, "everything is counted", func() bool {
			f := figures(s)
			return f["activated"] == 1 && f["entries"] == seq
		})
		was := figures(s)
		s.Stop()
		if _, err := sqldb.Copy(t.Context(), url, next, func(sqldb.CopyStep) {}); err != nil {
			t.Fatal(err)
		}
		w.Env["DATABASE_URL"], url = next, next
		s = w.Serve()
		w.Connect(s)
		if got := s.Cards(token)[0]; got != before {
			t.Errorf("the card is %+v, was %+v", got, before)
		}
		if _, again := w.Login(s, "hua"); again != loggedOut {
			t.Errorf("hua is %s, was %s", again, loggedOut)
		}
		if got := figures(s); !maps.Equal(got, was) {
			t.Errorf("the figures are %v, were %v", got, was)
		}
		if again := s.AddEntry(path, "k1", `{"add_bonus":100,"add_balance":2000,"record_bonus":"a"}`).Entry(t); again != first {
			t.Errorf("the repeated entry is %+v, was %+v", again, first)
		}
		seq++
		got := s.AddEntry(path, "k"+next, `{"add_bonus":10,"record_bonus":"b"}`).Entry(t)
		if want := 100 + 10*(seq-first.Seq); got.Seq != seq || got.Bonus != want || got.Balance != 2000 {
			t.Errorf("the next entry is %+v, want seq %d with %d points", got, seq, want)
		}
		w.WaitTotals("ming", got.Bonus, got.Balance)
	}
}

// figures returns the sums of the statistics.
func figures(s *apptest.Server) map[string]int64 {
	s.T.Helper()
	var all struct{ Total map[string]int64 }
	s.Operate("GET", "/v1/statistics", nil).Is(s.T, 200).JSON(s.T, &all)
	return all.Total
}
