// Package importertest is the conformance suite of importer.Store: what package importer
// relies on, whatever the database behind it.
package importertest

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/importer"
)

// suite is a fresh store for one test.
type suite struct {
	*testing.T
	importer.Store

	later func(time.Duration) // has time pass for all imports
}

var (
	realRun = importer.Options{Name: "a.csv", CardID: "c1", Actor: "Zoe", SkipRefused: true, Unit: importer.Yuan}
	dryRun  = importer.Options{Name: "a.csv", CardID: "c1", DryRun: true}
)

// Run runs the suite. open returns a fresh, empty store for each test, and a function that
// has time pass for all imports in it.
func Run(t *testing.T, open func(t *testing.T) (importer.Store, func(time.Duration))) {
	for name, test := range map[string]func(suite){
		"an import begins again under its ID":         beginsAgain,
		"an import that runs in the background stays": staysWhileItRuns,
		"one owner at a time":                         oneOwner,
		"progress needs the lease":                    needsTheLease,
		"an error undoes everything":                  undoes,
		"lines are listed":                            listsLines,
		"imports are listed":                          listsImports,
		"what is old ends":                            expires,
	} {
		t.Run(name, func(t *testing.T) {
			s, later := open(t)
			test(suite{t, s, later})
		})
	}
}

func (s suite) begin(o importer.Options, owner, content string) importer.Import {
	s.Helper()
	i, begun, err := s.Begin(s.Context(), o, owner, content)
	if err != nil || !begun || i.State != importer.Running || i.Counts != (importer.Counts{}) {
		s.Fatalf("begin: %+v, %t, %v", i, begun, err)
	}
	return i
}

func (s suite) write(fn func(ctx context.Context, tx importer.Tx) error) {
	s.Helper()
	s.must(s.Write(s.Context(), fn))
}

func (s suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s suite) get(id string) importer.Import {
	s.Helper()
	i, err := s.Import(s.Context(), id)
	s.must(err)
	return i
}

func beginsAgain(s suite) {
	first := s.begin(realRun, "x", "")
	l := importer.Lease{ImportID: first.ID, Owner: "x"}
	s.must(s.Found(s.Context(), l, 4))
	s.write(func(ctx context.Context, tx importer.Tx) error {
		return errors.Join(
			tx.AddLine(ctx, first.ID, importer.Result{Line: 2, Outcome: importer.Waiting, Account: "x", Key: "k2", Digest: "d2"}),
			tx.AddLine(ctx, first.ID, importer.Result{Line: 3, Outcome: importer.Refused, Column: "c", Reason: "r", Key: "line:3"}),
			tx.AddLine(ctx, first.ID, importer.Result{Line: 4, Outcome: importer.Refused, Key: "line:3"}),
			tx.Advance(ctx, l, importer.Counts{Lines: 2, Waiting: 1, Refused: 1}),
			tx.Advance(ctx, l, importer.Counts{Lines: 2, Joined: 1, Unchanged: 1}))
	})
	want := importer.Counts{Lines: 4, Waiting: 1, Joined: 1, Unchanged: 1, Refused: 1}
	if i := s.get(first.ID); i.Counts != want || i.State != importer.Running || i.Total != 4 || i.Actor != "Zoe" || i.Unit != importer.Yuan {
		s.Errorf("got %+v, want %+v", i, want)
	}
	s.must(s.End(s.Context(), l, importer.AllRefused, "p"))
	if i := s.get(first.ID); i.State != importer.AllRefused || i.Problem != "p" || i.EndedAt.IsZero() || i.Counts != want {
		s.Errorf("at its end it is %+v", i)
	}
	again := s.begin(realRun, "y", "")
	if again.ID != first.ID || again.Problem != "" || again.Total != 0 || !again.EndedAt.IsZero() {
		s.Errorf("again: %+v", again)
	}
	others := []importer.Options{{Name: "b.csv", CardID: "c1"}, {Name: "a.csv", CardID: "c2"}, dryRun}
	for _, other := range others {
		if i := s.begin(other, "x", ""); i.ID == first.ID {
			s.Errorf("%+v is %s", other, i.ID)
		}
	}
	s.write(func(ctx context.Context, tx importer.Tx) error {
		want := importer.Result{Line: 2, Outcome: importer.Waiting, Account: "x", Key: "k2", Digest: "d2"}
		if r, err := tx.Line(ctx, first.ID, "k2"); r != want || err != nil {
			s.Errorf("got %+v, %v", r, err)
		}
		for _, key := range []string{"line:3", "k3"} {
			if r, err := tx.Line(ctx, first.ID, key); !errors.Is(err, importer.ErrNotFound) {
				s.Errorf("%s: got %+v, %v", key, r, err)
			}
		}
		return nil
	})
}

func staysWhileItRuns(s suite) {
	first := s.begin(realRun, "", "content")
	for _, o := range []struct{ owner, content string }{{"", "other"}, {"x", ""}} {
		changed := realRun
		changed.Actor = "Max"
		if i, begun, err := s.Begin(s.Context(), changed, o.owner, o.content); i.ID != first.ID || begun || i.Actor != "Zoe" || err != nil {
			s.Errorf("%+v: got %+v, %t, %v", o, i, begun, err)
		}
	}
	i, content, err := s.Take(s.Context(), "x")
	if i.ID != first.ID || content != "content" || err != nil || !i.SkipRefused {
		s.Fatalf("got %+v, %q, %v", i, content, err)
	}
	l := importer.Lease{ImportID: i.ID, Owner: "x"}
	s.must(s.End(s.Context(), l, importer.Done, ""))
	if _, _, err := s.Take(s.Context(), "x"); !errors.Is(err, importer.ErrNotFound) {
		s.Errorf("after the end: %v", err)
	}
	s.begin(realRun, "", "other")
	if _, content, err := s.Take(s.Context(), "x"); content != "other" || err != nil {
		s.Errorf("again: %q, %v", content, err)
	}
}

func oneOwner(s suite) {
	s.begin(importer.Options{Name: "command", CardID: "c1"}, "cli", "")
	first := s.begin(realRun, "", "content")
	if i, _, err := s.Take(s.Context(), "x"); i.ID != first.ID || err != nil {
		s.Fatalf("got %+v, %v", i, err)
	}
	if i, _, err := s.Take(s.Context(), "y"); !errors.Is(err, importer.ErrNotFound) {
		s.Errorf("another replica: %+v, %v", i, err)
	}
	if i, _, err := s.Take(s.Context(), "x"); i.ID != first.ID || err != nil {
		s.Errorf("the same replica: %+v, %v", i, err)
	}
	s.later(importer.LeaseTime - 10*time.Second)
	if _, _, err := s.Take(s.Context(), "y"); !errors.Is(err, importer.ErrNotFound) {
		s.Errorf("before the end of the lease: %v", err)
	}
	s.later(11 * time.Second)
	if i, content, err := s.Take(s.Context(), "y"); i.ID != first.ID || content != "content" || err != nil {
		s.Errorf("after the end of the lease: %+v, %v", i, err)
	}
	if _, _, err := s.Take(s.Context(), "x"); !errors.Is(err, importer.ErrNotFound) {
		s.Errorf("the one before: %v", err)
	}
}

func needsTheLease(s suite) {
	first := s.begin(realRun, "", "content")
	_, _, err := s.Take(s.Context(), "x")
	s.must(err)
	mine, other := importer.Lease{ImportID: first.ID, Owner: "x"}, importer.Lease{ImportID: first.ID, Owner: "y"}
	for what, do := range map[string]func(importer.Lease) error{
		"found": func(l importer.Lease) error { return s.Found(s.Context(), l, 2) },
		"advance": func(l importer.Lease) error {
			return s.Write(s.Context(), func(ctx context.Context, tx importer.Tx) error {
				return errors.Join(tx.AddLine(ctx, first.ID, importer.Result{Key: l.Owner}), tx.Advance(ctx, l, importer.Counts{Lines: 1}))
			})
		},
	} {
		s.later(importer.LeaseTime - time.Second)
		if err := do(other); !errors.Is(err, importer.ErrTaken) {
			s.Errorf("%s: %v", what, err)
		}
		s.must(do(mine))
		s.later(importer.LeaseTime - time.Second)
		if _, _, err := s.Take(s.Context(), "y"); !errors.Is(err, importer.ErrNotFound) {
			s.Errorf("%s does not renew the lease: %v", what, err)
		}
	}
	if err := s.End(s.Context(), other, importer.Done, ""); !errors.Is(err, importer.ErrTaken) {
		s.Errorf("end: %v", err)
	}
	if i := s.get(first.ID); i.Lines != 1 || i.Total != 2 || i.State != importer.Running {
		s.Errorf("got %+v", i)
	}
	if lines, err := s.Lines(s.Context(), first.ID, "", importer.Mark{}, 9); len(lines) != 1 || err != nil {
		s.Errorf("got %+v, %v", lines, err)
	}
}

func undoes(s suite) {
	i := s.begin(realRun, "x", "")
	undo := errors.New("undo")
	err := s.Write(s.Context(), func(ctx context.Context, tx importer.Tx) error {
		return errors.Join(tx.AddLine(ctx, i.ID, importer.Result{Line: 2, Key: "k2"}), undo)
	})
	if !errors.Is(err, undo) {
		s.Errorf("got %v", err)
	}
	s.write(func(ctx context.Context, tx importer.Tx) error {
		if r, err := tx.Line(ctx, i.ID, "k2"); !errors.Is(err, importer.ErrNotFound) {
			s.Errorf("got %+v", r)
		}
		return nil
	})
}

func listsLines(s suite) {
	i, other := s.begin(realRun, "x", ""), s.begin(dryRun, "x", "")
	want := []importer.Result{
		{Line: 2, Outcome: importer.Waiting, Account: "a", Key: "k2", Digest: "d"}, {Line: 2, Outcome: importer.Joined, Key: "k3", Digest: "d"},
		{Line: 10, Outcome: importer.Refused, Column: "卡号", Reason: "r", Key: "line:10"},
	}
	s.write(func(ctx context.Context, tx importer.Tx) error {
		err := tx.AddLine(ctx, other.ID, importer.Result{Line: 1, Key: "k", Outcome: importer.Refused})
		for _, r := range slices.Backward(want) {
			err = errors.Join(err, tx.AddLine(ctx, i.ID, r))
		}
		return err
	})
	var got []importer.Result
	for after := (importer.Mark{}); len(got) < 9; after = got[len(got)-1].Mark() {
		page, err := s.Lines(s.Context(), i.ID, "", after, 1)
		s.must(err)
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
	}
	if !slices.Equal(got, want) {
		s.Errorf("got %+v", got)
	}
	if got, err := s.Lines(s.Context(), i.ID, importer.Refused, importer.Mark{}, 9); !slices.Equal(got, want[2:]) || err != nil {
		s.Errorf("refused: %+v, %v", got, err)
	}
}

func listsImports(s suite) {
	dry := s.begin(dryRun, "x", "")
	if id, err := s.Named(s.Context(), dryRun.Name, dryRun.CardID); id != "" || err != nil {
		s.Errorf("the name of a dry run is that of %q, %v", id, err)
	}
	imported := s.begin(realRun, "x", "")
	if id, err := s.Named(s.Context(), realRun.Name, realRun.CardID); id != imported.ID || id == dry.ID || err != nil {
		s.Errorf("named %q, %v", id, err)
	}
	s.later(time.Second)

	if _, err := s.Import(s.Context(), "unknown"); !errors.Is(err, importer.ErrNotFound) {
		s.Errorf("an unknown one: %v", err)
	}
	var want []string
	for n := range 3 {
		want = append([]string{s.begin(importer.Options{Name: strconv.Itoa(n), CardID: "c1"}, "x", "").ID}, want...)
		s.later(time.Second)
	}
	list, err := s.Imports(s.Context(), 2)
	if err != nil || len(list) != 2 || list[0].ID != want[0] || list[1].ID != want[1] {
		s.Errorf("got %+v, %v, want %q", list, err, want)
	}
}

func expires(s suite) {
	command := s.begin(importer.Options{Name: "command", CardID: "c1"}, "cli", "")
	job := s.begin(importer.Options{Name: "job", CardID: "c1"}, "", "content")
	dry, done := s.begin(dryRun, "x", ""), s.begin(realRun, "x", "")
	for _, i := range []importer.Import{dry, done} {
		s.write(func(ctx context.Context, tx importer.Tx) error {
			return tx.AddLine(ctx, i.ID, importer.Result{Line: 2, Key: "line:2"})
		})
		s.must(s.End(s.Context(), importer.Lease{ImportID: i.ID, Owner: "x"}, importer.Done, ""))
	}
	s.must(s.Expire(s.Context(), "lost"))
	if i := s.get(command.ID); i.State != importer.Running {
		s.Errorf("a command that runs: %+v", i)
	}
	s.later(importer.LeaseTime + time.Second)
	s.must(s.Expire(s.Context(), "lost"))
	if i := s.get(command.ID); i.State != importer.Failed || i.Problem != "lost" || i.EndedAt.IsZero() {
		s.Errorf("a command that was killed: %+v", i)
	}
	if i := s.get(job.ID); i.State != importer.Running {
		s.Errorf("an import in the background: %+v", i)
	}
	s.later(6 * 24 * time.Hour)
	s.must(s.Expire(s.Context(), "lost"))
	s.get(dry.ID)
	s.later(25 * time.Hour)
	s.must(s.Expire(s.Context(), "lost"))
	if _, err := s.Import(s.Context(), dry.ID); !errors.Is(err, importer.ErrNotFound) {
		s.Errorf("a dry run after a week: %v", err)
	}
	for id, want := range map[string]int{dry.ID: 0, done.ID: 1} {
		if lines, err := s.Lines(s.Context(), id, "", importer.Mark{}, 9); len(lines) != want || err != nil {
			s.Errorf("lines: %+v, %v, want %d", lines, err, want)
		}
	}
}
