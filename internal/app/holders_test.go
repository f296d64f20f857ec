package app_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/importer"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// holder is a person who held a card before addcard, as the simulator has it.
type holder struct {
	User, OpenID, UnionID, Code, Status string
	HasActive                           bool   `json:"has_active"`
	MembershipNumber                    string `json:"membership_number"`
	Bonus, Balance                      int64
	Messages, Writes                    int
}

const infoPath = "/card/membercard/userinfo/get"

// adoption is a shop whose cards are in wallets already, and a file that lists them.
type adoption struct {
	*apptest.World
	server  *apptest.Server
	core    *app.Core
	cardID  string
	holders map[string]holder // by code
	file    string
	live    map[string]bool // codes that can be adopted
	unnamed map[string]bool // codes without a unionid in the file
	wrong   map[string]bool // codes of lines that WeChat says are wrong
}

// newAdoption returns a shop with n holders. Some of them are not active, some have
// deleted the card, and the file has wrong openids, unknown codes and no unionid for
// every fourth.
func newAdoption(t *testing.T, n int, seed uint64, edit func(base, card apptest.Object)) *adoption {
	w := apptest.New(t, wechatsim.Options{})
	w.Quiet = true
	a := &adoption{World: w, cardID: w.Card(edit, apptest.WithBalance), holders: map[string]holder{},
		live: map[string]bool{}, unnamed: map[string]bool{}, wrong: map[string]bool{}}
	w.Control("cards/"+a.cardID+"/holders", apptest.Object{"count": n, "seed": seed}).Is(t, 200)
	a.holders = a.faces()
	a.server = w.Serve()
	w.Connect(a.server)
	cfg, err := config.Load(w.Environ())
	if err != nil {
		t.Fatal(err)
	}
	if a.core, err = app.Open(t.Context(), cfg, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.core.Close() })
	a.writeFile(rand.New(rand.NewPCG(seed, 1)))
	return a
}

func (a *adoption) writeFile(random *rand.Rand) {
	codes := slices.Sorted(maps.Keys(a.holders))
	random.Shuffle(len(codes), func(i, j int) { codes[i], codes[j] = codes[j], codes[i] })
	lines := []string{"卡号,openid,unionid"}
	for i, code := range codes {
		h := a.holders[code]
		openID, unionID := h.OpenID, h.UnionID
		switch {
		case i%25 == 7:
			other, err := a.Sim.Person("other." + strconv.Itoa(i))
			if err != nil {
				a.T.Fatal(err)
			}
			openID = other.OpenID
		case i%5 == 0:
			openID = ""
		}
		if i%4 == 3 {
			unionID, a.unnamed[code] = "", true
		}
		lines = append(lines, code+","+openID+","+unionID)
		if h.Status == "NORMAL" && i%25 != 7 {
			a.live[code] = true
		} else {
			a.wrong[code] = true
		}
		if i%30 == 4 {
			a.wrong["77"+strconv.Itoa(i)] = true
			lines = append(lines, "77"+strconv.Itoa(i)+",,")
		}
	}
	a.file = strings.Join(lines, "\n") + "\n"
}

// faces returns who holds the card, and what the faces show.
func (a *adoption) faces() map[string]holder {
	a.T.Helper()
	var list struct{ Holders []holder }
	apptest.Request(a.T, http.MethodGet, a.WeChat.URL+"/_sim/cards/"+a.cardID+"/holders", "", nil).Is(a.T, 200).JSON(a.T, &list)
	faces := map[string]holder{}
	for _, h := range list.Holders {
		faces[h.Code] = h
	}
	return faces
}

// quota sets how many cards WeChat lets be read in a day; 0 is no bound.
func (a *adoption) quota(perDay int) {
	a.T.Helper()
	body := fmt.Appendf(nil, `{"path":%q,"per_day":%d}`, infoPath, perDay)
	apptest.Request(a.T, http.MethodPut, a.WeChat.URL+"/_sim/quotas", "", body).Is(a.T, 200)
}

// run adopts the holders of the file with so many calls of WeChat, and returns the number
// that it made: one for a line that it tells, and some that were on their way when it
// stopped. Eight are read at once, and while one of them is slow the others go on.
func (a *adoption) run(calls int) (made int, err error) {
	a.T.Helper()
	before, told := a.Sim.Calls()[infoPath], 0
	c, err := a.core.Imports.Import(a.T.Context(), bytes.NewReader([]byte(a.file)), int64(len(a.file)), importer.Options{
		Name: "holders", CardID: a.cardID, Actor: "cli", SkipRefused: true, Holders: true, Calls: calls,
	}, func(some []importer.Result, _ int) {
		for _, r := range some {
			if r.Outcome != importer.Unchanged {
				told++
			}
		}
	})
	after := a.Sim.Calls()[infoPath]
	made = after.Total - before.Total
	spent := after.Outcomes["45009"] - before.Outcomes["45009"]
	if made > told+spent+24 || made > calls {
		a.T.Errorf("%d calls of at most %d, %d lines, %d refused by the quota: %+v", made, calls, told, spent, c)
	}
	return made, err
}

// A shop brings the holders of its card to addcard while the server runs. Nothing
// changes on a face, no holder gets a message, and WeChat is called once for a card.
func TestAdopt_HoldersThatWereThereBefore(t *testing.T) {
	t.Parallel()
	n := 300
	if os.Getenv("ADDCARD_HOLDERS") == "full" {
		n = 1000
	}
	for kind, c := range map[string]struct {
		n    int
		edit func(base, card apptest.Object)
	}{
		"custom":  {n, func(_, _ apptest.Object) {}},
		"deposit": {n / 5, apptest.Deposit},
		"system":  {n / 5, func(base, _ apptest.Object) { base["use_custom_code"] = false }},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			a := newAdoption(t, c.n, 7, c.edit)
			a.adoptWithInterruptions(c.n)
			a.wantFacesUntouched()
			a.wantLedgers()
			a.wantSameMembers()
			a.wantOnePointMore()
			a.wantNothingToReconcile()
		})
	}
}

// adoptWithInterruptions adopts until the budget is spent, then until WeChat's quota is,
// then to the end, and once more.
func (a *adoption) adoptWithInterruptions(n int) {
	a.T.Helper()
	if _, err := a.run(n / 4); !errors.Is(err, importer.ErrCalls) {
		a.T.Fatalf("the budget: %v", err)
	}
	a.quota(n / 2)
	if _, err := a.run(n); err == nil || !strings.Contains(err.Error(), "45009") {
		a.T.Fatalf("the quota: %v", err)
	}
	a.quota(0)
	if _, err := a.run(2 * n); err != nil {
		a.T.Fatal(err)
	}
	if made, err := a.run(n); err != nil || made != len(a.wrong) {
		a.T.Errorf("again: %d calls, %v; %d lines are wrong", made, err, len(a.wrong))
	}
}

func (a *adoption) wantFacesUntouched() {
	a.T.Helper()
	if now := a.faces(); !maps.Equal(now, a.holders) {
		a.T.Error("a face has changed, or a holder got a message")
	}
	for path, c := range a.Sim.Calls() {
		if path != infoPath && strings.HasPrefix(path, "/card/membercard/") {
			a.T.Errorf("%s: %+v", path, c)
		}
	}
	if list := a.server.Outbox(""); len(list) != 0 {
		a.T.Errorf("messages wait: %+v", list)
	}
}

// wantLedgers checks that each card begins with what its face shows.
func (a *adoption) wantLedgers() {
	a.T.Helper()
	for code, h := range a.holders {
		if !a.live[code] {
			a.server.Operate(http.MethodGet, apptest.EntriesPath(a.cardID, code), nil).Problem(a.T, 404, "code_not_found")
			continue
		}
		var got struct{ Entries []apptest.Entry }
		a.server.Operate(http.MethodGet, apptest.EntriesPath(a.cardID, code), nil).Is(a.T, 200).JSON(a.T, &got)
		want := 1
		if h.Bonus == 0 && h.Balance == 0 {
			want = 0
		}
		if len(got.Entries) != want || want == 1 && (got.Entries[0].AddBonus != h.Bonus || got.Entries[0].AddBalance != h.Balance) {
			a.T.Errorf("%+v began with %+v", h, got)
		}
	}
	wrong, err := a.core.Ledger.Unbalanced(a.T.Context(), 10)
	if err != nil || len(wrong) != 0 {
		a.T.Errorf("unbalanced: %+v, %v", wrong, err)
	}
}

// sample returns up to n codes of active cards that were adopted.
func (a *adoption) sample(n int, ok func(code string) bool) (codes []string) {
	for _, code := range slices.Sorted(maps.Keys(a.live)) {
		if len(codes) < n && a.holders[code].HasActive && ok(code) {
			codes = append(codes, code)
		}
	}
	return codes
}

// wantSameMembers logs in some holders with a unionid in the file: they are the members
// of their cards.
func (a *adoption) wantSameMembers() {
	a.T.Helper()
	codes := a.sample(20, func(code string) bool { return !a.unnamed[code] })
	for _, code := range codes {
		h := a.holders[code]
		page := a.server.Members("?query=" + h.OpenID)
		token, memberID := a.Login(a.server, h.User)
		cards := a.server.Cards(token)
		if len(page.Members) != 1 || page.Members[0].ID != memberID || len(cards) != 1 || cards[0].Code != code ||
			cards[0].Status != "active" || cards[0].MembershipNumber != h.MembershipNumber {
			a.T.Errorf("%+v is %s with %+v, was %+v", h, memberID, cards, page.Members)
		}
	}
	if len(codes) == 0 {
		a.T.Error("no holder logged in")
	}
}

// wantOnePointMore adds a point to some cards, and no other may change.
func (a *adoption) wantOnePointMore() {
	a.T.Helper()
	want := maps.Clone(a.holders)
	for _, code := range a.sample(60, func(string) bool { return true }) {
		a.server.AddEntry(apptest.EntriesPath(a.cardID, code), "one more "+code, `{"add_bonus":1}`).Entry(a.T)
		h := want[code]
		h.Bonus, h.Messages, h.Writes = h.Bonus+1, 1, 1
		want[code] = h
	}
	apptest.Eventually(a.T, "the faces show a point more", func() bool { return len(a.server.Outbox("")) == 0 })
	a.WaitEvents()
	if got := a.faces(); !maps.Equal(got, want) {
		a.T.Errorf("got %+v, want %+v", got, want)
	}
	a.holders = want
}

// wantNothingToReconcile has some cards and wallets compared with WeChat.
func (a *adoption) wantNothingToReconcile() {
	a.T.Helper()
	a.server.Stop()
	overdue(a.World)
	a.server = a.Serve()
	var metrics string
	apptest.Eventually(a.T, "cards were compared", func() bool {
		metrics = string(a.server.Operate(http.MethodGet, "/metrics", "").Body)
		return strings.Contains(metrics, `addcard_reconciled_total{outcome="equal"} 20`)
	})
	for _, line := range []string{"addcard_ledger_unbalanced_cards 0", "addcard_drifting_cards 0"} {
		if !strings.Contains(metrics, line) {
			a.T.Errorf("/metrics lacks %s", line)
		}
	}
	if strings.Count(metrics, "addcard_reconciled_total{") != 1 {
		a.T.Errorf("the reconciler found a difference:\n%s", metrics)
	}
	if got := a.faces(); !maps.Equal(got, a.holders) {
		a.T.Error("the reconciler changed a face")
	}
}
