package main

import (
	"testing"

	"github.com/addcard/addcard/cmd/internal/commandtest"
)

func TestHelp_EveryCommandHasExamplesThatParse(t *testing.T) {
	commandtest.Help(t, "server", "server ", &commands{})
}
