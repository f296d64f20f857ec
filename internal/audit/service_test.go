package audit_test

import (
	"context"
	"encoding/csv"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/audit"
	"github.com/addcard/addcard/internal/audit/sqlstore"
	"github.com/addcard/addcard/internal/sheet"
	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

func open(t *testing.T) (*audit.Service, *strings.Builder) {
	t.Helper()
	var log strings.Builder
	return audit.New(sqlstore.New(sqldbtest.New(t)), slog.New(slog.NewTextHandler(&log, nil))), &log
}

func begin(t *testing.T, s *audit.Service, action string) (context.Context, *audit.Action) {
	t.Helper()
	ctx, a, err := s.Begin(t.Context(), audit.Origin{Actor: "owner", Source: audit.API}, action, audit.Target{CardID: "p"})
	if err != nil {
		t.Fatal(err)
	}
	return ctx, a
}

func only(t *testing.T, s *audit.Service) audit.Record {
	t.Helper()
	list, err := s.List(t.Context(), audit.Filter{}, audit.Mark{}, 9)
	if err != nil || len(list) != 1 {
		t.Fatalf("got %+v, %v", list, err)
	}
	return list[0]
}

func TestAction_IsRecordedBeforeAndAfter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		problem string
		refused bool
		want    audit.Result
		changes string
	}{
		"well":    {"", false, audit.Done, `[{"field":"init_bonus","before":1,"after":2}]`},
		"refused": {"card_not_found", true, audit.Refused, ``},
		"failed":  {"wechat_unavailable", false, audit.Failed, `[{"field":"init_bonus","before":1,"after":2}]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _ := open(t)
			ctx, a := begin(t, s, "setSettings")
			if r := only(t, s); r.Result != audit.Unknown {
				t.Errorf("before the end: %+v", r)
			}
			audit.Note(ctx, "init_bonus", 1, 2)
			ctx, cancel := context.WithCancel(ctx)
			cancel() // its client has gone
			a.End(ctx, c.problem, c.refused)
			a.End(ctx, "", false)
			if r := only(t, s); r.Result != c.want || r.Problem != c.problem || string(r.Changes) != c.changes {
				t.Errorf("got %+v, changes %s", r, r.Changes)
			}
		})
	}
}

func TestNote_CutsWhatIsLong(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	ctx, a := begin(t, s, "updateCard")
	audit.Note(ctx, "description", nil, strings.Repeat("卡", 10_000))
	for range 100 {
		audit.Note(ctx, "more", "a", nil)
	}
	a.End(ctx, "", false)
	if r := only(t, s); len(r.Changes) > 4000 || !strings.HasPrefix(string(r.Changes), `[{"field":"description","after":"\"卡`) {
		t.Errorf("%d bytes: %.100s", len(r.Changes), r.Changes)
	}
	audit.Note(t.Context(), "of no action", 1, 2)
}

func TestBegin_WithoutARecordThereIsNoAction(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, a, err := s.Begin(ctx, audit.Origin{}, "a", audit.Target{}); err == nil || a != nil {
		t.Errorf("got %v, %v", a, err)
	}
}

func TestExport_IsASpreadsheetInTheShopsZone(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	for _, action := range []string{"a", "=b"} {
		ctx, a := begin(t, s, action)
		a.End(ctx, "", false)
	}
	var out strings.Builder
	zone := time.FixedZone("", 8*3600)
	if err := s.Export(t.Context(), &out, sheet.File{Format: sheet.CSV}, audit.Filter{CardID: "p"}, zone); err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(out.String(), "\ufeff")
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if !ok || err != nil || len(rows) != 3 {
		t.Fatalf("got %q, %v", out.String(), err)
	}
	if rows[1][5] != "'=b" || rows[2][5] != "a" || !strings.HasSuffix(rows[1][0], "+08:00") || rows[2][9] != "done" {
		t.Errorf("got %q", rows)
	}
}
