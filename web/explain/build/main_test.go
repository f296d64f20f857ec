package main

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestPage_HasAllInItselfAndForbidsRequests(t *testing.T) {
	t.Parallel()
	raw, err := build(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	for _, must := range []string{
		"default-src 'none'; connect-src 'none'; ", "form-action 'none'; base-uri 'none'",
		hash(between(t, page, "<style>", "</style>")), hash(between(t, page, "<script>", "</script>")),
	} {
		if !strings.Contains(page, must) {
			t.Errorf("the page lacks %s", must)
		}
	}
	if strings.Contains(page, "'unsafe-inline'") || strings.Contains(page, "'unsafe-eval'") {
		t.Error("the policy allows scripts that it does not name")
	}
	// What loads something else, or is a script outside of the one that is named.
	markup := regexp.MustCompile(`(?s)<script.*?</script>`).ReplaceAllString(page, "")
	if found := regexp.MustCompile(`(?i)\s(on\w+|src|style)=|https?:|<iframe|<form[^>]*action|href="[^d]`).FindString(markup); found != "" {
		t.Errorf("the page has %q", found)
	}
	if len(raw) > 2<<20 {
		t.Errorf("the page has %d bytes", len(raw))
	}
	t.Logf("%d bytes", len(raw))
}

func between(t *testing.T, text, from, to string) string {
	t.Helper()
	_, rest, found := strings.Cut(text, from)
	part, _, ended := strings.Cut(rest, to)
	if !found || !ended {
		t.Fatalf("there is no %s…%s", from, to)
	}
	return part
}

// Each text exists in both languages, and each that the page asks for exists.
func TestTexts_AreCompleteInBothLanguages(t *testing.T) {
	t.Parallel()
	raw, err := readTexts("../../../internal/httpapi/console/locale")
	if err != nil {
		t.Fatal(err)
	}
	var texts map[string]map[string]string
	if err := json.Unmarshal([]byte(raw), &texts); err != nil {
		t.Fatal(err)
	}
	zh, en := slices.Sorted(maps.Keys(texts["zh"])), slices.Sorted(maps.Keys(texts["en"]))
	if len(texts) != 2 || !slices.Equal(zh, en) {
		t.Errorf("the keys differ:\n%v\n%v", zh, en)
	}
	asked := regexp.MustCompile(`data-text="(\w+)"|text\('(\w+)'\)`).FindAllStringSubmatch(pageHTML+pageJS, -1)
	for _, m := range asked {
		if key := m[1] + m[2]; texts["zh"][key] == "" || texts["en"][key] == "" {
			t.Errorf("there is no text %s", key)
		}
	}
	source, err := os.ReadFile("../explain.go")
	if err != nil {
		t.Fatal(err)
	}
	problems := regexp.MustCompile(`Problem\w+\s+= "(\w+)"`).FindAllSubmatch(source, -1)
	if len(asked) < 20 || len(problems) < 4 {
		t.Fatalf("found %d texts and %d problems", len(asked), len(problems))
	}
	for _, m := range problems {
		if texts["zh"]["problem."+string(m[1])] == "" {
			t.Errorf("there is no text for %s", m[1])
		}
	}
}

func TestAssemble_RefusesAScriptThatEndsEarly(t *testing.T) {
	t.Parallel()
	if _, err := assemble("'</script>'", "{}", ""); err == nil {
		t.Error("no error")
	}
}
