package importer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/cardsync"
	"github.com/addcard/addcard/internal/datakey"
	"github.com/addcard/addcard/internal/importer"
	importersql "github.com/addcard/addcard/internal/importer/sqlstore"
	"github.com/addcard/addcard/internal/member"
	"github.com/addcard/addcard/internal/sheet"
	"github.com/addcard/addcard/internal/sheet/sheettest"
	"github.com/addcard/addcard/internal/testing/world"
)

// cards has every card; those named plain show no figures.
type cards struct{}

func (cards) Card(_ context.Context, cardID string) (importer.Card, error) {
	switch cardID {
	case "unknown":
		return importer.Card{}, fmt.Errorf("card %s: %w", cardID, member.ErrCardUnknown)
	case "push-plain":
		return importer.Card{}, nil
	}
	return importer.Card{Bonus: true, Balance: true}, nil
}

func keys(t *testing.T, list string) *datakey.Keys {
	t.Helper()
	k, err := datakey.Parse(list)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const (
	oldKey = "k1:MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
	newKey = "k2:ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
)

// run imports a file and returns the lines' outcomes, one text a line.
func run(w *world.World, s *importer.Service, file string, o importer.Options) (lines []string, c importer.Counts, err error) {
	w.Helper()
	if o.CardID == "" {
		o.CardID = "push"
	}
	if o.Name == "" {
		o.Name = "members.csv"
	}
	c, err = s.Import(w.Context(), strings.NewReader(file), int64(len(file)), o, func(results []importer.Result, _ int) {
		for _, r := range results {
			lines = append(lines, strings.TrimSpace(fmt.Sprintf("%d %s %s %s", r.Line, r.Outcome, r.Column, r.Reason)))
		}
	})
	return lines, c, err
}

func service(w *world.World, k importer.Keys) *importer.Service {
	return importer.New(importersql.New(w.DB), w.Members, cards{}, holders{w.CardSync}, k, w.Wake)
}

func want(w *world.World, got []string, want ...string) {
	w.Helper()
	if !slices.Equal(got, want) {
		w.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

const file = "手机号,卡号,unionid,会员号,积分,余额（元）,自定义1,姓名,备注\n" +
	"138 0013 8000,,,VIP-1,\"2,350\",￥12.8,金卡,李雷,生日 3 月\n" +
	",old2,,VIP-2,40,,,,\n" +
	",,union-3,VIP-3,,0.05,,,\n"

func TestImport_ChangesNothingTheSecondTime(t *testing.T) {
	world.Run(t, func(w *world.World) {
		s := service(w, keys(w.T, oldKey))
		world.Enroll(w, w.Members, world.Mini, "ming", "union-3")
		_, code := w.ClaimCard("push")
		dry, _, err := run(w, s, file, importer.Options{DryRun: true})
		want(w, dry, "2 waiting", "3 waiting", "4 joined")
		if err != nil || w.Card("push", code).Balance != 0 {
			w.Errorf("a dry run: %v, %+v", err, w.Card("push", code))
		}
		first, c, err := run(w, s, file, importer.Options{})
		want(w, first, dry...)
		if (c != importer.Counts{Lines: 3, Waiting: 2, Joined: 1}) || err != nil {
			w.Errorf("got %+v, %v", c, err)
		}
		dry, _, err = run(w, s, file, importer.Options{DryRun: true})
		want(w, dry, "2 unchanged", "3 unchanged", "4 unchanged")
		if err != nil {
			w.Error(err)
		}
		for name, s := range map[string]*importer.Service{"again": s, "with a new key": service(w, keys(w.T, newKey+","+oldKey))} {
			again, c, err := run(w, s, file, importer.Options{})
			want(w, again, "2 unchanged", "3 unchanged", "4 unchanged")
			if (c != importer.Counts{Lines: 3, Unchanged: 3}) || err != nil {
				w.Errorf("%s: got %+v, %v", name, c, err)
			}
		}
		w.SendAll()
		w.WantFace(code, 0, 5)
		w.WantBalanced()
	})
}

func TestImport_RefusesALineThatBecameAnother(t *testing.T) {
	world.Run(t, func(w *world.World) {
		s := service(w, keys(w.T, oldKey))
		if _, _, err := run(w, s, "code,bonus\na1,10\na2,20\n", importer.Options{}); err != nil {
			t.Fatal(err)
		}
		got, _, err := run(w, s, "code,bonus,phone\na1,11,\na2,20,\na3,30,13800138000\n", importer.Options{})
		want(w, got, "2 refused  was imported before with other values; an import changes no account, so book the difference",
			"3 unchanged", "4 waiting")
		if err != nil {
			w.Error(err)
		}
		other, _, err := run(w, s, "卡号,手机号,积分\na9,+86 138-0013-8000,10\na2,,20\n", importer.Options{Name: "other.csv"})
		for i, column := range []string{"手机号", "卡号"} {
			if prefix := fmt.Sprintf("%d refused %s is that of an account that was imported before: ", i+2, column); !strings.HasPrefix(other[i], prefix) {
				w.Errorf("got %q, want %q", other[i], prefix)
			}
		}
		if err != nil {
			w.Error(err)
		}
		w.WantBalanced()
	})
}

func TestImport_NamesWhatIsWrongWithALine(t *testing.T) {
	for line, want := range map[string]string{
		"phone,bonus\n138001,5":                                 "phone is no phone number",
		"phone,bonus\n,5":                                       " names no person: phone, code, unionid or openid is required",
		"code,bonus\na1,5.5":                                    "bonus is no whole number",
		"code,bonus\na1,-5":                                     "bonus is negative, which the total of a card never is",
		"code,bonus\na1,五":                                      "bonus is no number",
		"code,积分\na1,\"1,00\"":                                  "积分 is no number",
		"code,bonus\na1,1000000000001":                          "bonus is larger than 1000000000000",
		"code,bonus\na1,99999999999999999999":                   "bonus is larger than 1000000000000",
		"code,balance\na1,5.5":                                  "balance is no whole number",
		"code,余额（元）\na1,5.555":                                  "余额（元） has more than two decimals",
		"code\n123456789012345678901":                           "code is longer than 20 characters",
		"code\nA_1":                                             "code has other characters than letters and digits",
		"openid\nｏ1!":                                           "openid has other characters than letters and digits",
		"code,custom_field1\na1,一二三四五":                          "custom_field1 is longer than 12 bytes (4 汉字)",
		"code\na1\na2\nａ1":                                      "code is that of line 2",
		"phone\n13800138000\n0086 13800138000":                  "phone is that of line 2",
		"key,code\nk,a1\nk,a2":                                  "key is that of line 2",
		"code,membership_number\na1," + strings.Repeat("x", 65): "membership_number is longer than 64 bytes (21 汉字)",
	} {
		t.Run(line, func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				got, _, err := run(w, service(w, keys(w.T, oldKey)), line, importer.Options{})
				if last := got[len(got)-1]; !errors.Is(err, importer.ErrRefused) || !strings.HasSuffix(last, " refused "+want) {
					w.Errorf("got %q, %v, want %q", last, err, want)
				}
				if accounts := count(w); accounts != 0 {
					w.Errorf("%d accounts were imported", accounts)
				}
			})
		})
	}
}

func TestImport_RefusesAFile(t *testing.T) {
	for name, test := range map[string]struct {
		file string
		o    importer.Options
		keys bool
		want string
	}{
		"yuan or fen":              {"卡号,余额\na1,5\n", importer.Options{}, true, "does not say whether it is in yuan or in fen"},
		"without keys":             {"手机号,积分\n13800138000,5\n", importer.Options{}, false, "set DATA_KEYS"},
		"a name":                   {"code,name\na1,Li\n", importer.Options{}, false, "set DATA_KEYS"},
		"no lines":                 {"code,bonus\n", importer.Options{}, true, "has no lines"},
		"an unknown card":          {"code\na1\n", importer.Options{CardID: "unknown"}, true, "not in the catalogue"},
		"points on a card without": {"code,bonus\na1,1\n", importer.Options{CardID: "push-plain"}, true, "cannot be imported"},
	} {
		t.Run(name, func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				s := service(w, nil)
				if test.keys {
					s = service(w, keys(w.T, oldKey))
				}
				if _, _, err := run(w, s, test.file, test.o); err == nil || !strings.Contains(err.Error(), test.want) {
					w.Errorf("got %v, want %q", err, test.want)
				}
				if accounts := count(w); accounts != 0 {
					w.Errorf("%d accounts were imported", accounts)
				}
			})
		})
	}
}

// The other lines of a file are imported only if that is wanted.
func TestImport_SkipsRefusedLines(t *testing.T) {
	world.Run(t, func(w *world.World) {
		s := service(w, nil)
		const file = "code,bonus\na1,x\na2,5\n"
		got, c, err := run(w, s, file, importer.Options{})
		want(w, got, "2 refused bonus is no number", "3 skipped")
		if !errors.Is(err, importer.ErrRefused) || c.Refused != 1 || count(w) != 0 {
			w.Errorf("got %+v, %v", c, err)
		}
		for _, outcome := range []string{"waiting", "unchanged"} {
			got, _, err := run(w, s, file, importer.Options{SkipRefused: true})
			want(w, got, "2 refused bonus is no number", "3 "+outcome)
			if err != nil {
				w.Error(err)
			}
		}
	})
}

// No broken file is imported in part, and each says where and what is wrong, and nothing
// of its values.
func TestImport_RefusesBrokenFiles(t *testing.T) {
	files := sheettest.BrokenFiles()
	if len(files) < 60 {
		t.Errorf("there are %d broken files", len(files))
	}
	world.Run(t, func(w *world.World) {
		s := service(w, keys(w.T, oldKey))
		for _, f := range files {
			var told []string
			o := importer.Options{Name: f.Name, CardID: "push"}
			_, err := s.Import(w.Context(), bytes.NewReader(f.File), int64(len(f.File)), o, func(results []importer.Result, _ int) {
				for _, r := range results {
					if r.Outcome == importer.Refused {
						told = append(told, (&sheet.LineError{Line: r.Line, Column: r.Column, Reason: r.Reason}).Error())
					}
				}
			})
			if err == nil {
				w.Errorf("%s was imported", f.Name)
				continue
			}
			text := strings.Join(append(told, err.Error()), "\n")
			if !strings.Contains(text, f.Word) || f.Line > 0 && !strings.Contains(text, fmt.Sprintf("line %d", f.Line)) {
				w.Errorf("%s: got\n%s\nwant line %d and %q", f.Name, text, f.Line, f.Word)
			}
			if strings.Contains(text, "138001") {
				w.Errorf("%s: the text has a phone number: %s", f.Name, text)
			}
		}
		if accounts := count(w); accounts != 0 {
			w.Errorf("%d accounts were imported", accounts)
		}
	})
}

// count returns the number of imported accounts.
func count(w *world.World) (n int) {
	w.Helper()
	if err := w.DB.Read().QueryRow(w.Context(), `select count(*) from imported`).Scan(&n); err != nil {
		w.Fatal(err)
	}
	return n
}

// A verified number is a proof, before the import and after it, also when the keys have
// changed meanwhile.
func TestImport_JoinsByPhone(t *testing.T) {
	for _, importFirst := range []bool{true, false} {
		t.Run(fmt.Sprint("import first: ", importFirst), func(t *testing.T) {
			world.Run(t, func(w *world.World) {
				memberID, code := w.ClaimCard("push")
				importIt := func(keys *datakey.Keys) {
					if _, _, err := run(w, service(w, keys), "phone,bonus\n138 0013 8000,70\n", importer.Options{}); err != nil {
						w.Fatal(err)
					}
				}
				verify := func(keys *datakey.Keys) {
					w.SealForms(keys)
					if err := w.SetPhone(w.Context(), memberID, "+8613800138000"); err != nil {
						w.Fatal(err)
					}
				}
				steps := []func(*datakey.Keys){importIt, verify}
				if !importFirst {
					slices.Reverse(steps)
				}
				steps[0](keys(w.T, oldKey))
				steps[1](keys(w.T, newKey+","+oldKey))
				w.SendAll()
				w.WantFace(code, 70, 0)
				w.WantBalanced()
			})
		})
	}
}

// holders adopts as the server does.
type holders struct{ cards *cardsync.Service }

func (h holders) Adopt(ctx context.Context, cardID, code, openID, unionID string) (importer.Adoption, int, error) {
	c, known, calls, err := h.cards.Adopt(ctx, cardID, code, openID, unionID)
	switch {
	case errors.Is(err, cardsync.ErrNotInWallet):
		err = &importer.LineError{Column: member.MarkCode, Reason: "is in no wallet"}
	case errors.Is(err, cardsync.ErrOtherHolder):
		err = &importer.LineError{Column: member.MarkOpenID, Reason: "is another's"}
	}
	return importer.Adoption{MemberID: c.MemberID, Bonus: c.Bonus, Balance: c.Balance, Known: known}, calls, err
}

// What the faces of cards in wallets show is kept, and no holder gets a message.
func TestImport_AdoptsHolders(t *testing.T) {
	world.Run(t, func(w *world.World) {
		s := service(w, keys(w.T, oldKey))
		const cardID = "push-grant"
		type face struct{ bonus, balance int64 }
		faces := map[string]face{"H1": {2400, 5}, "H2": {0, 0}, "H3": {7, 0}, "H4": {1, 1}}
		for code, f := range faces {
			w.WeChat.Activated[code] = 1
			w.WeChat.SetFigures(code, f.bonus, f.balance)
		}
		w.WeChat.SetFigures("H5", 0, 0) // in a wallet, and not active
		w.WeChat.Holders[cardsync.Key{CardID: cardID, Code: "H4"}] = "o-other"
		w.WeChat.SetStatus("H6", "DELETE")
		const file = "openid,code,bonus,name\no-1,H1,2350,Li\no-2,H2,,\no-3,H3,7,\no-4,H4,1,\no-5,H5,,\no-6,H6,3,\n"
		o := importer.Options{CardID: cardID}
		dry, _, err := run(w, s, file, importer.Options{CardID: cardID, DryRun: true})
		want(w, dry, "2 adopted", "3 adopted", "4 adopted", "5 adopted", "6 adopted", "7 adopted")
		if err != nil || w.WeChat.CallCount() != 0 {
			w.Errorf("a dry run made %d calls, %v", w.WeChat.CallCount(), err)
		}
		got, c, err := run(w, s, file, o)
		want(w, got, "2 adopted  the face shows 2400 points and 5 fen, which were kept; the file says otherwise", "3 adopted", "4 adopted",
			"5 refused openid is another's", "6 adopted", "7 refused code is in no wallet")
		if (c != importer.Counts{Lines: 6, Joined: 4, Refused: 2}) || err != nil || w.WeChat.CallCount() != 6 {
			w.Errorf("got %+v, %v, %d calls", c, err, w.WeChat.CallCount())
		}
		again, _, err := run(w, s, file, o)
		want(w, again, "2 unchanged", "3 unchanged", "4 unchanged",
			"5 refused openid is another's", "6 unchanged", "7 refused code is in no wallet")
		if err != nil {
			w.Error(err)
		}
		w.SendAll()
		for code, f := range map[string]face{"H1": faces["H1"], "H2": faces["H2"], "H3": faces["H3"], "H5": {}} {
			w.WantFace(code, f.bonus, f.balance)
			if c := w.Card(cardID, code); c.Bonus != f.bonus || c.Balance != f.balance || c.FaceKnown != (code != "H5") {
				w.Errorf("%s: got %+v", code, c)
			}
		}
		if w.WeChat.Activated["H5"] != 0 {
			w.Error("a card that was not active was activated")
		}
		w.WantBalanced()
	})
}

func TestImport_KeepsToItsCalls(t *testing.T) {
	world.Run(t, func(w *world.World) {
		s := service(w, nil)
		file := "code\n"
		for i := range 250 {
			file += fmt.Sprintf("H%d\n", i)
			w.WeChat.Activated[fmt.Sprint("H", i)] = 1
			w.WeChat.Holders[cardsync.Key{CardID: "push", Code: fmt.Sprint("H", i)}] = fmt.Sprint("o-", i)
		}
		o := importer.Options{Holders: true, Calls: 120}
		for runs := 1; ; runs++ {
			before := w.WeChat.CallCount()
			_, c, err := run(w, s, file, o)
			if made := w.WeChat.CallCount() - before; made > 120 {
				w.Errorf("run %d made %d calls", runs, made)
			}
			if err == nil {
				if c.Lines != 250 || runs < 2 || runs > 4 {
					w.Errorf("after %d runs: %+v", runs, c)
				}
				break
			}
			if !errors.Is(err, importer.ErrCalls) || runs > 9 {
				w.Fatal(err)
			}
		}
		if calls := w.WeChat.CallCount(); calls != 250 {
			w.Errorf("250 cards took %d calls", calls)
		}
	})
}
