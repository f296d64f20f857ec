package main

import (
	"testing"

	"github.com/addcard/addcard/cmd/internal/commandtest"
)

// The commands, arguments and flags are what scripts rely on. What the help
// says about them may be reworded.
func TestContract_CommandLine(t *testing.T) {
	commandtest.Contract(t, "sandbox", &commands{})
}
