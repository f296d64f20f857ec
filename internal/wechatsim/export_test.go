package wechatsim

import (
	"fmt"
	"maps"
	"slices"

	"github.com/addcard/addcard/internal/wechatsim/push"
)

// BoundedMapAfter puts 1…n into a map of that size and returns what is left.
func BoundedMapAfter(size, n int) []int {
	s := newBoundedMap[int](size)
	for i := 1; i <= n; i++ {
		s.put(fmt.Sprint(i), i)
	}
	return slices.Sorted(maps.Values(s.items))
}

// AddEventFault queues a fault of the events.
func (s *Sim) AddEventFault(f push.Fault) error { return s.events.AddFault(f) }
