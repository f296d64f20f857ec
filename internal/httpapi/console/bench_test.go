package console_test

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// BenchmarkRetryAll retries ADDCARD_SCALE (1,000) messages that WeChat has refused with
// one click, and uses the console meanwhile. It reports after which time all are queued
// again, after which all are sent, and the slowest page.
func BenchmarkRetryAll(b *testing.B) {
	many, err := strconv.Atoi(cmp.Or(os.Getenv("ADDCARD_SCALE"), "1000"))
	if err != nil {
		b.Fatal(err)
	}
	for name, database := range map[string]func() string{
		"sqlite":   func() string { return "sqlite:" + b.TempDir() + "/a.db" },
		"postgres": func() string { return sqldbtest.Postgres(b) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				w := apptest.New(b, wechatsim.Options{})
				w.Quiet, w.Env["DATABASE_URL"] = true, database()
				s := w.Serve()
				parkMany(b, w, s, many)
				b.StartTimer()
				retryMany(b, s, many)
			}
		})
	}
}

// parkMany books entries, ten of each card, all of which WeChat refuses for good.
func parkMany(b *testing.B, w *apptest.World, s *apptest.Server, many int) {
	b.Helper()
	const stock = 100 // of a card
	cards := max(many/10, 1)
	var cardIDs, codes []string
	for i := range cards {
		if i%stock == 0 {
			cardIDs = append(cardIDs, w.NewCard(s))
		}
		_, code := w.Claim(s, fmt.Sprint("user", i), cardIDs[i/stock])
		codes = append(codes, code)
	}
	within(b, "the cards are active", func() bool { return len(s.Outbox("")) == 0 })
	if err := w.Sim.AddFault(wechatsim.Fault{Path: "/card/membercard/updateuser", ErrCode: 45021, Times: -1}); err != nil {
		b.Fatal(err)
	}
	for next := 0; next < many; {
		var entries []apptest.Object
		for ; next < many && len(entries) < 1000; next++ {
			entries = append(entries, apptest.Object{
				"card_id": cardIDs[next%cards/stock], "code": codes[next%cards], "key": fmt.Sprint(next), "add_bonus": 1,
			})
		}
		s.Operate(http.MethodPost, "/v1/entries/batch", apptest.Object{"entries": entries}).Is(b, http.StatusOK)
	}
	within(b, "all are refused", func() bool { return len(s.Outbox("?state=waiting&limit=1")) == 0 })
	apptest.Request(b, http.MethodDelete, w.WeChat.URL+"/_sim/faults", "", nil).Is(b, http.StatusOK)
}

func retryMany(b *testing.B, s *apptest.Server, many int) {
	b.Helper()
	browser := signedIn(b, s, s.Admin)
	browser.open("/pushes").shows(200, fmt.Sprintf("重试全部 %d 条", many))
	began := time.Now()
	job := browser.send("/pushes/retry", url.Values{"all": {"yes"}}).shows(200)
	var slowest, moved time.Duration
	within(b, "all are sent", func() bool {
		for _, path := range []string{"/", "/members", "/pushes", job.url.Path} {
			asked := time.Now()
			p := browser.open(path).shows(200)
			slowest = max(slowest, time.Since(asked))
			if path == job.url.Path && moved == 0 && strings.Contains(p.text, fmt.Sprintf("已完成 · %d / %d", many, many)) {
				moved = time.Since(began)
			}
		}
		return moved > 0 && len(s.Outbox("?limit=1")) == 0
	})
	b.ReportMetric(moved.Seconds(), "s/queued")
	b.ReportMetric(time.Since(began).Seconds(), "s/sent")
	b.ReportMetric(float64(slowest.Milliseconds()), "ms/slowest-page")
}

// within waits for up to five minutes.
func within(b *testing.B, what string, done func() bool) {
	b.Helper()
	for deadline := time.Now().Add(5 * time.Minute); !done(); time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatalf("waited in vain: %s", what)
		}
	}
}
