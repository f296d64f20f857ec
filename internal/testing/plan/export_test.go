package plan

import (
	"context"
	"testing"

	"github.com/addcard/addcard/internal/sqldb"
)

// Problems checks the plan of a statement, by engine.
var Problems = map[string]func(ctx context.Context, db *sqldb.DB, query string, args []any) ([]string, error){
	"sqlite": sqliteProblems, "postgres": postgresProblems,
}

// Fill creates members in an empty database.
func Fill(t *testing.T, db *sqldb.DB, members int) { t.Helper(); fill(t, db, members) }
