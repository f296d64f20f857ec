//go:build linux

package crash

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/sqldb"
	"github.com/addcard/addcard/internal/testing/postgres"
	filler "github.com/addcard/addcard/internal/testing/seed"
	"github.com/addcard/addcard/internal/testing/server"
)

// A copy that is killed at any moment continues when it is repeated, and no server
// starts on what it has left.
func TestCopy_IsFinishedAfterKills(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, there, back := "sqlite:"+filepath.Join(dir, "a.db"), postgres.New(t).URL("postgres"), "sqlite:"+filepath.Join(dir, "b.db")
	fillDatabase(t, first)
	for _, pair := range [][2]string{{first, there}, {there, back}} {
		kills, unfinished := 0, 0
		for done := false; !done; kills++ {
			if killedCopy(t, pair[0], pair[1], time.Duration(kills)*150*time.Millisecond) {
				break
			}
			switch {
			case isUnfinished(t, pair[1]):
				unfinished++
			case contents(t, pair[1]) == contents(t, pair[0]): // killed when it was done
				done = true
			case !strings.HasPrefix(contents(t, pair[1]), "[0 0 "):
				t.Fatalf("a server would start with %s", contents(t, pair[1]))
			case kills > 200:
				t.Fatal("it does not end")
			}
		}
		t.Logf("to %s: %d kills, %d of them when rows were there", strings.SplitN(pair[1], ":", 2)[0], kills, unfinished)
		if unfinished == 0 {
			t.Error("it was never killed on its way")
		}
	}
	if a, b := contents(t, first), contents(t, back); a != b {
		t.Errorf("after there and back the database has %s, had %s", b, a)
	}
}

func fillDatabase(t *testing.T, url string) {
	t.Helper()
	db, err := sqldb.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = filler.Fill(t.Context(), db, filler.Options{
		Members: 3000, Entries: 9000, Seed: 1, CardID: "pCard", MiniProgram: "wx0000000000000001", Official: "wx0000000000000002",
	})
	if err != nil {
		t.Fatal(err)
	}
}

// killedCopy runs a copy, kills it after a time, and reports whether it was done before.
func killedCopy(t *testing.T, from, to string, after time.Duration) bool {
	t.Helper()
	path, err := server.Binary()
	if err != nil {
		t.Fatal(err)
	}
	var messages strings.Builder
	cmd := exec.Command(path, "copy", "--from", from, "--to", to)
	cmd.Dir, cmd.Stderr = t.TempDir(), &messages
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err = cmd.Wait()
	if err != nil && cmd.ProcessState.Exited() && !strings.Contains(messages.String(), "another program is using the database") {
		t.Fatalf("the copy ended: %v\n%s", err, &messages) // PostgreSQL may not have noticed yet that the one before is dead
	}
	return err == nil
}

// isUnfinished reports whether no server starts on the database because a copy is not
// finished.
func isUnfinished(t *testing.T, url string) bool {
	t.Helper()
	path, err := server.Binary()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, "staff", "list")
	cmd.Dir, cmd.Env = t.TempDir(), append(server.Environ(t.TempDir(), "http://127.0.0.1:1"), "DATABASE_URL="+url)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	if !strings.Contains(string(out), "a copy into this database is not finished") {
		t.Errorf("a command ended: %v\n%s", err, out)
	}
	return true
}

// contents returns numbers and sums of rows.
func contents(t *testing.T, url string) string {
	t.Helper()
	db, err := sqldb.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var sums [8]int64
	err = db.Read().QueryRow(t.Context(), `select (select count(*) from member), (select count(*) from entry),
		(select count(*) from identity), (select count(*) from uncounted_card), (select count(*) from uncounted_entry),
		coalesce(sum(bonus), 0), coalesce(sum(balance), 0), coalesce(sum(seq), 0) from member_card`).Scan(
		&sums[0], &sums[1], &sums[2], &sums[3], &sums[4], &sums[5], &sums[6], &sums[7])
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(sums)
}
