package auth

import "time"

// NewRecent lets the tests see a bound that no caller of the package can.
func NewRecent(limit int, life time.Duration) *recent[int, string] {
	return newRecent[int, string](limit, life)
}
