package sqlstore

import (
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
)

// The entries of one ledger are found by its name. In the order of time they would be
// among those of all members of the card.
func TestEntries_AreThoseOfOneLedger(t *testing.T) {
	t.Parallel()
	db := sqldbtest.New(t)
	rows, err := db.Read().Query(t.Context(), "explain query plan "+entriesSQL, "p1", "c1", 1, "", 50)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	var steps []string
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	if plan := strings.Join(steps, "\n"); rows.Err() != nil || !strings.Contains(plan, "entry_ledger (card_id=? AND ledger=?)") {
		t.Errorf("the plan is\n%s\n%v", plan, rows.Err())
	}
}
