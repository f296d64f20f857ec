package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/addcard/addcard/cmd/internal/command"
	"github.com/addcard/addcard/internal/member"
)

func TestMemberDelete_CodesStayUnlessTheAnswerIsYes(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{
		"y\n": true, " YES \r\n": true, "yes": true, "\n": false, "": false, "n\n": false, "no\n": false, "yep\n": false, "\ny\n": false,
	} {
		var asked bytes.Buffer
		if got := confirm(command.Streams{In: strings.NewReader(answer), Err: &asked}, "Really?"); got != want {
			t.Errorf("%q: got %v", answer, got)
		}
		if got := asked.String(); got != "Really? [y/N] " {
			t.Errorf("asked %q", got)
		}
	}
}

func TestMemberDelete_AsksOnlyATerminal(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	p := member.Person{Cards: []member.Card{{Status: member.Active}}}
	for name, test := range map[string]struct {
		flag *bool
		want bool
	}{"no flag": {nil, false}, "--unavailable": {&yes, true}, "--no-unavailable": {&no, false}} {
		streams := command.Streams{In: strings.NewReader("y\n"), Err: &bytes.Buffer{}}
		if got := (memberDeleteCmd{Unavailable: test.flag}).unavailable(streams, p); got != test.want {
			t.Errorf("%s: got %v, want %v", name, got, test.want)
		}
	}
}
