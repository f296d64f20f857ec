package app_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/member"
	membersql "github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/outbox"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// BenchmarkEntries compares ledger entries over HTTP, by 64 callers on 64 active
// cards, with the same statements in bare transactions on another database.
// Compare the figures of one run only. The pushes are sent meanwhile.
func BenchmarkEntries(b *testing.B) {
	for engine, database := range map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { t.Helper(); return "sqlite:" + filepath.Join(t.TempDir(), "addcard.db") },
		"postgres": sqldbtest.Postgres,
	} {
		b.Run(engine, func(b *testing.B) { benchmarkEntries(b, database) })
	}
}

func benchmarkEntries(b *testing.B, database func(testing.TB) string) {
	const callers, cards = 64, 64
	w := apptest.New(b, wechatsim.Options{})
	w.Env["DATABASE_URL"] = database(b)
	w.Quiet = true
	cardID := w.Card()
	s := w.Serve()
	codes := make([]string, cards)
	for i := range codes {
		_, codes[i] = w.Claim(s, fmt.Sprint("user", i), cardID)
	}
	apptest.Eventually(b, "the cards are active", func() bool { return w.Sim.Calls()["/card/membercard/activate"].Total >= cards })
	run := func(name string, one func(i int64) error) {
		b.Run(name, func(b *testing.B) {
			b.SetParallelism(callers / 2)
			var n atomic.Int64
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := one(n.Add(1)); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
	store := bare(b, database(b), cards)
	run("bare transactions", func(i int64) error {
		return store.Write(b.Context(), func(ctx context.Context, tx member.Tx) error {
			return statements(ctx, tx, fmt.Sprint("code", i%cards))
		})
	})
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers}}
	run("HTTP", func(i int64) error {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, s.Admin+apptest.EntriesPath(cardID, codes[i%cards]),
			bytes.NewReader([]byte(`{"add_bonus":1}`)))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+apptest.AdminToken)
		req.Header.Set("Idempotency-Key", uuid.NewString())
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(resp.Body)
		if resp.StatusCode != http.StatusCreated {
			err = fmt.Errorf("got %d %s", resp.StatusCode, body)
		}
		return err
	})
}

// BenchmarkBatch books 1,000 entries on 100 cards with one request.
func BenchmarkBatch(b *testing.B) {
	for engine, database := range map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { t.Helper(); return "sqlite:" + filepath.Join(t.TempDir(), "addcard.db") },
		"postgres": sqldbtest.Postgres,
	} {
		b.Run(engine, func(b *testing.B) {
			const items, cards = 1000, 100
			w := apptest.New(b, wechatsim.Options{})
			w.Env["DATABASE_URL"] = database(b)
			w.Quiet = true
			cardID := w.Card()
			s := w.Serve()
			codes := make([]string, cards)
			for i := range codes {
				_, codes[i] = w.Claim(s, fmt.Sprint("user", i), cardID)
			}
			for b.Loop() {
				var body bytes.Buffer
				for i := range items {
					fmt.Fprintf(&body, `,{"card_id":%q,"code":%q,"key":%q,"add_bonus":1,"order":"o%d"}`, cardID, codes[i%cards], uuid.NewString(), i)
				}
				got := s.Operate(http.MethodPost, "/v1/entries/batch", `{"entries":[`+body.String()[1:]+`]}`)
				if n := bytes.Count(got.Body, []byte(`"status":201`)); n != items {
					b.Fatalf("%d were booked: %d %.300s", n, got.Status, got.Body)
				}
			}
			b.ReportMetric(items*float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// bare returns a store with active cards.
func bare(b *testing.B, url string, cards int) member.Store {
	store := membersql.New(sqldbtest.Open(b, url))
	err := store.Write(b.Context(), func(ctx context.Context, tx member.Tx) error {
		err := tx.AddMember(ctx, "m1")
		for i := 0; i < cards && err == nil; i++ {
			_, err = tx.AddCard(ctx, member.Card{CardID: "c1", Code: fmt.Sprint("code", i), MemberID: "m1", Status: member.Active})
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return store
}

// statements runs the statements of one entry.
func statements(ctx context.Context, tx member.Tx, code string) error {
	r := ledger.Request{ID: uuid.NewString(), Route: "POST /v1/cards/c1/codes/" + code + "/entries", Key: uuid.NewString(),
		Payload: uuid.NewString()}
	_, _ = tx.Answer(ctx, r.Route, r.Key)
	p, err := tx.Post(ctx, "c1", code, ledger.Booking{AddBonus: 1, NotifyBonus: true, NotifyBalance: true}, true)
	if err != nil {
		return err
	}
	if _, err := tx.AddEntry(ctx, p, r, bytes.Repeat([]byte("a"), 240)); err != nil {
		return err
	}
	return tx.Enqueue(ctx, outbox.Message{ID: p.ID, CardID: "c1", Code: code, Kind: "entry", Payload: p.ID})
}
