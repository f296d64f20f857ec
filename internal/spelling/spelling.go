// Package spelling finds the name that a misspelt one was meant to be. It is pure.
package spelling

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

// Nearest returns the known name that name is probably meant to be, or "". Up to three
// letters may be wrong, in a short name fewer. Else some words of a known name suffice.
func Nearest(name string, known iter.Seq[string]) string {
	best, least := "", 1+min(3, max(1, utf8.RuneCountInString(name)/4))
	part := ""
	for _, other := range slices.Sorted(known) {
		if d := Distance(Fold(name), Fold(other)); d < least {
			best, least = other, d
		}
		if part == "" && isPart(name, other) {
			part = other
		}
	}
	return cmp.Or(best, part)
}

// Fold removes what spellings of a name differ in: brandName, brand-name.
func Fold(name string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(name))
}

// isPart reports whether all words of name are words of other: phone is one of
// service_phone.
func isPart(name, other string) bool {
	words := strings.Split(strings.ToLower(other), "_")
	for word := range strings.SplitSeq(strings.ToLower(name), "_") {
		if !slices.Contains(words, word) {
			return false
		}
	}
	return true
}

// Distance is the number of letters that have to be added, removed, replaced or
// swapped with their neighbour to make b of a (optimal string alignment).
func Distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	rows := make([][]int, len(s)+1)
	for i := range rows {
		rows[i] = make([]int, len(t)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(s); i++ {
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(s)][len(t)]
}
