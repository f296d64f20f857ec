package importer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/importer"
	importersql "github.com/addcard/addcard/internal/importer/sqlstore"
	"github.com/addcard/addcard/internal/testing/world"
)

// holdersFile returns a file with n codes that are in wallets, of which every third is
// not active.
func holdersFile(w *world.World, n int) string {
	file := "code\n"
	for i := range n {
		code := fmt.Sprint("H", i)
		file += code + "\n"
		w.WeChat.Holders[cardsync.Key{CardID: "push", Code: code}] = fmt.Sprint("o-", i)
		if i%3 != 0 {
			w.WeChat.Activated[code] = 1
		}
	}
	return file
}

// A WeChat that is busy is called again, and each call counts.
func TestAdopt_CountsRepeatedCalls(t *testing.T) {
	world.Run(t, func(w *world.World) {
		s, file := service(w, nil), holdersFile(w, 40)
		w.WeChat.Before = func(_ context.Context, c world.Call) error {
			if c.Attempt < 3 {
				return world.RefusalError{IsTemporary: true}
			}
			return nil
		}
		_, _, err := run(w, s, file, importer.Options{Holders: true, Calls: 40})
		if made := w.WeChat.CallCount(); !errors.Is(err, importer.ErrCalls) || made > 40+8*3 {
			w.Errorf("%d calls of 40, %v", made, err)
		}
	})
}

// What was read before WeChat's quota was spent is not read again.
func TestAdopt_KeepsWhatWasReadBeforeItStopped(t *testing.T) {
	world.Run(t, func(w *world.World) {
		s, file := service(w, nil), holdersFile(w, 60)
		spent := world.RefusalError{RetryIn: 9 * time.Hour}
		w.WeChat.Before = func(_ context.Context, c world.Call) error {
			if c.Code > "H4" && c.Attempt == 1 {
				return spent
			}
			return nil
		}
		o := importer.Options{Holders: true}
		_, first, err := run(w, s, file, o)
		if !errors.Is(err, spent) || first.Joined != 5 {
			w.Errorf("got %+v, %v", first, err)
		}
		w.WeChat.Before = nil
		before := w.WeChat.CallCount()
		_, second, err := run(w, s, file, o)
		if made := w.WeChat.CallCount() - before; err != nil || made > 55 || second.Unchanged != 5 {
			w.Errorf("%d calls, %+v after %+v, %v", made, second, first, err)
		}
	})
}

func TestAdopt_RefusesAKnownCardOfAnother(t *testing.T) {
	world.Run(t, func(w *world.World) {
		s := service(w, nil)
		w.WeChat.Activated["H1"] = 1
		if _, _, err := run(w, s, "code,openid\nH1,o-1\n", importer.Options{Name: "a"}); err != nil {
			w.Fatal(err)
		}
		got, _, err := run(w, s, "code,openid\nH1,o-2\n", importer.Options{Name: "b"})
		want(w, got, "2 refused openid is another's")
		if calls := w.WeChat.CallCount(); err != nil && !errors.Is(err, importer.ErrRefused) || calls != 1 {
			w.Errorf("%d calls, %v", calls, err)
		}
	})
}

// An import in the background passes no line over when WeChat is away.
func TestAdopt_GoesOnInTheBackground(t *testing.T) {
	world.Run(t, func(w *world.World) {
		file := holdersFile(w, 60)
		w.WeChat.Before = func(_ context.Context, c world.Call) error {
			if c.Code == "H5" && c.Attempt <= 4 {
				return world.RefusalError{IsTemporary: true}
			}
			return nil
		}
		s, stop := replica(w, importersql.New(w.DB), nil)
		defer stop()
		i, err := s.Start(w.Context(), []byte(file), importer.Options{Name: "holders", CardID: "push", Holders: true})
		if err != nil {
			w.Fatal(err)
		}
		got := ended(w, s, i.ID)
		if got.State != importer.Done || got.Joined != 60 {
			w.Errorf("got %+v", got)
		}
	})
}

// An import in the background ends when its calls or those of WeChat are spent, and the
// same file sent again goes on.
func TestAdopt_EndsInTheBackgroundWithItsCalls(t *testing.T) {
	world.Run(t, func(w *world.World) {
		file := holdersFile(w, 60)
		s, stop := replica(w, importersql.New(w.DB), nil)
		defer stop()
		again := func(calls int) importer.Import {
			i, err := s.Start(w.Context(), []byte(file), importer.Options{Name: "holders", CardID: "push", Holders: true, Calls: calls})
			if err != nil {
				w.Fatal(err)
			}
			return ended(w, s, i.ID)
		}
		if got := again(20); got.State != importer.Failed || !strings.Contains(got.Problem, "may make") || w.WeChat.CallCount() != 20 {
			w.Errorf("got %+v after %d calls", got, w.WeChat.CallCount())
		}
		w.WeChat.Before = func(context.Context, world.Call) error { return world.RefusalError{RetryIn: 9 * time.Hour} }
		if got := again(0); got.State != importer.Failed || !strings.Contains(got.Problem, "tomorrow") || w.WeChat.CallCount() > 30 {
			w.Errorf("got %+v after %d calls", got, w.WeChat.CallCount())
		}
		w.WeChat.Before = nil
		if got := again(0); got.State != importer.Done || got.Joined+got.Unchanged != 60 {
			w.Errorf("got %+v", got)
		}
	})
}
