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

// series is one line of a chart. Its name is the key of a text.
type series struct {
	name  string
	value func(figures) int64
}

// chart is a line chart that the server has drawn. It has one line for each series.
type chart struct {
	Width, Height int
	Max           int64
	First, Last   string // days
	Lines         []line
}

// line is a line of a chart: its points in the form of SVG, and its sum.
type line struct {
	Name, Points string
	Sum          int64
}

// plot draws series of days from 0 to the largest value.
func plot(days []figures, all ...series) chart {
	c := chart{Width: chartWidth, Height: chartHeight, Max: 1}
	for _, s := range all {
		for _, day := range days {
			c.Max = max(c.Max, s.value(day))
		}
	}
	if len(days) > 0 {
		c.First, c.Last = days[0].Day, days[len(days)-1].Day
	}
	for _, s := range all {
		var points []string
		l := line{Name: s.name}
		for i, day := range days {
			n := s.value(day)
			l.Sum += n
			x := chartMargin + float64(i)*(chartWidth-2*chartMargin)/float64(max(len(days)-1, 1))
			y := chartHeight - chartMargin - float64(max(n, 0))*(chartHeight-2*chartMargin)/float64(c.Max)
			points = append(points, fmt.Sprintf("%.1f,%.1f", x, y))
		}
		l.Points = strings.Join(points, " ")
		c.Lines = append(c.Lines, l)
	}
	return c
}
