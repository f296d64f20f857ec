package web

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

// PageInput asks for a page of a list.
type PageInput struct {
	Cursor string `query:"cursor" maxLength:"256" doc:"The next_cursor of the page before."`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

// ReadCursor calls read with the n parts of the cursor, unless the first page is
// asked for. It returns what a Resolve method returns: an error if the cursor
// does not have n parts or read fails.
func (in PageInput) ReadCursor(n int, read func(parts []string) error) []error {
	if in.Cursor == "" {
		return nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(in.Cursor)
	if parts := strings.Split(string(raw), " "); err == nil && isText(string(raw)) && len(parts) == n && read(parts) == nil {
		return nil
	}
	return []error{FieldError{Location: "query.cursor", Message: "is not a next_cursor of this list"}}
}

// Page returns the page of a list that was read with one element more than
// in.Limit, and the cursor of the next page, which is empty on the last. The
// parts that key returns for the last element are the cursor's; no part may
// contain a space.
func Page[T any](in PageInput, list []T, key func(last T) []string) (page []T, next string) {
	if len(list) <= in.Limit {
		return list, ""
	}
	parts := key(list[in.Limit-1])
	return list[:in.Limit], base64.RawURLEncoding.EncodeToString([]byte(strings.Join(parts, " ")))
}

// FormatTime returns a part of a cursor.
func FormatTime(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }

// ParseTime reads what FormatTime returned.
func ParseTime(part string) (time.Time, error) {
	ms, err := strconv.ParseInt(part, 10, 64)
	if ms < 0 {
		err = strconv.ErrRange
	}
	return time.UnixMilli(ms).UTC(), err
}
