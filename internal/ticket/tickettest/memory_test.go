package tickettest_test

import (
	"testing"

	"github.com/addcard/addcard/internal/ticket/tickettest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	tickettest.Run(t, func(*testing.T) tickettest.Harness { return tickettest.Harness{Store: tickettest.NewMemory()} })
}
