package commandtest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/alecthomas/kong"
)

// Help checks the --help of program, which testscript.Main has put into the PATH,
// and of each of its commands and groups of commands: it must go to standard
// output and have at least two examples, which must use existing commands and
// flags. The examples call the program spelling. commands is the struct that the
// program gives to command.Main.
func Help(t *testing.T, program, spelling string, commands any) {
	t.Helper()
	parser := parserOf(t, program, commands)
	_, list, _ := strings.Cut(output(t, program, "--help"), "\nCommands:\n")
	names := map[string]bool{"": true}
	for line := range strings.Lines(list) {
		name, ok := strings.CutPrefix(line, "  ")
		if !ok || strings.HasPrefix(name, " ") { // the wrapped rest of the line above
			continue
		}
		words := commandOf(name)
		names[words[0]], names[strings.Join(words, " ")] = true, true
	}
	if len(names) == 1 {
		t.Errorf("%s --help lists no commands", program)
	}
	var parsing sync.Mutex // a parser is for one goroutine
	for name := range names {
		t.Run(program+" "+name, func(t *testing.T) {
			t.Parallel()
			examples := examplesIn(output(t, program, append(strings.Fields(name), "--help")...), spelling)
			if len(examples) < 2 {
				t.Errorf("%d examples", len(examples))
			}
			for _, example := range examples {
				words := wordsOf(t, name+" "+strings.TrimPrefix(example, name)) // a default command is not named
				parsing.Lock()
				parsed, err := kong.Trace(parser, words)
				parsing.Unlock()
				if err = errors.Join(err, parsed.Error); err != nil {
					t.Errorf("%q: %v", example, err)
				}
			}
		})
	}
}

// commandOf returns the words of a command from its line in the list: those before
// its first argument or flag, or its help.
func commandOf(line string) []string {
	words, _, _ := strings.Cut(line, "  ")
	for i, r := range words {
		if r == '<' || r == '[' {
			words = words[:i]
			break
		}
	}
	return strings.Fields(words)
}

// examplesIn returns what follows the program's name in each indented line.
func examplesIn(help, spelling string) (examples []string) {
	for line := range strings.Lines(help) {
		if _, example, ok := strings.Cut(line, spelling); ok && strings.HasPrefix(line, "    ") {
			examples = append(examples, strings.TrimSpace(example))
		}
	}
	return examples
}

// wordsOf returns the arguments of an example as the shell splits them, without what it
// redirects.
func wordsOf(t *testing.T, example string) []string {
	t.Helper()
	for _, redirection := range []string{" | ", " < ", " > "} {
		example, _, _ = strings.Cut(example, redirection)
	}
	return strings.FieldsFunc(output(t, "sh", "-c", `printf '%s\0' `+example), func(r rune) bool { return r == 0 })
}

// outputs are those of the programs that ran, by their arguments: a program starts in a
// quarter of a second with the race detector.
var outputs sync.Map

// output runs a program, which must succeed and write nothing to standard error,
// and returns its output. It runs a program with the same arguments once.
func output(t *testing.T, program string, args ...string) string {
	t.Helper()
	key := fmt.Sprintf("%s %q", program, args)
	if out, ok := outputs.Load(key); ok {
		return out.(string)
	}
	cmd := exec.CommandContext(t.Context(), program, args...)
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	cmd.Env = append(os.Environ(), noRaceSleep)
	if err := cmd.Run(); err != nil || messages.Len() > 0 {
		t.Errorf("%s: %v, %s", key, err, messages.Bytes())
		return out.String()
	}
	outputs.Store(key, out.String())
	return out.String()
}
