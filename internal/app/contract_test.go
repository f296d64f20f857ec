package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/addcard/addcard/internal/app"
	"github.com/addcard/addcard/internal/config"
	"github.com/addcard/addcard/internal/testing/apptest"
	"github.com/addcard/addcard/internal/testing/golden"
	"github.com/addcard/addcard/internal/wechatsim"
)

// The tests of this file compare what clients and operators can see with the
// files in testdata/contract. They pin structure and not prose: descriptions
// may be reworded freely. The command line is pinned in cmd/server and
// cmd/sandbox.

func TestContract_OpenAPIOfBothListeners(t *testing.T) {
	t.Parallel()
	s := apptest.New(t, wechatsim.Options{}).Serve()
	for name, base := range map[string]string{"openapi-public.json": s.Public, "openapi-admin.json": s.Admin} {
		got := apptest.Request(t, http.MethodGet, base+"/openapi.json", "", nil)
		if got.Status != http.StatusOK {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
			continue
		}
		golden.Contract(t, name, apiStructure(t, got.Body))
	}
}

// apiStructure returns an OpenAPI document without its prose, indented and with
// sorted keys, so that equal APIs give equal text. The version is that of the
// build, and is replaced.
func apiStructure(t *testing.T, document []byte) string {
	t.Helper()
	var doc map[string]any
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	if err := d.Decode(&doc); err != nil {
		t.Fatal(err)
	}
	info, ok := doc["info"].(map[string]any)
	if !ok || info["version"] != "test" {
		t.Fatalf("info: %v, want the version of the harness", doc["info"])
	}
	info["version"] = "VERSION"
	dropProse(doc)
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(doc); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// dropProse removes descriptions, summaries and examples from an object of an
// OpenAPI document and from all objects in it.
func dropProse(object map[string]any) {
	for _, prose := range []string{"description", "summary", "example", "examples"} {
		delete(object, prose)
	}
	for key, value := range object {
		switch {
		case slices.Contains([]string{"default", "const"}, key):
			// A value of the API's user, whatever its members are called.
		case slices.Contains([]string{"required", "enum"}, key):
			sortSet(value)
		case slices.Contains(mapsOfNames, key):
			dropProseInMap(value)
		default:
			dropProseInValue(value)
		}
	}
}

// mapsOfNames are the fields of OpenAPI objects with keys that are chosen by the
// API: a schema may have a property that is called "description".
var mapsOfNames = []string{
	"paths", "webhooks", "responses", "content", "headers", "encoding", "links", "callbacks", "variables", "mapping", "scopes",
	"schemas", "parameters", "requestBodies", "securitySchemes", "pathItems",
	"properties", "patternProperties", "$defs", "dependentSchemas", "dependentRequired",
}

// dropProseInMap keeps all keys of a map of names and removes prose from its
// values.
func dropProseInMap(value any) {
	named, ok := value.(map[string]any)
	if !ok { // parameters are a map in components and a list in an operation
		dropProseInValue(value)
		return
	}
	for _, v := range named {
		dropProseInValue(v)
	}
}

func dropProseInValue(value any) {
	switch v := value.(type) {
	case map[string]any:
		dropProse(v)
	case []any:
		for _, element := range v {
			dropProseInValue(element)
		}
	}
}

// sortSet sorts a list of strings in which the order has no meaning.
func sortSet(value any) {
	if list, ok := value.([]any); ok {
		slices.SortFunc(list, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
}

// Two replicas, one after the other, do enough for every metric to have samples.
func TestContract_Metrics(t *testing.T) {
	t.Parallel()
	w := apptest.New(t, wechatsim.Options{})
	cardID := w.Card()
	hooked(w)
	s := w.Serve()
	newReceiver(t).subscribe(s, "*")
	w.Claim(s, "ming", cardID)
	apptest.Request(t, http.MethodPost, s.Public+"/wechat/callback?signature=x&timestamp=1&nonce=1", "", []byte("<xml/>"))
	seen := map[string]*metric{}
	has := func(name string) func() bool {
		return func() bool {
			scrape(t, seen, apptest.Request(t, http.MethodGet, s.Admin+"/metrics", apptest.AdminToken, nil).Body)
			return seen[name] != nil && seen[name].labels != nil
		}
	}
	apptest.Eventually(t, "the outbox has sent something", has("addcard_outbox_sent_total"))
	apptest.Eventually(t, "an event was delivered", has("addcard_webhook_attempts_total"))
	apptest.Eventually(t, "the push is counted", has("addcard_pushes_total"))
	s.Stop()
	overdue(w)
	s = w.Serve()
	apptest.Eventually(t, "a card was compared with WeChat", has("addcard_reconciled_total"))

	for _, name := range described(w) {
		if seen[name] == nil || seen[name].labels == nil {
			t.Errorf("%s has no samples, so its labels are unknown: this test must do something that counts it", name)
		}
	}
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		if own := strings.HasPrefix(name, "addcard_"); own {
			fmt.Fprintf(&b, "%s %s {%s}\n", name, seen[name].kind, strings.Join(seen[name].labels, ","))
		}
	}
	// What these are called depends on the versions of Go and of the client
	// library, and on the operating system.
	for _, name := range []string{"go_goroutines", "process_start_time_seconds"} {
		if seen[name] != nil {
			fmt.Fprintf(&b, "%s and others of its kind\n", name)
		}
	}
	golden.Contract(t, "metrics.txt", b.String())
}

// metric is what /metrics tells of a metric, besides its value.
type metric struct {
	kind   string
	labels []string // in order; nil while there was no sample
}

var (
	typeLine   = regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`)
	sampleLine = regexp.MustCompile(`(?m)^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? \S+$`)
	labelPair  = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)="(?:[^"\\]|\\.)*"`)
)

// scrape adds the metrics of an answer of /metrics to seen.
func scrape(t *testing.T, seen map[string]*metric, text []byte) {
	t.Helper()
	for _, m := range typeLine.FindAllSubmatch(text, -1) {
		name, kind := string(m[1]), string(m[2])
		if seen[name] == nil {
			seen[name] = &metric{kind: kind}
		}
	}
	for _, m := range sampleLine.FindAllSubmatch(text, -1) {
		of := seen[string(m[1])]
		for _, suffix := range []string{"_bucket", "_sum", "_count"} { // of a histogram
			if name, ok := strings.CutSuffix(string(m[1]), suffix); ok && of == nil {
				of = seen[name]
			}
		}
		if of == nil {
			t.Fatalf("a sample without a type: %s", m[0])
		}
		labels := []string{}
		for _, pair := range labelPair.FindAllSubmatch(m[2], -1) {
			if name := string(pair[1]); name != "le" && name != "quantile" {
				labels = append(labels, name)
			}
		}
		slices.Sort(labels)
		if of.labels != nil && !slices.Equal(of.labels, labels) {
			t.Errorf("%s has the labels %q and %q", m[1], of.labels, labels)
		}
		of.labels = labels
	}
}

var describedName = regexp.MustCompile(`^Desc\{fqName: "(addcard_[^"]+)"`)

// described returns the name of every metric of addcard's own that a server
// registers, whether it has samples or not.
func described(w *apptest.World) []string {
	w.T.Helper()
	cfg, err := config.Load(w.Environ())
	if err != nil {
		w.T.Fatal(err)
	}
	a, err := app.New(w.T.Context(), cfg, app.Options{Log: slog.New(slog.DiscardHandler), Version: "test"})
	if err != nil {
		w.T.Fatal(err)
	}
	descs := make(chan *prometheus.Desc)
	go func() { app.Metrics(a).Describe(descs); close(descs) }()
	var names []string
	for d := range descs {
		if m := describedName.FindStringSubmatch(d.String()); m != nil {
			names = append(names, m[1])
		}
	}
	ended, cancel := context.WithCancel(w.T.Context())
	cancel()
	if err := a.Run(ended); err != nil { // closes it
		w.T.Error(err)
	}
	if len(names) < 10 {
		w.T.Fatalf("only %d metrics are described: this proves nothing", len(names))
	}
	return names
}

func TestContract_Configuration(t *testing.T) {
	t.Parallel()
	var lines []string
	for _, v := range variables(reflect.TypeFor[config.Config](), "") {
		line := v.name + " " + v.kind
		if v.value != "" {
			line += fmt.Sprintf(" default=%q", v.value)
		}
		if refused(t, v.name) == "is missing" {
			line += " required"
		}
		if refused(t, v.name+"_FILE", v.name+"_FILE=/nonexistent") != "" {
			line += " or " + v.name + "_FILE"
		}
		lines = append(lines, line+"\n")
	}
	slices.Sort(lines)
	golden.Contract(t, "configuration.txt", strings.Join(lines, ""))
}

// refused is what config.Load has against a variable in an environment.
func refused(t *testing.T, name string, environ ...string) string {
	t.Helper()
	_, err := config.Load(environ)
	for line := range strings.SplitSeq(strings.TrimPrefix(fmt.Sprint(err), "configuration: "), "; ") {
		if what, ok := strings.CutPrefix(line, name+": "); ok {
			return what
		}
	}
	return ""
}

// variable is one environment variable that the server reads.
type variable struct{ name, kind, value string }

// variables returns the variables that a struct is filled from, and those of
// the structs in it.
func variables(of reflect.Type, prefix string) (list []variable) {
	for i := range of.NumField() {
		field := of.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
		switch {
		case name != "":
			list = append(list, variable{prefix + name, kindOfVariable(field.Type), field.Tag.Get("envDefault")})
		case field.Type.Kind() == reflect.Struct:
			list = append(list, variables(field.Type, prefix+field.Tag.Get("envPrefix"))...)
		}
	}
	return list
}

// kindOfVariable is how a value is written, whatever its Go type is called.
func kindOfVariable(of reflect.Type) string {
	switch {
	case of == reflect.TypeFor[time.Duration]():
		return "duration"
	case of == reflect.TypeFor[slog.Level]():
		return "level"
	case of.Kind() == reflect.Slice:
		return "list of " + kindOfVariable(of.Elem())
	}
	return of.Kind().String()
}
