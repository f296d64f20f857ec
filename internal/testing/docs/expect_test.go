package docs

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// Identifiers, codes, hashes, tokens and times differ from run to run.
var (
	momentForm = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`)
	numberForm = regexp.MustCompile(`\b\d{10}\b`)
	randomForm = regexp.MustCompile(`[A-Za-z0-9+/=_-]{16,}`)
)

// random reports whether run, a long sequence of letters and digits, is an
// identifier and not a word.
func random(run string) bool {
	upper, lower := strings.ToLower(run) != run, strings.ToUpper(run) != run
	return upper && lower || strings.ContainsAny(run, "0123456789")
}

// plain returns text without white space, with a placeholder for each part that
// may differ.
func plain(text string) string {
	text = momentForm.ReplaceAllString(text, "•")
	text = numberForm.ReplaceAllString(text, "•")
	text = randomForm.ReplaceAllStringFunc(text, func(run string) string {
		if random(run) {
			return "•"
		}
		return run
	})
	return strings.Join(strings.Fields(text), "")
}

// prints returns a description of how printed differs from what the page shows,
// or "" if it does not.
func prints(page, printed string) string {
	var form strings.Builder
	for i, part := range strings.Split(page, "…") {
		if i > 0 {
			form.WriteString(".*?")
		}
		form.WriteString(regexp.QuoteMeta(plain(part)))
	}
	if regexp.MustCompile(`(?s)^` + form.String() + `$`).MatchString(plain(printed)) {
		return ""
	}
	return fmt.Sprintf("the page shows\n%s\nbut the command prints\n%s", page, printed)
}

func TestPrints_TellsTruePagesFromFalseOnes(t *testing.T) {
	t.Parallel()
	const printed = `{"code":"6028931476502182","status":"issued","timestamp":1795449804}` + "\n"
	for page, same := range map[string]bool{
		printed: true,
		"{ \"code\": \"1111111111111111\",\n \"status\":\"issued\", \"timestamp\":1795440000 }": true,
		`{…"status":"issued",…}`: true,
		`…`:                      true,
		`{…"status":"active",…}`: false,
		`{"status":"issued"}`:    false,
		``:                       false,
	} {
		if got := prints(page, printed) == ""; got != same {
			t.Errorf("%s: got %v, want %v", page, got, same)
		}
	}
}
