//go:build linux

package crash

import (
	"cmp"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/testing/server"
)

// previous is the commit of the latest release. There is none yet, and this is the commit
// before releases could be made. ADDCARD_PREVIOUS names another one.
var previous = cmp.Or(os.Getenv("ADDCARD_PREVIOUS"), "ff24c260cce3f0d6dfba54260ffb3dc9e31005b4")

// Replicas on PostgreSQL are replaced one by one, a server on SQLite is stopped and the
// new one started, while entries are added: none is lost or doubled. So it is on the way
// back, unless the previous version does not work on the new tables and refuses to start.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	release, err := server.Release()
	if err != nil {
		t.Fatal(err)
	}
	before, source, err := server.Previous(previous)
	if err != nil {
		t.Fatal(err)
	}
	// Versions before this migration start on no newer tables.
	goesBack := slices.Contains(migrations(t, source), "00035_schema_reader.sql")
	for database, replicas := range map[string]int{"sqlite": 1, "postgres": 2} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			seed := seed(t)
			s := openProgram(t, before, database, "", seed, replicas, 6)
			s.env = append(s.env, "SHUTDOWN_GRACE=10s")
			s.replace(before) // with this grace, so that the drain takes the moment that clients need
			load := s.load(seed, 4, 10*time.Millisecond)
			s.replace(release)
			if goesBack {
				s.replace(before)
			} else if _, err := server.LaunchProgram(t, before, s.env); err == nil || !strings.Contains(err.Error(), "newer version") {
				t.Errorf("the previous version on newer tables: %v", err)
			}
			load.end()
			s.eventually("the cards of newcomers are active", func() bool {
				return !slices.ContainsFunc(s.newcomers, func(c *card) bool { return !s.face(c).HasActive })
			})
			if v := s.check(load); !v.clean() {
				t.Errorf("%+v; outbox: %+v", v, s.outbox())
			}
			for status, n := range load.answers {
				if status >= http.StatusInternalServerError {
					t.Errorf("%d requests were answered with %d", n, status)
				}
			}
			if replicas > 1 && load.unanswered > 0 {
				t.Errorf("%d requests had no answer", load.unanswered)
			}
			t.Logf("way back by starting the previous version: %v; acknowledged %d, without an answer %d",
				goesBack, len(load.requests), load.unanswered)
		})
	}
}

// replace replaces the servers by the program, one after the other. Of several, the new
// one serves before the old one ends. After each, members take cards.
func (s *deployment) replace(program string) {
	s.t.Helper()
	s.program = program
	for i := range s.replicas {
		old := s.replicas[i].Load()
		if len(s.replicas) > 1 {
			s.start(i)
		}
		if err := old.Stop(); err != nil {
			s.t.Fatal(err)
		}
		if len(s.replicas) == 1 {
			s.start(i)
		}
		for range 3 {
			s.newcomers = append(s.newcomers, s.claimCard(fmt.Sprint("newcomer", len(s.newcomers))))
		}
	}
}

// migrations returns the names of the migrations in the source of a version.
func migrations(t *testing.T, source string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(source, "internal/sqldb/migrations/*.sql"))
	if err != nil || len(list) == 0 {
		t.Fatalf("%s has no migrations: %v", source, err)
	}
	for i := range list {
		list[i] = filepath.Base(list[i])
	}
	return list
}
