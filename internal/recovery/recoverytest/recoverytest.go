// Package recoverytest is the conformance suite of recovery.Store.
package recoverytest

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/recovery"
)

// Database is an empty store, and what the suite puts into it.
type Database struct {
	recovery.Store
	// AddCard adds the member card c1/code, with a known face unless it is issued.
	AddCard func(t *testing.T, code string, issued bool)
	// AddWallet adds an openid of the Official Account.
	AddWallet func(t *testing.T, openID string)
	// Face returns the figure of bonus that the database has recorded for the face of a
	// drifting card, and 0 for any other.
	Face func(t *testing.T, code string) int64
}

// Run runs the suite. open returns a new Database for each test.
func Run(t *testing.T, open func(t *testing.T) Database) {
	for name, test := range map[string]func(*testing.T, Database){
		"a new database needs no recovery":             none,
		"it is marked once, and again after the end":   marked,
		"the cards of the copy are added page by page": added,
		"it begins once": begun,
		"it lists wallets and issued codes in their order":   listed,
		"a card is settled, and an adopted one stays so":     settled,
		"how far it is, is kept":                             advanced,
		"its end leaves what differs, and records the drift": ended,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func state(t *testing.T, d Database) recovery.State {
	t.Helper()
	st, err := d.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func keys(t *testing.T, list func() ([]recovery.Key, error), want ...string) {
	t.Helper()
	got, err := list()
	must(t, err)
	var names []string
	for _, k := range got {
		names = append(names, k.First+" "+k.Second)
	}
	if !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
}

// begin marks the database and begins the recovery.
func begin(t *testing.T, d Database) {
	t.Helper()
	must(t, d.Mark(t.Context()))
	for more := true; more; {
		var err error
		more, err = d.AddCards(t.Context(), 100)
		must(t, err)
	}
	must(t, d.Begin(t.Context()))
}

func none(t *testing.T, d Database) {
	if st := state(t, d); st.Active() || st != (recovery.State{}) {
		t.Errorf("got %+v", st)
	}
	if counts, err := d.Counts(t.Context()); err != nil || len(counts) != 0 {
		t.Errorf("counts: %v, %v", counts, err)
	}
	if got, err := d.CardState(t.Context(), recovery.Key{First: "c1", Second: "a"}); got != "" || err != nil {
		t.Errorf("a card: %q, %v", got, err)
	}
	must(t, d.Begin(t.Context())) // changes nothing
	if st := state(t, d); st.Active() {
		t.Errorf("it has begun: %+v", st)
	}
}

func marked(t *testing.T, d Database) {
	d.AddCard(t, "a", false)
	begin(t, d)
	first := state(t, d)
	if !first.Active() || first.BeganAt.IsZero() {
		t.Fatalf("got %+v", first)
	}
	must(t, d.Mark(t.Context()))
	if again := state(t, d); again != first {
		t.Errorf("marked again: %+v, was %+v", again, first)
	}
	must(t, d.End(t.Context()))
	must(t, d.Mark(t.Context()))
	if later := state(t, d); !later.Active() || !later.BeganAt.IsZero() || !later.EndedAt.IsZero() {
		t.Errorf("after the end: %+v", later)
	}
	if counts, err := d.Counts(t.Context()); err != nil || len(counts) != 0 {
		t.Errorf("the cards of the last one are still there: %v, %v", counts, err)
	}
}

func added(t *testing.T, d Database) {
	for n := range 5 {
		d.AddCard(t, fmt.Sprint("a", n), n == 2)
	}
	must(t, d.Mark(t.Context()))
	pages := 0
	for more := true; more; pages++ {
		var err error
		more, err = d.AddCards(t.Context(), 2)
		must(t, err)
	}
	if pages != 3 {
		t.Errorf("%d pages of 2 for 5 cards", pages)
	}
	keys(t, func() ([]recovery.Key, error) { return d.Cards(t.Context(), recovery.Key{}, 10) }, "c1 a0", "c1 a1", "c1 a3", "c1 a4")
	keys(t, func() ([]recovery.Key, error) {
		return d.Cards(t.Context(), recovery.Key{First: "c1", Second: "a1"}, 1)
	}, "c1 a3")
}

func begun(t *testing.T, d Database) {
	begin(t, d)
	first := state(t, d)
	must(t, d.Advance(t.Context(), recovery.PhaseCodes, recovery.Key{First: "c1", Second: "x"}, 0))
	must(t, d.Begin(t.Context()))
	if again := state(t, d); again.BeganAt != first.BeganAt || again.Phase != recovery.PhaseCodes {
		t.Errorf("it began again: %+v, was %+v", again, first)
	}
}

func listed(t *testing.T, d Database) {
	for _, openID := range []string{"o2", "o1", "o3"} {
		d.AddWallet(t, openID)
	}
	d.AddCard(t, "b", true)
	d.AddCard(t, "a", true)
	d.AddCard(t, "c", false)
	begin(t, d)
	d.AddCard(t, "d", true) // since the beginning
	keys(t, func() ([]recovery.Key, error) { return d.Wallets(t.Context(), recovery.Key{First: "o1"}, 5) }, "o2 ", "o3 ")
	keys(t, func() ([]recovery.Key, error) { return d.Codes(t.Context(), recovery.Key{}, 5) }, "c1 a", "c1 b")
}

func settled(t *testing.T, d Database) {
	for _, code := range []string{"a", "b", "c"} {
		d.AddCard(t, code, false)
	}
	begin(t, d)
	settle := func(code, state string, bonus, face int64) {
		t.Helper()
		must(t, d.Settle(t.Context(), recovery.Difference{CardID: "c1", Code: code, State: state, Bonus: bonus, FaceBonus: face}))
	}
	settle("a", recovery.Equal, 1, 1)
	settle("b", recovery.Differs, 100, 150)
	settle("b", recovery.Adopted, 100, 150)
	settle("b", recovery.Equal, 150, 150) // looked at once more
	states := map[string]int64{recovery.Equal: 1, recovery.Adopted: 1, recovery.Unread: 1}
	if counts, err := d.Counts(t.Context()); err != nil || !maps.Equal(counts, states) {
		t.Errorf("counts: %v, %v", counts, err)
	}
	list, err := d.Differences(t.Context(), recovery.Key{}, 5)
	if err != nil || len(list) != 1 || list[0].State != recovery.Adopted || list[0].Bonus != 100 || list[0].FaceBonus != 150 ||
		time.Since(list[0].LookedAt).Abs() > time.Hour {
		t.Errorf("differences: %+v, %v", list, err)
	}
	if list, err := d.Differences(t.Context(), recovery.Key{First: "c1", Second: "b"}, 5); len(list) != 0 || err != nil {
		t.Errorf("behind it: %+v, %v", list, err)
	}
	if got, err := d.CardState(t.Context(), recovery.Key{First: "c1", Second: "c"}); got != recovery.Unread || err != nil {
		t.Errorf("the third: %q, %v", got, err)
	}
}

func advanced(t *testing.T, d Database) {
	begin(t, d)
	after := recovery.Key{First: "o1", Second: "x"}
	must(t, d.Advance(t.Context(), recovery.PhaseWallets, after, 2))
	must(t, d.Advance(t.Context(), recovery.PhaseWallets, after, 3))
	if st := state(t, d); st.Phase != recovery.PhaseWallets || st.After != after || st.Found != 5 {
		t.Errorf("got %+v", st)
	}
}

func ended(t *testing.T, d Database) {
	d.AddCard(t, "a", false)
	d.AddCard(t, "b", false)
	begin(t, d)
	must(t, d.Settle(t.Context(), recovery.Difference{CardID: "c1", Code: "a", State: recovery.Differs, Bonus: 100, FaceBonus: 150}))
	must(t, d.End(t.Context()))
	if st := state(t, d); st.Active() || st.EndedAt.IsZero() {
		t.Errorf("got %+v", st)
	}
	if counts, err := d.Counts(t.Context()); err != nil || !maps.Equal(counts, map[string]int64{recovery.Left: 2}) {
		t.Errorf("counts: %v, %v", counts, err)
	}
	if a, b := d.Face(t, "a"), d.Face(t, "b"); a != 150 || b != 0 {
		t.Errorf("drifts: %d and %d, want 150 and 0", a, b)
	}
}
