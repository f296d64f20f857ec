package web_test

import (
	"errors"
	"testing"
	"time"

	"github.com/addcard/addcard/internal/httpapi/internal/web"
)

func TestSpan_DaysAreThoseOfTheShopAndTheLastCounts(t *testing.T) {
	t.Parallel()
	beijing := time.FixedZone("", 8*3600)
	for name, c := range map[string]struct{ from, to, wantFrom, wantTo string }{
		"nothing":            {"", "", "", ""},
		"days":               {"2026-11-01", "2026-11-30", "2026-11-01T00:00:00+08:00", "2026-12-01T00:00:00+08:00"},
		"one day":            {"2026-11-01", "2026-11-01", "2026-11-01T00:00:00+08:00", "2026-11-02T00:00:00+08:00"},
		"moments":            {"2026-11-01T01:00:00Z", "2026-11-01T02:00:00+01:00", "2026-11-01T09:00:00+08:00", "2026-11-01T09:00:00+08:00"},
		"a plus as a space":  {"2026-11-01T01:00:00 08:00", "", "2026-11-01T01:00:00+08:00", ""},
		"a day and a moment": {"2026-11-01", "2026-11-01T00:00:01+08:00", "2026-11-01T00:00:00+08:00", "2026-11-01T00:00:01+08:00"},
	} {
		from, to, err := web.SpanInput{From: c.from, To: c.to}.In(beijing)
		if name == "moments" { // its end is its beginning
			if !errors.As(err, new(web.InputErrors)) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		show := func(at time.Time) string {
			if at.IsZero() {
				return ""
			}
			return at.In(beijing).Format(time.RFC3339)
		}
		if err != nil || show(from) != c.wantFrom || show(to) != c.wantTo {
			t.Errorf("%s: %v to %v, %v", name, show(from), show(to), err)
		}
	}
}

func TestSpan_RefusesWhatIsNoTime(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"today", "2026-13-01", "2026-02-30", "20261101", "2026-11-01T25:00:00Z", "0001-01-01", "2026-11-01T00:00:00",
	} {
		var wrong web.InputErrors
		if _, _, err := (web.SpanInput{From: text, To: text}).In(time.UTC); !errors.As(err, &wrong) || len(wrong) != 2 {
			t.Errorf("%q: %v", text, err)
		}
	}
}
