package wechatsim

import (
	"fmt"
	"maps"
	"slices"
)

// ShelfAfter puts 1…n on a shelf and returns what is left on it.
func ShelfAfter(size, n int) []int {
	s := newBoundedMap[int](size)
	for i := 1; i <= n; i++ {
		s.put(fmt.Sprint(i), i)
	}
	return slices.Sorted(maps.Values(s.items))
}
