package sqlstore

import (
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/sqldb/sqldbtest"
	"github.com/addcard/addcard/internal/testing/plan"
)

// The entries of one ledger are found by its name. In the order of time they would be
// among those of all members of the card.
func TestEntries_AreThoseOfOneLedger(t *testing.T) {
	t.Parallel()
	steps, err := plan.Steps(t.Context(), sqldbtest.New(t), entriesSQL, "p1", "c1", 1, "", 50)
	if text := strings.Join(steps, "\n"); err != nil || !strings.Contains(text, "entry_ledger (card_id=? AND ledger=?)") {
		t.Errorf("the plan is\n%s\n%v", text, err)
	}
}
