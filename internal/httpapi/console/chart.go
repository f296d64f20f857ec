package console

import (
	"fmt"
	"strings"
)

// The size of a chart, in units of its SVG.
const (
	chartWidth  = 600
	chartHeight = 160
	chartMargin = 8
)

// series is one line of a chart. Its name is the key of a text, after "figure.".
type series struct {
	name  string
	value func(figures) int64
}

// chart is a line chart that the server has drawn, with a line for each series and the
// same numbers as a table.
type chart struct {
	Name          string // the key of a text, after "overview."
	Width, Height int
	Max           string // the label of the top of the axis
	First, Last   string // days
	Lines         []line
	Days          []chartDay
}

// line is a line of a chart: its points in the form of SVG, and its sum.
type line struct {
	Name, Points, Sum string
}

// chartDay is a day of a chart: its values, and where the pointer finds them.
type chartDay struct {
	Day      string
	Values   []string // one for each line
	X, Width float64
}

// plot draws series of days from 0 to the largest value. format writes a value.
func plot(name string, days []figures, format func(int64) string, all ...series) chart {
	c := chart{Name: name, Width: chartWidth, Height: chartHeight}
	step := (chartWidth - 2*chartMargin) / float64(max(len(days)-1, 1))
	top := int64(1)
	for i, day := range days {
		x := chartMargin + float64(i)*step
		d := chartDay{Day: day.Day, X: max(x-step/2, 0), Width: step}
		for _, s := range all {
			top = max(top, s.value(day))
			d.Values = append(d.Values, format(s.value(day)))
		}
		c.Days = append(c.Days, d)
	}
	c.Max = format(top)
	if len(days) > 0 {
		c.First, c.Last = days[0].Day, days[len(days)-1].Day
	}
	for _, s := range all {
		var points []string
		sum := int64(0)
		for i, day := range days {
			n := s.value(day)
			sum += n
			y := chartHeight - chartMargin - float64(max(n, 0))*(chartHeight-2*chartMargin)/float64(top)
			points = append(points, fmt.Sprintf("%.1f,%.1f", chartMargin+float64(i)*step, y))
		}
		c.Lines = append(c.Lines, line{s.name, strings.Join(points, " "), format(sum)})
	}
	return c
}

// step is a step of a funnel: how many came so far, and what part that is of the
// largest step and of the first, in percent.
type step struct {
	Name         string // the key of a text, after "figure."
	Count        int64
	Width, Share int64
}

// funnel returns how many cards of the figures came how far. Cards that were taken from a
// QR code were not issued before, so a later step may be larger than an earlier one.
func funnel(f figures) []step {
	steps := []step{{Name: "issued", Count: f.Issued}, {Name: "claimed", Count: f.Claimed}, {Name: "activated", Count: f.Activated}}
	largest := max(f.Issued, f.Claimed, f.Activated, 1)
	for i := range steps {
		s := &steps[i]
		s.Width = s.Count * 100 / largest
		if f.Issued > 0 {
			s.Share = s.Count * 100 / f.Issued
		}
	}
	return steps
}
