package cardext

import (
	"encoding/hex"
	"maps"
	"slices"
)

// SortedSHA1 returns the hash of any values, as testdata/vectors.json lists it.
func SortedSHA1(values ...string) string { return hexSum(sorted(values...), "") }

// Signature returns the signature alone: 40 lower-case hexadecimal digits.
func (e Ext) Signature() string { return hex.EncodeToString(e.sum[:]) }

// Causes lists every cause that [Explain] can name, sorted.
func Causes() []string { return slices.Sorted(maps.Keys(advice)) }

// FromLiteral is what [ReadItems] does before it reads JSON.
func FromLiteral(text string) string { return fromLiteral(text) }
