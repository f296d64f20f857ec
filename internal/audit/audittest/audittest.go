// Package audittest is the conformance suite of audit.Store.
package audittest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/audit"
)

// Run runs the suite. open must return a new, empty store for each test.
func Run(t *testing.T, open func(t *testing.T) audit.Store) {
	for name, test := range map[string]func(*testing.T, audit.Store){
		"a record without an outcome is unknown": unknown,
		"the first outcome counts":               outcomes,
		"a filter selects":                       filtered,
		"pages are complete and sorted":          pages,
		"a span of time selects":                 spans,
		"hostile text comes back as it was":      hostile,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

func begin(t *testing.T, s audit.Store, r audit.Record) {
	t.Helper()
	if err := s.Begin(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

func list(t *testing.T, s audit.Store, f audit.Filter, after audit.Mark, n int) []audit.Record {
	t.Helper()
	list, err := s.List(t.Context(), f, after, n)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func ids(records []audit.Record) string {
	var ids []string
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return strings.Join(ids, " ")
}

var full = audit.Record{
	ID: "1", Action: "setFields",
	Origin: audit.Origin{Actor: "Zoe", Role: "manager", Source: audit.Console, Address: "10.0.0.7", RequestID: "r"},
	Target: audit.Target{CardID: "p", Code: "0012", Subject: "m"},
}

func unknown(t *testing.T, s audit.Store) {
	begin(t, s, full)
	got := list(t, s, audit.Filter{}, audit.Mark{}, 9)
	if len(got) != 1 || got[0].At.IsZero() {
		t.Fatalf("got %+v", got)
	}
	want := full
	want.At, want.Result = got[0].At, audit.Unknown
	if fmt.Sprint(got[0]) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got[0], want)
	}
}

func outcomes(t *testing.T, s audit.Store) {
	begin(t, s, full)
	changes := json.RawMessage(`[{"field":"bonus","before":1,"after":2}]`)
	for _, o := range []audit.Outcome{{Result: audit.Failed, Problem: "unavailable", Changes: changes}, {Result: audit.Done}} {
		if err := s.End(t.Context(), "1", o); err != nil {
			t.Fatal(err)
		}
	}
	got := list(t, s, audit.Filter{}, audit.Mark{}, 9)
	if len(got) != 1 || got[0].Result != audit.Failed || got[0].Problem != "unavailable" || string(got[0].Changes) != string(changes) {
		t.Errorf("got %+v", got)
	}
}

func filtered(t *testing.T, s audit.Store) {
	for i, r := range []audit.Record{
		{Origin: audit.Origin{Actor: "Zoe"}, Action: "a", Target: audit.Target{CardID: "p", Code: "1"}},
		{Origin: audit.Origin{Actor: "Zoe"}, Action: "b", Target: audit.Target{CardID: "p", Code: "2"}},
		{Origin: audit.Origin{Actor: "Max"}, Action: "a", Target: audit.Target{CardID: "q", Code: "1"}},
		{Origin: audit.Origin{Actor: "Max"}, Action: "b", Target: audit.Target{Subject: "m"}},
		{Origin: audit.Origin{Actor: "owner"}, Action: "c"},
	} {
		r.ID = fmt.Sprint(i + 1)
		begin(t, s, r)
	}
	for want, f := range map[string]audit.Filter{
		"5 4 3 2 1": {},
		"2 1":       {Actor: "Zoe"},
		"3 1":       {Action: "a"},
		"3":         {Action: "a", Actor: "Max"},
		"1 2":       {CardID: "p"},
		"1":         {CardID: "p", Code: "1"},
		"4":         {Subject: "m"},
		"":          {Subject: "m", Actor: "Zoe"},
		"5":         {Actor: "owner", Code: "1"}, // a code counts only with its card
	} {
		got := strings.Fields(ids(list(t, s, f, audit.Mark{}, 9)))
		wanted := strings.Fields(want)
		slices.Sort(got)
		slices.Sort(wanted)
		if !slices.Equal(got, wanted) {
			t.Errorf("%+v: got %v, want %v", f, got, wanted)
		}
	}
}

func pages(t *testing.T, s audit.Store) {
	const n = 25
	for i := range n {
		r := full
		r.ID = fmt.Sprintf("%02d", i*7%n)
		begin(t, s, r)
	}
	all := list(t, s, audit.Filter{}, audit.Mark{}, n+1)
	if len(all) != n || !slices.IsSortedFunc(all, func(a, b audit.Record) int {
		if c := b.At.Compare(a.At); c != 0 {
			return c
		}
		return strings.Compare(b.ID, a.ID)
	}) {
		t.Errorf("got %s", ids(all))
	}
	for _, f := range []audit.Filter{{}, {Actor: "Zoe"}, {Action: "setFields"}, {CardID: "p"}, {CardID: "p", Code: "0012"}, {Subject: "m"}} {
		var got []audit.Record
		for after := (audit.Mark{}); ; after = got[len(got)-1].Mark() {
			page := list(t, s, f, after, 4)
			got = append(got, page...)
			if len(page) < 4 {
				break
			}
		}
		if ids(got) != ids(all) {
			t.Errorf("%+v: got %s, want %s", f, ids(got), ids(all))
		}
	}
}

func spans(t *testing.T, s audit.Store) {
	begin(t, s, full)
	at := list(t, s, audit.Filter{}, audit.Mark{}, 1)[0].At
	for name, c := range map[string]struct {
		f    audit.Filter
		want int
	}{
		"from":          {audit.Filter{From: at}, 1},
		"after":         {audit.Filter{From: at.Add(time.Millisecond)}, 0},
		"before":        {audit.Filter{To: at}, 0},
		"to":            {audit.Filter{To: at.Add(time.Millisecond)}, 1},
		"from to":       {audit.Filter{From: at, To: at.Add(time.Millisecond)}, 1},
		"of its card":   {audit.Filter{From: at, CardID: "p", Code: "0012"}, 1},
		"of its member": {audit.Filter{To: at.Add(time.Second), Subject: "m"}, 1},
		"of its actor":  {audit.Filter{To: at.Add(time.Second), Actor: "Zoe"}, 1},
	} {
		if got := list(t, s, c.f, audit.Mark{}, 9); len(got) != c.want {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

func hostile(t *testing.T, s audit.Store) {
	r := full
	r.Actor, r.Subject = `'; drop table audit; --`, `<script>"$1"</script> 会员%`
	begin(t, s, r)
	got := list(t, s, audit.Filter{Actor: r.Actor, Subject: r.Subject}, audit.Mark{}, 9)
	if len(got) != 1 || got[0].Actor != r.Actor || got[0].Subject != r.Subject {
		t.Errorf("got %+v", got)
	}
}
