package commandtest

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Help checks the --help of program, which testscript.Main has put into the PATH,
// and of each of its commands and groups of commands: it must go to standard
// output and have at least two examples, which must use existing commands and
// flags. The examples call the program spelling.
func Help(t *testing.T, program, spelling string) {
	t.Helper()
	_, list, _ := strings.Cut(output(t, program, "--help"), "\nCommands:\n")
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
			examples := examplesIn(output(t, program, append(strings.Fields(name), "--help")...), spelling)
			if len(examples) < 2 {
				t.Errorf("%d examples", len(examples))
			}
			for _, example := range examples {
				parseExample(t, program, name, strings.TrimPrefix(example, name))
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

// parseExample makes the program parse an example; the --help in front of it keeps
// the program from running it.
func parseExample(t *testing.T, program, name, arguments string) {
	t.Helper()
	arguments, _, _ = strings.Cut(arguments, " | ")
	arguments, _, _ = strings.Cut(arguments, " < ")
	arguments, _, _ = strings.Cut(arguments, " > ")
	output(t, "sh", "-c", strings.Join([]string{program, name, "--help", arguments}, " "))
}

// output runs a program, which must succeed and write nothing to standard error,
// and returns its output.
func output(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	cmd.Env = append(os.Environ(), noRaceSleep)
	if err := cmd.Run(); err != nil || messages.Len() > 0 {
		t.Errorf("%s %q: %v, %s", program, args, err, messages.Bytes())
	}
	return out.String()
}
