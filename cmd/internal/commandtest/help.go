package commandtest

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Help checks that program, which testscript.Main put into the PATH, and each of
// its commands and groups of commands explains itself on standard output with
// two or more examples, and that the examples use words and flags that exist.
// In them the program is called spelt.
func Help(t *testing.T, program, spelt string) {
	t.Helper()
	_, list, _ := strings.Cut(show(t, program, "--help"), "\nCommands:\n")
	commands := map[string]bool{"": true}
	for line := range strings.Lines(list) {
		name, ok := strings.CutPrefix(line, "  ")
		if !ok || strings.HasPrefix(name, " ") { // the wrapped rest of the line above
			continue
		}
		words := commandOf(name)
		commands[words[0]], commands[strings.Join(words, " ")] = true, true
	}
	if len(commands) == 1 {
		t.Errorf("%s --help lists no commands", program)
	}
	for name := range commands {
		t.Run(program+" "+name, func(t *testing.T) {
			t.Parallel()
			examples := examplesIn(show(t, program, append(strings.Fields(name), "--help")...), spelt)
			if len(examples) < 2 {
				t.Errorf("%d examples", len(examples))
			}
			for _, example := range examples {
				try(t, program, name, strings.TrimPrefix(example, name))
			}
		})
	}
}

// commandOf returns the words of a command from its line in the list, which go
// on to its first argument or flag, or to its help.
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
func examplesIn(help, spelt string) (examples []string) {
	for line := range strings.Lines(help) {
		if _, example, ok := strings.Cut(line, spelt); ok && strings.HasPrefix(line, "    ") {
			examples = append(examples, strings.TrimSpace(example))
		}
	}
	return examples
}

// try has an example parsed, with --help in front so that it does nothing.
func try(t *testing.T, program, name, arguments string) {
	t.Helper()
	arguments, _, _ = strings.Cut(arguments, " | ")
	arguments, _, _ = strings.Cut(arguments, " < ")
	arguments, _, _ = strings.Cut(arguments, " > ")
	show(t, "sh", "-c", strings.Join([]string{program, name, "--help", arguments}, " "))
}

// show runs a program that must succeed without a word on standard error.
func show(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	var out, words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &words
	cmd.Env = append(os.Environ(), promptRace)
	if err := cmd.Run(); err != nil || words.Len() > 0 {
		t.Errorf("%s %q: %v, %s", program, args, err, words.Bytes())
	}
	return out.String()
}
