package importer_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/importer"
	importersql "github.com/addcard/addcard/internal/importer/sqlstore"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/testing/world"
)

// faults is a store of which a call fails.
type faults struct {
	importer.Store

	mu     sync.Mutex
	writes int   // so far
	failAt int   // the write that fails; 0 is none
	after  bool  // it fails after it is on disk
	err    error // what it returns
}

// Write implements importer.Store.
func (f *faults) Write(ctx context.Context, fn func(context.Context, importer.Tx) error) error {
	f.mu.Lock()
	f.writes++
	fails := f.writes == f.failAt
	f.mu.Unlock()
	if fails && !f.after {
		return f.err
	}
	err := f.Store.Write(ctx, fn)
	if fails && err == nil {
		err = f.err
	}
	return err
}

// replica returns another replica's importer, and runs it until stop is called.
func replica(w *world.World, store importer.Store, k importer.Keys) (s *importer.Service, stop func()) {
	s = importer.New(store, w.Members, cards{}, holders{w.CardSync}, k, w.Wake)
	ctx, cancel := context.WithCancel(w.Context())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx, slog.New(slog.DiscardHandler)) })
	return s, func() { cancel(); running.Wait() }
}

// ended waits for the end of an import.
func ended(w *world.World, s *importer.Service, id string) importer.Import {
	w.Helper()
	for range 1000 {
		i, err := s.Get(w.Context(), id)
		if err != nil {
			w.Fatal(err)
		}
		if i.State != importer.Running {
			return i
		}
		time.Sleep(time.Second)
	}
	w.Fatal("the import does not end")
	return importer.Import{}
}

// many returns a file with n lines.
func many(n int) []byte {
	var file strings.Builder
	file.WriteString("code,bonus\n")
	for i := range n {
		fmt.Fprintf(&file, "a%d,%d\n", i, i)
	}
	return []byte(file.String())
}

var manyOptions = importer.Options{Name: "many.csv", CardID: "push", Actor: "Zoe"}

// Whichever write fails, before or after it is on disk, the import goes on behind the
// last batch, and each line is imported and counted once.
func TestRun_GoesOnAfterAFault(t *testing.T) {
	for _, after := range []bool{false, true} {
		for failAt := 1; failAt <= 3; failAt++ {
			t.Run(fmt.Sprint(after, failAt), func(t *testing.T) {
				world.Run(t, func(w *world.World) {
					store := &faults{Store: importersql.New(w.DB), failAt: failAt, after: after, err: errors.New("lost")}
					s, stop := replica(w, store, nil)
					defer stop()
					i, err := s.Start(w.Context(), many(250), manyOptions)
					if err != nil {
						w.Fatal(err)
					}
					i = ended(w, s, i.ID)
					if want := (importer.Counts{Lines: 250, Waiting: 250}); i.State != importer.Done || i.Counts != want || i.Total != 250 {
						w.Errorf("got %+v", i)
					}
					if n := count(w); n != 250 {
						w.Errorf("%d accounts", n)
					}
					w.WantBalanced()
				})
			})
		}
	}
}

// A replica that hangs in a batch has lost the lease when it goes on: another has
// finished the import, and no line is counted twice.
func TestRun_AnotherReplicaTakesOver(t *testing.T) {
	world.Run(t, func(w *world.World) {
		hang := make(chan struct{})
		slow := &hanging{Store: importersql.New(w.DB), at: 2, until: hang}
		first, stopFirst := replica(w, slow, nil)
		i, err := first.Start(w.Context(), many(250), manyOptions)
		if err != nil {
			w.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		second, stopSecond := replica(w, importersql.New(w.DB), nil)
		time.Sleep(importer.LeaseTime - 15*time.Second)
		if i, err := second.Get(w.Context(), i.ID); i.Lines != 100 || i.State != importer.Running || err != nil {
			w.Errorf("while the first has the lease: %+v, %v", i, err)
		}
		i = ended(w, second, i.ID)
		close(hang)
		time.Sleep(time.Second)
		stopFirst()
		stopSecond()
		again, err := second.Get(w.Context(), i.ID)
		want := importer.Counts{Lines: 250, Waiting: 250}
		if i.Counts != want || again.Counts != want || again.State != importer.Done || err != nil {
			w.Errorf("got %+v, then %+v, %v", i, again, err)
		}
		if n := count(w); n != 250 {
			w.Errorf("%d accounts", n)
		}
	})
}

// hanging is a store of which a write waits.
type hanging struct {
	importer.Store

	writes, at int
	until      chan struct{}
}

// Write implements importer.Store.
func (h *hanging) Write(ctx context.Context, fn func(context.Context, importer.Tx) error) error {
	if h.writes++; h.writes == h.at {
		<-h.until
	}
	return h.Store.Write(ctx, fn)
}

// The file is kept encrypted, and only until the end.
func TestStart_KeepsTheFileEncryptedUntilTheEnd(t *testing.T) {
	world.Run(t, func(w *world.World) {
		s := service(w, keys(w.T, oldKey))
		i, err := s.Start(w.Context(), []byte(file), importer.Options{Name: "a.csv", CardID: "push"})
		if err != nil {
			w.Fatal(err)
		}
		contents := func() (list []string) {
			rows, err := w.DB.Read().Query(w.Context(), `select content from import_file`)
			if err != nil {
				w.Fatal(err)
			}
			defer func() { _ = rows.Close() }()
			for rows.Next() {
				var text string
				if err := rows.Scan(&text); err != nil {
					w.Fatal(err)
				}
				list = append(list, text)
			}
			return list
		}
		if kept := contents(); len(kept) != 1 || !strings.HasPrefix(kept[0], "k1.") || strings.Contains(kept[0], "VIP") {
			w.Errorf("kept: %q", kept)
		}
		s, stop := replica(w, importersql.New(w.DB), keys(w.T, newKey+","+oldKey))
		defer stop()
		if i := ended(w, s, i.ID); i.State != importer.Done || i.Waiting != 3 {
			w.Errorf("with a new key: %+v", i)
		}
		if kept := contents(); len(kept) != 0 {
			w.Errorf("kept after the end: %q", kept)
		}
	})
}

// What is wrong behind the lines that are checked at once ends the import, and says why.
func TestRun_SaysWhyAnImportFails(t *testing.T) {
	world.Run(t, func(w *world.World) {
		s, stop := replica(w, importersql.New(w.DB), nil)
		defer stop()
		late, err := s.Start(w.Context(), append(many(1500), "\"\n"...), manyOptions)
		if err != nil {
			w.Fatal(err)
		}
		if i := ended(w, s, late.ID); i.State != importer.Failed || !strings.Contains(i.Problem, "line 1502 has a quote") || count(w) != 0 {
			w.Errorf("got %+v", i)
		}
		sealed := service(w, keys(w.T, oldKey))
		lost, err := sealed.Start(w.Context(), many(1), importer.Options{Name: "b.csv", CardID: "push"})
		if err != nil {
			w.Fatal(err)
		}
		if i := ended(w, s, lost.ID); i.State != importer.Failed || !strings.Contains(i.Problem, "DATA_KEYS have changed") {
			w.Errorf("without the key: %+v", i)
		}
	})
}

// While an import runs, its name is taken; afterwards another file may have it.
func TestStart_TheSameNameAgain(t *testing.T) {
	world.Run(t, func(w *world.World) {
		s := service(w, nil)
		first, err := s.Start(w.Context(), many(3), manyOptions)
		if err != nil {
			w.Fatal(err)
		}
		if same, err := s.Start(w.Context(), many(9), manyOptions); same.ID != first.ID || err != nil {
			w.Errorf("while it runs: %+v, %v", same, err)
		}
		if _, _, err := run(w, s, "code\na1\n", manyOptions); !errors.Is(err, importer.ErrRunning) {
			w.Errorf("the command line: %v", err)
		}
		s, stop := replica(w, importersql.New(w.DB), nil)
		defer stop()
		ended(w, s, first.ID)
		again, err := s.Start(w.Context(), many(9), manyOptions)
		if err != nil || again.ID != first.ID {
			w.Fatalf("afterwards: %+v, %v", again, err)
		}
		if i := ended(w, s, again.ID); i.Unchanged != 3 || i.Waiting != 6 {
			w.Errorf("got %+v", i)
		}
	})
}

// A dry run in the background adds no account and leaves its lines.
func TestRun_ADryRunLeavesItsLines(t *testing.T) {
	world.Run(t, func(w *world.World) {
		s, stop := replica(w, importersql.New(w.DB), nil)
		defer stop()
		if _, _, err := run(w, s, "code,bonus\na1,5\n", importer.Options{Name: "a.csv"}); err != nil {
			w.Fatal(err)
		}
		i, err := s.Start(w.Context(), []byte("code,bonus\na1,5\na2,x\na3,5\n"), importer.Options{Name: "a.csv", CardID: "push", DryRun: true})
		if err != nil {
			w.Fatal(err)
		}
		i = ended(w, s, i.ID)
		lines, err := s.Lines(w.Context(), i.ID, "", importer.Mark{}, 9)
		var got []string
		for _, r := range lines {
			got = append(got, fmt.Sprint(r.Line, " ", r.Outcome, " ", r.Column, " ", r.Account != ""))
		}
		want(w, got, "2 unchanged  true", "3 refused bonus false", "4 waiting  false")
		if i.State != importer.Done || i.Unchanged != 1 || i.Refused != 1 || i.Waiting != 1 || count(w) != 1 || err != nil {
			w.Errorf("got %+v, %v, %d accounts", i, err, count(w))
		}
	})
}

// The operator sees what was imported for a member, and none of it without a key.
func TestAccounts_AreOpenedForTheOperator(t *testing.T) {
	world.Run(t, func(w *world.World) {
		s := service(w, keys(w.T, oldKey))
		me := world.Enroll(w, w.Members, world.Mini, "ming", "u1")
		if _, _, err := run(w, s, "unionid,手机号,姓名,备注,积分\nu1,13800138000,李雷,生日,5\n", importer.Options{Name: "a.csv"}); err != nil {
			w.Fatal(err)
		}
		list, err := s.Accounts(w.Context(), me)
		if err != nil || len(list) != 1 || list[0].ImportName != "a.csv" || list[0].Phone != "+8613800138000" || list[0].Name != "李雷" ||
			list[0].Note != "生日" || list[0].Bonus != 5 {
			w.Errorf("got %+v, %v", list, err)
		}
		if list, err := service(w, keys(w.T, newKey)).Accounts(w.Context(), me); len(list) != 1 || list[0].Name != "" || err != nil {
			w.Errorf("without the key: %+v, %v", list, err)
		}
	})
}

// A person who has not come yet is found as a member is, and can be erased: nothing that
// leads to them is left, the books stay, and no later file brings them back.
func TestWaiting_IsFoundAndErased(t *testing.T) {
	world.Run(t, func(w *world.World) {
		k := keys(w.T, oldKey)
		w.SealForms(k)
		s := service(w, k)
		const file = "手机号,卡号,会员号,积分,姓名\n13800138000,OLD1,V-1,5,李雷\n13900139000,,V-2,7,\n"
		if _, _, err := run(w, s, file, importer.Options{}); err != nil {
			w.Fatal(err)
		}
		var account importer.Account
		for _, key := range []string{"138 0013 8000", "+86 138-0013-8000", "OLD1", "old-1", "ＯＬＤ１", "v-1"} {
			list, err := s.Waiting(w.Context(), key, 9)
			if len(list) != 1 || list[0].Name != "李雷" || list[0].ImportName != "members.csv" || list[0].Bonus != 5 || err != nil {
				w.Errorf("%s: got %+v, %v", key, list, err)
				continue
			}
			account = list[0]
		}
		if err := w.EraseImported(w.Context(), account.ID); err != nil {
			w.Fatal(err)
		}
		for range 2 {
			if err := w.EraseImported(w.Context(), account.ID); !errors.Is(err, member.ErrAccountUnknown) {
				w.Errorf("again: %v", err)
			}
		}
		for _, key := range []string{account.ID, "13800138000", "OLD1", "V-1"} {
			if list, err := s.Waiting(w.Context(), key, 9); len(list) != 0 || err != nil {
				w.Errorf("%s after the erasure: %+v, %v", key, list, err)
			}
		}
		again, _, err := run(w, s, file, importer.Options{})
		want(w, again, "2 unchanged", "3 unchanged")
		memberID, code := w.ClaimCard("push")
		if phone := w.SetPhone(w.Context(), memberID, "+8613800138000"); err != nil || phone != nil {
			w.Fatal(err, phone)
		}
		w.SendAll()
		w.WantFace(code, 0, 0)
		w.WantBalanced()
	})
}
