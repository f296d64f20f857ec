package web

import (
	"slices"
	"strings"
)

// Language returns the first language of an Accept-Language header that is one of known,
// or else the first of known. Languages are compared without their region.
func Language(header string, known ...string) string {
	for tag := range strings.SplitSeq(header, ",") {
		name, _, _ := strings.Cut(tag, ";")
		lang, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(name)), "-")
		if slices.Contains(known, lang) {
			return lang
		}
	}
	return known[0]
}
