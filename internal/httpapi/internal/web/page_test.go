package web_test

import (
	"encoding/base64"
	"slices"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

func TestPage_LeadsFromOnePageToTheNext(t *testing.T) {
	t.Parallel()
	all := []string{"a", "b", "c", "d", "e"}
	key := func(last string) []string { return []string{last, "2"} }
	for limit, want := range map[int]int{1: 5, 2: 3, 4: 2, 5: 1, 6: 1} {
		in, pages, seen, rest := web.PageInput{Limit: limit}, 0, []string{}, all
		for {
			var page []string
			page, in.Cursor = web.Page(in, rest[:min(limit+1, len(rest))], key)
			seen, rest, pages = append(seen, page...), rest[len(page):], pages+1
			if in.Cursor == "" {
				break
			}
			if errs := in.ReadCursor(2, func(parts []string) error {
				if want := key(page[len(page)-1]); !slices.Equal(parts, want) {
					t.Errorf("limit %d: got the key %q, want %q", limit, parts, want)
				}
				return nil
			}); errs != nil {
				t.Errorf("limit %d: %v", limit, errs)
			}
		}
		if pages != want || !slices.Equal(seen, all) {
			t.Errorf("limit %d: %d pages with %q, want %d with all", limit, pages, seen, want)
		}
	}
}

func TestReadCursor_RefusesWhatIsNotOfTheList(t *testing.T) {
	t.Parallel()
	key := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for name, cursor := range map[string]string{
		"no base64": "!", "padding": key("1 a") + "=", "one part": key("1"), "three parts": key("1 a b"),
		"not a time": key("x a"), "before 1970": key("-1 a"),
	} {
		errs := web.PageInput{Cursor: cursor, Limit: 1}.ReadCursor(2, func(parts []string) error {
			_, err := web.ParseTime(parts[0])
			return err
		})
		if len(errs) != 1 {
			t.Errorf("%s: %q is accepted", name, cursor)
		}
	}
	if errs := (web.PageInput{}).ReadCursor(2, func([]string) error { t.Error("the first page has no key"); return nil }); errs != nil {
		t.Errorf("no cursor: %v", errs)
	}
	at := time.UnixMilli(1764000000123).UTC()
	if got, err := web.ParseTime(web.FormatTime(at)); err != nil || !got.Equal(at) {
		t.Errorf("got %v, %v, want %v", got, err, at)
	}
}
