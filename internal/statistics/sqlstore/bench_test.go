package sqlstore_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	membersql "github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/statistics"
	"github.com/addcard/addcard/internal/statistics/sqlstore"
)

var engines = map[string]func(b *testing.B) *sqldb.DB{
	"sqlite":   func(b *testing.B) *sqldb.DB { b.Helper(); return sqldbtest.New(b) },
	"postgres": func(b *testing.B) *sqldb.DB { b.Helper(); return sqldbtest.Open(b, sqldbtest.Postgres(b)) },
}

// BenchmarkReports reads 31 days of 20 cards with 50 channels each.
func BenchmarkReports(b *testing.B) {
	for name, open := range engines {
		b.Run(name, func(b *testing.B) {
			db := open(b)
			store := sqlstore.New(db)
			for day := range 60 {
				err := store.Write(sqldb.Each(b.Context(), time.Minute), func(ctx context.Context, tx statistics.Tx) error {
					for i := range 20 * 50 {
						cell := statistics.Cell{
							Day: statistics.Day(20000 + day), CardID: fmt.Sprint("pCard0000000000000000000000", i%20), Channel: fmt.Sprint("table", i/20),
						}
						f, all := statistics.Figures{Issued: 1, Claimed: 1, Entries: int64(i)}, cell
						all.CardID = statistics.AllCards
						if err := errors.Join(tx.Add(ctx, cell, f), tx.Add(ctx, all, f)); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			sqldbtest.Exec(b, db, "analyze")
			s := statistics.New(store, statistics.Options{Zone: time.UTC, Log: slog.New(slog.DiscardHandler)})
			span := statistics.Span{From: 20010, To: 20040}
			for group, read := range map[string]func(context.Context, statistics.Span) (statistics.Report, error){
				"days": s.Days, "channels": s.Channels,
			} {
				b.Run(group, func(b *testing.B) {
					for b.Loop() {
						if r, err := read(b.Context(), span); err != nil || r.Total.Issued != 31_000 {
							b.Fatal(r.Total, err)
						}
					}
				})
			}
		})
	}
}

// BenchmarkWrites compares issuing a code and adding an entry with and without the
// triggers: 32 callers use two databases in turns. The figures are medians.
func BenchmarkWrites(b *testing.B) {
	for name, open := range engines {
		with, without := open(b), open(b)
		dropTriggers(b, without, name == "postgres")
		stores := []*membersql.Store{membersql.New(with), membersql.New(without)}
		for _, store := range stores {
			prepare(b, store)
		}
		for what, write := range map[string]func(context.Context, member.Tx) error{"issue": issue, "entry": addEntry} {
			b.Run(name+"/"+what, func(b *testing.B) {
				var took [2][]time.Duration
				for b.Loop() {
					for i, store := range stores {
						began := time.Now()
						batch(b, store, write)
						took[i] = append(took[i], time.Since(began))
					}
				}
				slices.Sort(took[0])
				slices.Sort(took[1])
				b.ReportMetric(float64(took[0][len(took[0])/2])/float64(took[1][len(took[1])/2]), "with/without")
			})
		}
		rollUp(b, name, with)
	}
}

func issue(ctx context.Context, tx member.Tx) error {
	id := uuid.NewString()
	if err := tx.AddMember(ctx, id); err != nil {
		return err
	}
	_, err := tx.AddIssued(ctx, id, member.CodeRequest{CardID: "c1", OuterStr: "table1"}, id)
	return err
}

func addEntry(ctx context.Context, tx member.Tx) error {
	p, err := tx.Post(ctx, "c1", fmt.Sprint("A", rand.N(64)), ledger.Booking{AddBonus: 1}, true)
	if err == nil {
		_, err = tx.AddEntry(ctx, p, ledger.Request{Route: "POST", Key: uuid.NewString(), Payload: uuid.NewString()}, nil)
	}
	return err
}

// batch writes 512 times, by 32 callers.
func batch(b *testing.B, store *membersql.Store, write func(context.Context, member.Tx) error) {
	b.Helper()
	var callers sync.WaitGroup
	for range 32 {
		callers.Go(func() {
			for range 16 {
				if err := store.Write(b.Context(), write); err != nil {
					b.Error(err)
				}
			}
		})
	}
	callers.Wait()
}

// rollUp counts what was written, and logs what a page costs.
func rollUp(b *testing.B, name string, db *sqldb.DB) {
	b.Helper()
	var rows int
	const count = `select (select count(*) from uncounted_card) + (select count(*) from uncounted_entry)`
	if err := db.Read().QueryRow(b.Context(), count).Scan(&rows); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	s := statistics.New(sqlstore.New(db), statistics.Options{Zone: time.UTC, Log: slog.New(slog.DiscardHandler)})
	if err := s.RollUp(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.Logf("%s: %d changes, %v for 500", name, rows, time.Since(began)/time.Duration(1+rows/500))
}

func dropTriggers(b *testing.B, db *sqldb.DB, on bool) {
	b.Helper()
	for trigger, table := range map[string]string{
		"entry_is_counted": "entry", "member_card_is_counted": "member_card", "member_card_is_counted_again": "member_card",
	} {
		query := "drop trigger " + trigger
		if on {
			query += " on " + table
		}
		sqldbtest.Exec(b, db, query)
	}
}

func prepare(b *testing.B, store *membersql.Store) {
	b.Helper()
	err := store.Write(b.Context(), func(ctx context.Context, tx member.Tx) error {
		err := tx.AddMember(ctx, "m1")
		for i := 0; i < 64 && err == nil; i++ {
			_, err = tx.AddCard(ctx, member.Card{CardID: "c1", Code: fmt.Sprint("A", i), MemberID: "m1", Status: member.Active})
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
}
