package app_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/wechatsim"
)

// importing is an import as the API shows it.
type importing struct {
	ID, Name, State, Problem, Actor                   string
	Total, Lines, Waiting, Joined, Unchanged, Refused int64
	Refusals                                          []struct {
		Line           int
		Column, Reason string
	}
}

// startImport sends a file to the API.
func startImport(s *apptest.Server, query url.Values, file string) (i importing) {
	s.T.Helper()
	s.Operate("POST", "/v1/imports?"+query.Encode(), file).Is(s.T, 202).JSON(s.T, &i)
	return i
}

// awaitImport returns an import when it has ended.
func awaitImport(s *apptest.Server, id string, patience time.Duration) (i importing) {
	s.T.Helper()
	for end := time.Now().Add(patience); ; <-time.After(100 * time.Millisecond) {
		s.Operate("GET", "/v1/imports/"+id, nil).Is(s.T, 200).JSON(s.T, &i)
		if i.State != "running" {
			return i
		}
		if time.Now().After(end) {
			s.T.Fatalf("the import does not end: %+v", i)
		}
	}
}

// A file that is sent to the API is imported: the dry run changes nothing, and the
// import joins the member who is there and keeps the others waiting.
func TestImport_ByTheAPI(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	w.Env["DATA_KEYS"] = dataKeys("k1")
	s := w.Serve()
	card := w.NewCard(s, apptest.WithBalance)
	_, code := w.Claim(s, "ming", card)
	file := "手机号,卡号,积分,余额（元）,姓名\n138 0013 8000," + code + ",30,1.5,李雷\n13900139000,,40,,\n138001,,1,,\n"
	query := url.Values{"name": {"会员.csv"}, "dry_run": {"true"}}
	dry := awaitImport(s, startImport(s, query, file).ID, 20*time.Second)
	if dry.State != "done" || dry.Joined != 1 || dry.Waiting != 1 || dry.Refused != 1 || dry.Total != 3 || dry.Lines != 3 {
		t.Errorf("the dry run: %+v", dry)
	}
	query.Del("dry_run")
	refused := awaitImport(s, startImport(s, query, file).ID, 20*time.Second)
	if refused.State != "refused" || refused.Joined+refused.Waiting != 0 || len(refused.Refusals) != 1 ||
		refused.Refusals[0].Line != 4 || refused.Refusals[0].Column != "手机号" || refused.ID == dry.ID {
		t.Errorf("a file with a wrong line: %+v", refused)
	}
	query.Set("skip_refused", "true")
	done := awaitImport(s, startImport(s, query, file).ID, 20*time.Second)
	if done.State != "done" || done.Joined != 1 || done.Waiting != 1 || done.Refused != 1 || done.ID != refused.ID || done.Actor != "owner" {
		t.Errorf("the import: %+v", done)
	}
	w.WaitTotals("ming", 30, 150)
	again := awaitImport(s, startImport(s, query, file).ID, 20*time.Second)
	if again.State != "done" || again.Unchanged != 2 || again.Refused != 1 {
		t.Errorf("again: %+v", again)
	}
	var lines struct{ Lines []struct{ Line int } }
	s.Operate("GET", "/v1/imports/"+dry.ID+"/lines", nil).Is(t, 200).JSON(t, &lines)
	if len(lines.Lines) != 3 {
		t.Errorf("the lines of the dry run: %+v", lines)
	}
	var found struct {
		Members []struct{ ID string }
	}
	s.Operate("GET", "/v1/members?query="+url.QueryEscape("+86 138-0013-8000"), nil).Is(t, 200).JSON(t, &found)
	if len(found.Members) != 1 {
		t.Fatalf("found by the imported phone: %+v", found)
	}
	if text := string(s.Operate("GET", "/v1/members/"+found.Members[0].ID, nil).Is(t, 200).Body); !strings.Contains(text, `"import":"会员.csv"`) ||
		!strings.Contains(text, `"name":"李雷"`) {
		t.Errorf("the member: %s", text)
	}
	for _, secret := range []string{"13800138000", "138 0013 8000", "李雷"} {
		if strings.Contains(w.Log(), secret) {
			t.Errorf("the log has %s", secret)
		}
	}
}

// manyLines returns a file with n lines.
func manyLines(n int) string {
	var file strings.Builder
	file.WriteString("code,bonus\n")
	for i := range n {
		fmt.Fprintf(&file, "old%06d,%d\n", i, i%7)
	}
	return file.String()
}

// A replica is killed in the middle of an import. Another goes on where it was, and each
// line is imported once.
func TestImport_AnotherReplicaGoesOn(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]func(*testing.T) *apptest.World{
		"SQLite":     func(t *testing.T) *apptest.World { t.Helper(); return apptest.New(t, wechatsim.Options{}) },
		"PostgreSQL": onPostgres,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t)
			card := w.Card()
			const n = 5_000
			first := spawn(w)
			i := startImport(first, url.Values{"name": {"many"}, "card_id": {card}}, manyLines(n))
			for i.Lines < 500 {
				first.Operate("GET", "/v1/imports/"+i.ID, nil).Is(t, 200).JSON(t, &i)
			}
			first.Stop()
			second := spawn(w)
			second.Operate("GET", "/v1/imports/"+i.ID, nil).Is(t, 200).JSON(t, &i)
			if i.State != "running" || i.Lines < 500 || i.Lines >= n {
				t.Fatalf("after the kill: %+v", i)
			}
			expireLeases(t, w)
			i = awaitImport(second, i.ID, 5*time.Minute)
			if i.State != "done" || i.Lines != n || i.Waiting != n || i.Unchanged != 0 {
				t.Errorf("got %+v", i)
			}
		})
	}
}

// expireLeases ends the leases of imports, as time does.
func expireLeases(t *testing.T, w *apptest.World) {
	t.Helper()
	target := w.Env["DATABASE_URL"]
	if target == "" {
		target = "sqlite:" + w.DB
	}
	db, err := sqldb.Open(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Change(t.Context(), "expire leases", `update import set lease_until = 1 where state = 'running'`); err != nil {
		t.Fatal(err)
	}
}
