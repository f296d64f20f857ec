package main

import (
	"testing"

	"github.com/addcard/addcard/cmd/internal/commandtest"
)

func TestHelp_every_command_has_examples_that_parse(t *testing.T) {
	commandtest.Help(t, "server", "server ")
}
