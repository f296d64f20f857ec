package commandtest

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/addcard/addcard/internal/testing/golden"
)

// Contract checks that the commands, arguments and flags of program, which
// testscript.Main put into the PATH, are those in testdata/contract/cli.txt.
// commands is the struct that the program gives to command.Main. Help texts and
// placeholders are prose and not compared.
func Contract(t *testing.T, program string, commands any) {
	t.Helper()
	parser := parserOf(t, program, commands)
	var nodes []*kong.Node
	err := kong.Visit(parser.Model, func(v kong.Visitable, next kong.Next) error {
		switch v := v.(type) {
		case *kong.Application:
			nodes = append(nodes, v.Node)
		case *kong.Node:
			nodes = append(nodes, v)
		}
		return next(nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(nodes, func(a, b *kong.Node) int { return strings.Compare(path(a), path(b)) })
	var b strings.Builder
	for _, node := range nodes {
		describe(&b, node)
	}
	golden.Contract(t, "cli.txt", b.String())
	for _, node := range nodes {
		explains(t, program, node)
	}
}

// parserOf returns the parser of program, of which commands are the commands.
func parserOf(t *testing.T, program string, commands any) *kong.Kong {
	t.Helper()
	parser, err := kong.New(commands, kong.Name(program))
	if err != nil {
		t.Fatal(err)
	}
	return parser
}

// path returns the words that lead to a command, without its aliases.
func path(node *kong.Node) string {
	if node.Parent == nil {
		return node.Name
	}
	return path(node.Parent) + " " + node.Name
}

// describe writes one command: a line for itself, then one for each argument in
// order, then one for each flag by name.
func describe(b *strings.Builder, node *kong.Node) {
	b.WriteString(path(node))
	traits(b,
		trait("aliases", strings.Join(node.Aliases, ",")), trait("default", defaultCommand(node)),
		when(node.Hidden, "hidden"), when(node.Passthrough, "passthrough"), when(len(node.Children) > 0, "group"))
	for _, argument := range node.Positional {
		fmt.Fprintf(b, "  <%s>", argument.Name)
		traits(b, valueTraits(argument)...)
	}
	for _, flag := range byName(node.Flags) {
		fmt.Fprintf(b, "  --%s", flag.Name)
		short := ""
		if flag.Short != 0 {
			short = "-" + string(flag.Short)
		}
		traits(b, append(valueTraits(flag.Value),
			trait("short", short), trait("aliases", strings.Join(flag.Aliases, ",")), trait("env", strings.Join(flag.Envs, ",")),
			when(flag.Tag.Negatable != "", "negatable"), trait("xor", strings.Join(flag.Xor, ",")), trait("and", strings.Join(flag.And, ",")),
			when(flag.Hidden, "hidden"))...)
	}
}

// defaultCommand tells how a command is chosen when none is named, if it is.
func defaultCommand(node *kong.Node) string {
	if node.Parent == nil || node.Parent.DefaultCmd != node {
		return ""
	}
	return node.Tag.Default
}

func byName(flags []*kong.Flag) []*kong.Flag {
	return slices.SortedFunc(slices.Values(flags), func(a, b *kong.Flag) int { return strings.Compare(a.Name, b.Name) })
}

// valueTraits are what arguments and flags have in common.
func valueTraits(v *kong.Value) []string {
	list := []string{kindOf(v.Target.Type()), trait("type", v.Tag.Type), trait("format", v.Format)}
	if v.HasDefault {
		list = append(list, fmt.Sprintf("default=%q", v.Default))
	}
	if v.Enum != "" {
		list = append(list, trait("enum", strings.Join(slices.Sorted(slices.Values(v.EnumSlice())), ",")))
	}
	if v.IsSlice() {
		list = append(list, trait("separator", separator(v.Tag.Sep)))
	}
	if v.IsMap() {
		list = append(list, trait("separator", separator(v.Tag.MapSep)))
	}
	return append(list, when(v.Required, "required"), when(v.PassthroughMode != kong.PassThroughModeNone, "passthrough"))
}

// kindOf is how a value is written, whatever its Go type is called. A pointer
// is what tells a flag that is not given from the zero value, so it is no trait.
func kindOf(of reflect.Type) string {
	switch {
	case of == reflect.TypeFor[time.Duration]():
		return "duration"
	case of.Kind() == reflect.Pointer:
		return kindOf(of.Elem())
	case of.Kind() == reflect.Slice:
		return "list-of-" + kindOf(of.Elem())
	case of.Kind() == reflect.Map:
		return "map-of-" + kindOf(of.Elem())
	}
	return of.Kind().String()
}

func separator(r rune) string {
	if r == -1 {
		return "none"
	}
	return string(r)
}

// trait is name=value, or nothing without a value.
func trait(name, value string) string { return when(value != "", name+"="+value) }

func when(is bool, what string) string {
	if is {
		return what
	}
	return ""
}

// traits writes those that are not empty and ends the line.
func traits(b *strings.Builder, list ...string) {
	for _, one := range list {
		if one != "" {
			b.WriteString(" " + one)
		}
	}
	b.WriteString("\n")
}

var helpFlag = regexp.MustCompile(`(?m)^ {2,6}(?:-\w, )?--(?:\[no-\])?([a-z0-9-]+)`)

// explains checks that the help that program prints for a command names its
// arguments and exactly its flags, so that the contract is about this program.
func explains(t *testing.T, program string, node *kong.Node) {
	t.Helper()
	help := output(t, program, append(strings.Fields(path(node))[1:], "--help")...)
	for _, argument := range node.Positional {
		if !strings.Contains(help, "<"+argument.Name+">") {
			t.Errorf("%s --help does not name <%s>", path(node), argument.Name)
		}
	}
	var want, got []string
	for _, group := range node.AllFlags(true) {
		for _, flag := range group {
			want = append(want, flag.Name)
		}
	}
	_, flags, _ := strings.Cut(help, "\nFlags:\n")
	for _, m := range helpFlag.FindAllStringSubmatch(flags, -1) {
		got = append(got, m[1])
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s --help has the flags %q, the contract is about %q", path(node), got, want)
	}
}
