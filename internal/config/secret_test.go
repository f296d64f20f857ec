package config_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/config"
)

// printings returns the output of every way to print v, except %p and %w: fmt
// reports those as wrong without calling the value's methods, and so does vet.
func printings(v any) map[string]string {
	out := map[string]string{"Sprint": fmt.Sprint(v), "Sprintln in a slice": fmt.Sprintln([]any{v})}
	for _, verb := range strings.Fields("%v %+v %#v %s %q %#q %x %X %d %t %c %U %e %08.3f %-40s %z") {
		out[verb] = fmt.Sprintf(verb, v)
	}
	raw, err := json.Marshal(map[string]any{"value": v})
	out["JSON"] = fmt.Sprint(string(raw), err)
	var log bytes.Buffer
	for name, handler := range map[string]slog.Handler{
		"slog text": slog.NewTextHandler(&log, nil), "slog JSON": slog.NewJSONHandler(&log, nil),
	} {
		log.Reset()
		slog.New(handler).Info("message", "value", v, slog.Group("group", "value", v))
		out[name] = log.String()
	}
	return out
}

func TestSecret_NoPrinterShowsIt(t *testing.T) {
	t.Parallel()
	s := config.Secret(canary)
	shown := printings(s)
	for name, text := range printings(&s) {
		shown["pointer "+name] = text
	}
	for name, text := range printings(struct{ Key config.Secret }{s}) {
		shown["field "+name] = text
	}
	raw, err := xml.Marshal(s)
	shown["XML"] = fmt.Sprint(string(raw), err)
	shown["error"] = fmt.Errorf("key %v", s).Error()
	shown["String"] = s.String()
	for name, text := range shown {
		if strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) || !strings.Contains(text, "[redacted]") {
			t.Errorf("%s: %s", name, text)
		}
	}
	if string(s) != canary {
		t.Error("converted to string it must be the value")
	}
}
