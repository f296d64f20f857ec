package main

import (
	"slices"
	"strings"
	"testing"
)

const messages = `{"config":{}}
{"finding":{"osv":"GO-2","fixed_version":"v1.2.4","trace":[{"module":"example.com/m","version":"v1.2.3","function":"F"},{"module":"us"}]}}
{"finding":{"osv":"GO-2","fixed_version":"v1.2.4","trace":[{"module":"example.com/m","version":"v1.2.3","function":"F"}]}}
{"finding":{"osv":"GO-1","fixed_version":"v1.26.9","trace":[{"module":"stdlib","version":"v1.26.8","function":"Read"}]}}
{"finding":{"osv":"GO-3","trace":[{"module":"example.com/unused","version":"v1.0.0"}]}}
`

func TestRead_HasWhatTheProgramReaches(t *testing.T) {
	t.Parallel()
	got, err := read(strings.NewReader(messages))
	want := []finding{{"GO-1", "stdlib", "v1.26.8", "v1.26.9"}, {"GO-2", "example.com/m", "v1.2.3", "v1.2.4"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if _, err := read(strings.NewReader(`{"finding":`)); err == nil {
		t.Error("half a message is no error")
	}
}

func TestReport_FailsForModulesOnly(t *testing.T) {
	t.Parallel()
	module, library := finding{"GO-2", "example.com/m", "v1.2.3", "v1.2.4"}, finding{"GO-1", "stdlib", "v1.26.8", "v1.26.9"}
	for _, tt := range []struct {
		list  []finding
		fails bool
		want  string
	}{
		{nil, false, "no vulnerable function"},
		{[]finding{library}, false, "GO-1 in Go v1.26.8, fixed in v1.26.9"},
		{[]finding{library, module}, true, "GO-2 in example.com/m v1.2.3, fixed in v1.2.4"},
	} {
		var out strings.Builder
		if err := report(&out, tt.list); (err != nil) != tt.fails || !strings.Contains(out.String(), tt.want) {
			t.Errorf("%v: %v and %q", tt.list, err, out.String())
		}
	}
}
