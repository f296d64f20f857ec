package wechatsim

// boundedMap is a map that drops its oldest half when it is full.
type boundedMap[T any] struct {
	items map[string]T
	order []string
	max   int
}

func newBoundedMap[T any](max int) boundedMap[T] {
	return boundedMap[T]{items: map[string]T{}, max: max}
}

// put adds an item under a new key.
func (m *boundedMap[T]) put(key string, item T) {
	if len(m.order) == m.max {
		half := m.max / 2
		for _, old := range m.order[:half] {
			delete(m.items, old)
		}
		m.order = append(m.order[:0], m.order[half:]...)
	}
	m.items[key] = item
	m.order = append(m.order, key)
}
