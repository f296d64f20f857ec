package sqldb_test

import (
	"testing"

	"github.com/addcard/addcard/internal/sqldb"
)

func TestPlaintext_OffTheMachineOnly(t *testing.T) {
	for name := range map[string]bool{"PGSSLMODE": true, "PGHOST": true, "PGSSLROOTCERT": true, "PGSERVICE": true} {
		t.Setenv(name, "")
	}
	for url, want := range map[string]bool{
		"postgres://u:p@db.example/a": true, "postgresql://u:p@192.0.2.7:5432/a": true, "postgres://u:p@10.0.0.7/a?sslmode=disable": true,
		"postgres://u:p@db/a?sslmode=prefer": true, "postgres://u:p@db/a?sslmode=allow": true, "postgres://u:p@[2001:db8::1]/a": true,
		"postgres://u:p@127.0.0.1,db.example/a": true, "postgres://u:p@db.example:1,127.0.0.1:2/a?sslmode=disable": true,
		"postgres://u:p@127.0.0.1.example/a": true, "postgres:///a?host=db.example": true,
		"postgres://u:p@db.example/a?sslmode=require": false, "postgres://u:p@db.example/a?sslmode=verify-ca": false,
		"postgres://u:p@db.example/a?sslmode=verify-full": false, "postgres://u:p@127.0.0.1/a": false, "postgres://u:p@[::1]:5432/a": false,
		"postgres://u:p@localhost/a?sslmode=disable": false, "postgres:///a?host=/var/run/postgresql": false,
		"postgres://u:p@127.9.9.9,localhost/a": false, "sqlite:addcard.db": false, "": false, "postgres://u:p@db:x/a": false,
	} {
		if got := sqldb.Plaintext(url); got != want {
			t.Errorf("%q: got %v, want %v", url, got, want)
		}
	}
}
