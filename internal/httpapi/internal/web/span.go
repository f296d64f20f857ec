package web

import (
	"strings"
	"time"
)

// SpanInput asks for a span of time. Both ends are optional.
type SpanInput struct {
	From string `query:"from" maxLength:"40" example:"2026-11-01" doc:"The first day (2026-11-01, in the shop's time zone), or a moment (RFC 3339) at which the span begins."`
	To   string `query:"to" maxLength:"40" example:"2026-11-30" doc:"The last day, which counts as a whole, or a moment (RFC 3339) before which the span ends."`
}

// In returns the moments at which the span begins and before which it ends. Days
// are those of zone. The zero time stands for an end that is not given. It returns
// InputErrors for what is no time, and for a span that ends before it begins.
func (in SpanInput) In(zone *time.Location) (from, to time.Time, err error) {
	var wrong InputErrors
	read := func(name, text string, days int) (t time.Time) {
		if text == "" {
			return t
		}
		t, err := time.ParseInLocation(time.DateOnly, text, zone)
		if err == nil {
			t = t.AddDate(0, 0, days)
		} else if t, err = time.Parse(time.RFC3339, strings.ReplaceAll(text, " ", "+")); err != nil { // + is a space in a query
			t = time.Time{}
		}
		if err != nil || t.Year() < 1970 || t.Year() > 9999 {
			wrong = append(wrong, FieldError{"query." + name, "is neither a day like 2026-11-30 nor a moment like 2026-11-30T08:00:00+08:00"})
		}
		return t
	}
	from, to = read("from", in.From, 0), read("to", in.To, 1)
	if len(wrong) == 0 && in.From != "" && in.To != "" && !from.Before(to) {
		wrong = append(wrong, FieldError{"query.to", "is not after from"})
	}
	if len(wrong) > 0 {
		return time.Time{}, time.Time{}, wrong
	}
	return from, to, nil
}
