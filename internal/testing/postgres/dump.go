package postgres

import (
	"fmt"
	"path/filepath"
	"testing"
)

// Dump writes a database to a file, as pg_dump does in a format of its own, and returns
// its path.
func (s *Server) Dump(t testing.TB, database string) (file string) {
	t.Helper()
	file = filepath.Join(s.dir, fmt.Sprint(database, ".dump"))
	s.run(t, "pg_dump", "--format=custom", "--file="+file, s.URL(database))
	return file
}

// Load makes a database from a file of Dump and returns its URL.
func (s *Server) Load(t testing.TB, file, database string) (url string) {
	t.Helper()
	s.run(t, "createdb", "--maintenance-db="+s.URL("postgres"), database)
	s.run(t, "pg_restore", "--no-owner", "--dbname="+s.URL(database), file)
	return s.URL(database)
}

func (s *Server) run(t testing.TB, program string, args ...string) {
	t.Helper()
	if out, err := s.command(program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}
