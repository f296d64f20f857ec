package plan

import (
	"context"
	"testing"

	"github.com/addcard/addcard/internal/sqldb"
)

// Looks are how each engine is asked.
var Looks = map[string]func(ctx context.Context, db *sqldb.DB, query string, args []any) ([]string, error){"sqlite": sqlite, "postgres": postgres}

// Fill makes members in an empty database.
func Fill(t *testing.T, db *sqldb.DB, members int) { t.Helper(); fill(t, db, members) }
