package app_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/datakey"
	"github.com/addcard/addcard/internal/member"
	membersql "github.com/addcard/addcard/internal/member/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/webhook"
	webhooksql "github.com/addcard/addcard/internal/webhook/sqlstore"
)

// BenchmarkWebhooks measures how much longer an entry takes because of the trigger that
// tells of it, without an endpoint and with one, as medians of the ratios of 60 rounds;
// and then how many events a replica delivers to a receiver that answers at once.
func BenchmarkWebhooks(b *testing.B) {
	for engine, database := range map[string]func(testing.TB) string{
		"sqlite":   func(t testing.TB) string { t.Helper(); return "sqlite:" + filepath.Join(t.TempDir(), "addcard.db") },
		"postgres": sqldbtest.Postgres,
	} {
		b.Run(engine, func(b *testing.B) {
			without, none, one := openTill(b, database(b)), openTill(b, database(b)), openTill(b, database(b))
			drop := "drop trigger entry_is_told"
			if engine == "postgres" {
				drop += " on entry"
			}
			sqldbtest.Exec(b, without.db, drop)
			var received atomic.Int64
			receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { received.Add(1) }))
			defer receiver.Close()
			sender := newSender(b, one.db, receiver.URL)
			for b.Loop() {
				var noneRatios, oneRatios []float64
				for round := range 60 {
					var took [3]float64 // in another order each time
					for i := range took {
						which := (round + i) % len(took)
						took[which] = []*till{without, none, one}[which].book(b)
					}
					noneRatios, oneRatios = append(noneRatios, took[1]/took[0]), append(oneRatios, took[2]/took[0])
				}
				b.ReportMetric(median(noneRatios), "×-without-endpoint")
				b.ReportMetric(median(oneRatios), "×-with-one")
				began, before := time.Now(), received.Load()
				deliver(sender, func() bool { return received.Load()-before >= 60*tillRound })
				b.ReportMetric(60*tillRound/time.Since(began).Seconds(), "events/s")
			}
		})
	}
}

const (
	tillCards   = 1000
	tillRound   = 320
	tillCallers = 16
)

// till is a database with cards.
type till struct {
	db    *sqldb.DB
	store *membersql.Store
	next  atomic.Int64
}

func openTill(b *testing.B, url string) *till {
	s := &till{db: sqldbtest.Open(b, url)}
	s.store = membersql.New(s.db)
	err := s.store.Write(b.Context(), func(ctx context.Context, tx member.Tx) (err error) {
		for i := range tillCards {
			if err == nil {
				err = tx.AddMember(ctx, fmt.Sprint("m", i))
			}
			if err == nil {
				_, err = tx.AddCard(ctx, member.Card{CardID: "c1", Code: fmt.Sprint("code", i), MemberID: fmt.Sprint("m", i), Status: member.Active})
			}
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// book books tillRound entries on as many cards and returns how many seconds it takes.
func (s *till) book(b *testing.B) float64 {
	began := time.Now()
	var callers sync.WaitGroup
	for range tillCallers {
		callers.Go(func() {
			for range tillRound / tillCallers {
				err := s.store.Write(b.Context(), func(ctx context.Context, tx member.Tx) error {
					return statements(ctx, tx, fmt.Sprint("code", s.next.Add(1)%tillCards))
				})
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	callers.Wait()
	return time.Since(began).Seconds()
}

// newSender returns a service with an endpoint for entries.
func newSender(b *testing.B, db *sqldb.DB, url string) *webhook.Service {
	keys, err := datakey.Parse("k1:" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	if err != nil {
		b.Fatal(err)
	}
	s := webhook.New(webhooksql.New(db), webhook.Options{Keys: keys, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if _, _, err := s.Add(b.Context(), webhook.Endpoint{URL: url, Events: []string{"entry.created"}, Enabled: true}); err != nil {
		b.Fatal(err)
	}
	return s
}

// deliver runs a sender until done reports true.
func deliver(s *webhook.Service, done func() bool) {
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.Run(ctx) })
	for !done() {
		<-time.After(10 * time.Millisecond)
	}
	stop()
	running.Wait()
}
