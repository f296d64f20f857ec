package ticket_test

import (
	"testing"

	"addcard/internal/ticket"
	"addcard/internal/ticket/tickettest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	tickettest.Run(t, func(*testing.T) tickettest.Harness { return tickettest.Harness{Store: ticket.NewMemory()} })
}
