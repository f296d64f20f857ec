package statistics

import "time"

// Day is a day of the shop's time zone: the number of days since 1970-01-01.
type Day int64

const daySeconds = 24 * 60 * 60

// DayOf returns the day of a moment in a zone.
func DayOf(t time.Time, zone *time.Location) Day {
	year, month, day := t.In(zone).Date()
	return Day(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / daySeconds)
}

// ParseDay reads a day such as 2026-11-30.
func ParseDay(text string) (Day, error) {
	t, err := time.Parse(time.DateOnly, text)
	return Day(t.Unix() / daySeconds), err
}

// String returns the day in the form that ParseDay reads.
func (d Day) String() string { return time.Unix(int64(d)*daySeconds, 0).UTC().Format(time.DateOnly) }
