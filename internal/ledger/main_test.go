package ledger_test

import (
	"testing"

	"github.com/addcard/addcard/internal/testing/world"
)

func TestMain(m *testing.M) { world.Main(m) }
