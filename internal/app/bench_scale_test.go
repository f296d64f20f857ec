package app_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"github.com/addcard/addcard/internal/cardsync"
	cardsyncsql "github.com/addcard/addcard/internal/cardsync/sqlstore"
	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/testing/postgres"
	"github.com/addcard/addcard/internal/testing/seed"
	"github.com/addcard/addcard/internal/wechatsim"
)

// BenchmarkScale compares what a request costs with 1,000 members and with
// ADDCARD_SCALE (10,000), each with ten entries. 32 callers use the two in turns,
// for other members each time. The figures are medians. The SQLite file of the
// large one is kept in the folder ADDCARD_SCALE_DATA, if set, for the next run.
func BenchmarkScale(b *testing.B) {
	many, err := strconv.Atoi(cmp.Or(os.Getenv("ADDCARD_SCALE"), "10000"))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("sqlite", func(b *testing.B) {
		dir := cmp.Or(os.Getenv("ADDCARD_SCALE_DATA"), b.TempDir())
		path := filepath.Join(dir, "addcard.db")
		few, all := newShop(b, 1000, "sqlite:"+filepath.Join(b.TempDir(), "few.db")), newShop(b, many, "sqlite:"+path)
		inMemory(b, path)
		compareSizes(b, few, all)
	})
	b.Run("postgres", func(b *testing.B) {
		server := postgres.New(b, "-c", "shared_buffers=512MB", "-c", "max_wal_size=4GB")
		compareSizes(b, newShop(b, 1000, server.URL("postgres")), newShop(b, many, server.URL("template1")))
	})
}

// inMemory has the system read the file once, so that the speed of the disk is
// not part of the comparison.
func inMemory(b *testing.B, path string) {
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := io.Copy(io.Discard, f); err != nil {
		b.Fatal(err)
	}
}

// shop is a server with seeded members.
type shop struct {
	*apptest.Server
	b       *testing.B
	db      *sqldb.DB
	store   *cardsyncsql.Store
	members int
	sample  []sampled
	next    atomic.Int64
	cursors []string // of the pages of the list of members
}

type sampled struct{ id, code string }

// seededCard is what cmd/sandbox gives its seeded members.
const seededCard = "pSeededCard00000000000000000"

func newShop(b *testing.B, members int, url string) *shop {
	w := apptest.New(b, wechatsim.Options{})
	w.Env["DATABASE_URL"], w.Quiet = url, true
	// The simulator has no seeded codes: every push to them succeeds.
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/card/membercard/updateuser" {
			_, _ = io.WriteString(rw, `{"errcode":0,"errmsg":"ok"}`)
			return
		}
		w.Sim.Handler().ServeHTTP(rw, r)
	}))
	b.Cleanup(front.Close)
	w.Env["WECHAT_API_URL"] = front.URL
	s := &shop{b: b, db: sqldbtest.Open(b, url), members: members}
	s.store = cardsyncsql.New(s.db)
	o := seed.Options{Members: members, Entries: 10 * members, Seed: 1, CardID: seededCard, MiniProgram: "wx00000000000000a1",
		Official: "wx00000000000000b2"}
	if err := seed.Fill(b.Context(), s.db, o); err != nil {
		b.Fatal(err)
	}
	// The jobs that add up ledgers and compare cards do not run meanwhile.
	for _, job := range []string{"add up the ledger", "reconcile", "roll up statistics"} {
		s.exec(`insert into schedule (name, taken_at) values ($1, now_ms() + 86400000)
			on conflict (name) do update set taken_at = excluded.taken_at`, job)
	}
	s.exec(`delete from card where card_id = $1`, seededCard) // left by an earlier run with another simulator
	s.Server = w.Serve()
	likeIt := w.Card()
	if got := s.Get("/v1/cards/"+likeIt, ""); got.Status != http.StatusOK {
		b.Fatalf("card: %d %s", got.Status, got.Body)
	}
	s.exec(`insert into card (card_id, doc, settings, read_at) select $1, doc, settings, read_at from card where card_id = $2
		on conflict (card_id) do update set doc = excluded.doc, read_at = excluded.read_at`, seededCard, likeIt)
	s.pick()
	return s
}

func (s *shop) exec(query string, args ...any) {
	s.b.Helper()
	err := s.db.Write(s.b.Context(), func(ctx context.Context, tx sqldb.Querier) error {
		_, err := tx.Exec(ctx, query, args...)
		return err
	})
	if err != nil {
		s.b.Fatal(err)
	}
}

// pick chooses random members, and pages of their list.
func (s *shop) pick() {
	for range 20_000 {
		var who sampled
		err := s.db.Read().QueryRow(s.b.Context(), `select member_id, code from member_card
			where member_id >= $1 and status = 'active' order by member_id limit 1`,
			fmt.Sprintf("%08x", rand.Uint32N(0xfff00000))).Scan(&who.id, &who.code)
		if err == nil {
			s.sample = append(s.sample, who)
		}
	}
	if len(s.sample) < 10_000 {
		s.b.Fatalf("%d members were found", len(s.sample))
	}
	s.cursors = []string{""}
	for len(s.cursors) < 15 {
		var page apptest.Members
		apptest.Request(s.b, http.MethodGet, s.Admin+"/v1/members?limit=50&cursor="+s.cursors[len(s.cursors)-1], apptest.AdminToken, nil).
			JSON(s.b, &page)
		s.cursors = append(s.cursors, page.NextCursor)
	}
}

func (s *shop) nextMember() sampled { return s.sample[int(s.next.Add(1))%len(s.sample)] }

// session returns a new session token of the member, as a login does.
func session(memberID string) string {
	key, _ := base64.StdEncoding.DecodeString(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("key!"), 8)))
	now := time.Now().Unix()
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "addcard", "aud": "addcard", "sub": memberID, "jti": uuid.NewString(), "iat": now, "exp": now + 7200,
	})
	t.Header["kid"] = "k1"
	signed, err := t.SignedString(key)
	if err != nil {
		panic(err)
	}
	return signed
}

const scaleCallers = 32

var scaleClient = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * scaleCallers}}

func (s *shop) do(method, url, token, body string, status int) error {
	req, err := http.NewRequestWithContext(s.b.Context(), method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", uuid.NewString())
	}
	resp, err := scaleClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if resp.StatusCode != status {
		err = fmt.Errorf("%s %s: got %d %s", method, url, resp.StatusCode, answer)
	}
	return err
}

// scaled are the requests that are measured, and one step of the reconciler.
var scaled = []struct {
	name string
	once func(s *shop) error
}{
	{"card-ext", func(s *shop) error {
		token := session(s.nextMember().id)
		return s.do(http.MethodPost, s.Public+"/v1/card-ext", token, `{"cards":[{"card_id":"`+seededCard+`"}]}`, http.StatusOK)
	}},
	// A code that was read stays in memory until the next write: here one of eight
	// requests ends a session.
	{"card-ext, others write", func(s *shop) error {
		token := session(s.nextMember().id)
		err := s.do(http.MethodPost, s.Public+"/v1/card-ext", token, `{"cards":[{"card_id":"`+seededCard+`"}]}`, http.StatusOK)
		if err != nil || s.next.Load()%8 > 0 {
			return err
		}
		return s.do(http.MethodDelete, s.Public+"/v1/session", token, "", http.StatusNoContent)
	}},
	{"me", func(s *shop) error {
		return s.do(http.MethodGet, s.Public+"/v1/me", session(s.nextMember().id), "", http.StatusOK)
	}},
	{"my entries", func(s *shop) error {
		who := s.nextMember()
		return s.do(http.MethodGet, s.Public+"/v1/me/cards/"+seededCard+"/codes/"+who.code+"/entries", session(who.id), "", http.StatusOK)
	}},
	{"entry", func(s *shop) error {
		return s.do(http.MethodPost, s.Admin+apptest.EntriesPath(seededCard, s.nextMember().code), apptest.AdminToken, `{"add_bonus":1}`,
			http.StatusCreated)
	}},
	{"find", func(s *shop) error {
		return s.do(http.MethodGet, s.Admin+"/v1/members?query="+s.nextMember().code, apptest.AdminToken, "", http.StatusOK)
	}},
	{"list of 50", func(s *shop) error {
		return s.do(http.MethodGet, s.Admin+"/v1/members?limit=50&cursor="+s.cursors[int(s.next.Add(1))%len(s.cursors)], apptest.AdminToken, "",
			http.StatusOK)
	}},
	{"reconcile", func(s *shop) error {
		due, err := s.store.CardsDue(s.b.Context(), 1)
		if err != nil || len(due) != 1 {
			return fmt.Errorf("%d cards are due, %w", len(due), err)
		}
		return s.store.Write(s.b.Context(), func(ctx context.Context, tx cardsync.Tx) error {
			if _, err := tx.HasWaiting(ctx, due[0].CardID, due[0].Code); err != nil {
				return err
			}
			return tx.Checked(ctx, due[0].CardID, due[0].Code, time.Minute, time.Hour)
		})
	}},
}

func compareSizes(b *testing.B, few, many *shop) {
	for _, what := range scaled {
		b.Run(what.name, func(b *testing.B) {
			const rounds, calls = 11, 640
			var small, large, ratio, work []float64
			for i := range b.N*rounds + 2 {
				x, y := few.round(b, what.once, calls), many.round(b, what.once, calls)
				if i < 2 { // warm what is used in any case
					continue
				}
				small, large = append(small, x.wall), append(large, y.wall)
				ratio, work = append(ratio, y.wall/x.wall), append(work, y.work/x.work)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(small), "µs/1000")
			b.ReportMetric(median(large), fmt.Sprintf("µs/%d", many.members))
			b.ReportMetric(median(ratio), "ratio")
			b.ReportMetric(median(work), "cpu-ratio")
		})
	}
}

// cost is what one of many concurrent calls takes: time on the clock, and time of
// the processors, including the caller's.
type cost struct{ wall, work float64 }

func (s *shop) round(b *testing.B, once func(*shop) error, calls int) cost {
	var wg sync.WaitGroup
	began, worked := time.Now(), cpu(b)
	for range scaleCallers {
		wg.Go(func() {
			for range calls / scaleCallers {
				if err := once(s); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return cost{float64(time.Since(began)) / float64(calls) / 1000, float64(cpu(b)-worked) / float64(calls) / 1000}
}

// cpu returns the processor time of this process. Other programs on the machine
// disturb it less than the time on the clock.
func cpu(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}
