package httpapi

import (
	"encoding/base64"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// cursor makes a place in a list opaque, so that nobody computes with it.
func cursor(parts ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, " ")))
}

// place returns the parts that cursor was given, n of them.
func place(c string, n int) ([]string, bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(c)
	parts := strings.Split(string(raw), " ")
	return parts, err == nil && len(parts) == n
}

// badCursor is what a Resolve answers about one that is not ours.
func badCursor() []error {
	return []error{&huma.ErrorDetail{Location: "query.cursor", Message: "is not a next_cursor of this list"}}
}
