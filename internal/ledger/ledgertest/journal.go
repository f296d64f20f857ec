package ledgertest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
)

// journal returns all entries that f selects, read n at a time.
func journal(t *testing.T, s stores, f ledger.Filter, n int) (list []ledger.CardEntry) {
	t.Helper()
	for before := (ledger.Mark{}); ; {
		page, err := s.AllEntries(t.Context(), f, before, n)
		if err != nil || len(page) > n || len(list) > 100 {
			t.Fatalf("%+v: %d entries after %d, %v", f, len(page), len(list), err)
		}
		list = append(list, page...)
		if len(page) < n {
			return list
		}
		before = page[n-1].Mark()
	}
}

func entryIDs(list []ledger.CardEntry) (ids []string) {
	for _, e := range list {
		ids = append(ids, e.ID)
	}
	return ids
}

func journalPages(t *testing.T, s stores) {
	holder(t, s)
	for range 3 {
		booked(t, s, points(1), "")
	}
	p := booked(t, s, ledger.Booking{AddBonus: 2, AddBalance: 3, RecordBonus: "why"}, "")
	all := journal(t, s, ledger.Filter{}, 50)
	newestFirst := func(a, b ledger.CardEntry) int { return b.CreatedAt.Compare(a.CreatedAt) }
	if len(all) != 2*len(neighbours)+4 || !slices.IsSortedFunc(all, newestFirst) {
		t.Errorf("got %+v", all)
	}
	for n := 1; n < 20; n += 3 {
		if got := journal(t, s, ledger.Filter{}, n); !slices.Equal(entryIDs(got), entryIDs(all)) {
			t.Errorf("%d at a time: got %v\nwant %v", n, entryIDs(got), entryIDs(all))
		}
	}
	i := slices.Index(entryIDs(all), p.ID)
	want := ledger.CardEntry{Entry: p.Entry, CardID: "c1", Code: "A1"}
	want.Sent = ledger.SentDone // without a message it counts as sent
	if i < 0 || all[i] != want {
		t.Errorf("got %+v\nwant %+v", all, want)
	}
	for _, e := range all {
		want := ledger.SentWaiting
		switch {
		case e.Code == "A1" && e.CardID == "c1":
			continue
		case e.CardID == "c3", e.Code == "N2":
			want = ledger.SentHeld
		}
		if e.Sent != want {
			t.Errorf("of %s/%s: %s, want %s", e.CardID, e.Code, e.Sent, want)
		}
	}
}

func journalFilters(t *testing.T, s stores) {
	holder(t, s)
	ids := map[string]string{}
	for key, b := range map[string]ledger.Booking{
		"amy s1 o1": {AddBonus: 1, Store: "s1", Order: "o1"}, "amy s2 o1": {AddBonus: 1, Store: "s2", Order: "o1"},
		"bob s1 o2": {AddBonus: 1, Store: "s1", Order: "o2"}, "bob": {AddBonus: 1},
	} {
		ids[ask(t, s, b, by(key[:3], key, nil), nil)] = key
	}
	for _, c := range []struct {
		f    ledger.Filter
		want []string
	}{
		{ledger.Filter{Actor: "amy"}, []string{"amy s1 o1", "amy s2 o1"}},
		{ledger.Filter{Actor: "bob", Store: "s1"}, []string{"bob s1 o2"}},
		{ledger.Filter{Store: "s1"}, []string{"amy s1 o1", "bob s1 o2"}},
		{ledger.Filter{Store: "s1", CardID: "c1"}, []string{"amy s1 o1", "bob s1 o2"}},
		{ledger.Filter{Order: "o1"}, []string{"amy s1 o1", "amy s2 o1"}},
		{ledger.Filter{Order: "o1", Store: "s2", Actor: "amy", CardID: "c1"}, []string{"amy s2 o1"}},
		{ledger.Filter{Order: "o1", Actor: "bob"}, nil},
		{ledger.Filter{Actor: "bob", CardID: "c1"}, []string{"bob", "bob s1 o2"}},
		{ledger.Filter{Actor: "amy", CardID: "c2"}, nil},
		{ledger.Filter{Actor: "am"}, nil},
	} {
		var got []string
		for _, e := range journal(t, s, c.f, 2) {
			got = append(got, ids[e.ID])
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%+v: got %q, want %q", c.f, got, c.want)
		}
	}
	if got := journal(t, s, ledger.Filter{CardID: "c2"}, 3); len(got) != 4 || got[0].CardID != "c2" {
		t.Errorf("of one card: %+v", got)
	}
	journalSpans(t, s)
}

// A span includes its beginning, and not its end.
func journalSpans(t *testing.T, s stores) {
	t.Helper()
	all := journal(t, s, ledger.Filter{}, 50)
	for _, e := range all {
		for f, in := range map[ledger.Filter]func(at time.Time) bool{
			{From: e.CreatedAt}: func(at time.Time) bool { return !at.Before(e.CreatedAt) },
			{To: e.CreatedAt}:   func(at time.Time) bool { return at.Before(e.CreatedAt) },
			{From: e.CreatedAt, To: e.CreatedAt.Add(time.Millisecond)}: func(at time.Time) bool { return at.Equal(e.CreatedAt) },
		} {
			var want []string
			for _, o := range all {
				if in(o.CreatedAt) {
					want = append(want, o.ID)
				}
			}
			if got := entryIDs(journal(t, s, f, 3)); !slices.Equal(got, want) {
				t.Errorf("%+v: got %v, want %v", f, got, want)
			}
		}
	}
}

func journalAfterGift(t *testing.T, s stores) {
	holder(t, s)
	id := ask(t, s, points(5), by("amy", "k1", nil), nil)
	add(t, s, "B1", member.Active)
	write(t, s, func(ctx context.Context, tx ledger.Tx) error { return tx.MoveLedger(ctx, "c1", "A1", "B1") })
	add(t, s, "C1", member.Active)
	write(t, s, func(ctx context.Context, tx ledger.Tx) error { return tx.MoveLedger(ctx, "c1", "B1", "C1") })
	back := ask(t, s, points(1), by("amy", "k2", nil), nil) // the giver's code may be taken again
	for _, e := range journal(t, s, ledger.Filter{Actor: "amy"}, 9) {
		if want := map[string]string{id: "C1", back: "A1"}[e.ID]; e.Code != want {
			t.Errorf("%s: got code %s, want %s", e.ID, e.Code, want)
		}
	}
}
