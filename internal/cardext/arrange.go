package cardext

import (
	"slices"
	"strings"
)

// pair is one value that was hashed, with its name.
type pair struct{ name, value string }

// maxGuesses is how many guesses of a slot are tried in wrong arrangements, of
// which there are hundreds.
const maxGuesses = 24

// arrange tries wrong arrangements of the values: of the right ones, then with
// one wrong one among them.
func (s *search) arrange() bool {
	if cause, evidence := s.arrangement(); cause != "" {
		s.explainer.add(cause, evidence)
		return true
	}
	for i, slot := range s.slots {
		for _, g := range slot.wrong[:min(maxGuesses, len(slot.wrong))] {
			s.values[i] = g.text
			cause, evidence := s.arrangement()
			s.values[i] = slot.right
			if cause != "" {
				s.explainer.add(g.cause, s.evidence(slot, g))
				s.explainer.add(cause, evidence)
				return true
			}
		}
	}
	return false
}

// arrangement returns the wrong arrangement of the values that gives the
// signature, as a cause.
func (s *search) arrangement() (cause, evidence string) {
	var pairs []pair // sorted by name, like the slots
	var values []string
	for i, slot := range s.slots {
		if v := s.values[i]; v != "" {
			pairs, values = append(pairs, pair{slot.name, v}), append(values, v)
		}
	}
	if s.hashes(values, "") {
		return CauseKeysSorted, ""
	}
	slices.Sort(values)
	for _, separator := range []string{"&", ",", " ", "|", "\n"} {
		if s.hashes(values, separator) {
			return CauseSeparator, ""
		}
	}
	if s.keyValue(pairs) {
		return CauseKeyValue, ""
	}
	if order := s.permute(pairs, 0); order != nil {
		return CauseNotSorted, "joined as " + strings.Join(order, ", ")
	}
	return "", ""
}

// keyValue tries key=value pairs sorted by key, as for wx.config, with the
// usual names of the keys.
func (s *search) keyValue(pairs []pair) bool {
	for _, ticket := range []string{"api_ticket", "jsapi_ticket", "ticket"} {
		for _, nonce := range []string{"nonce_str", "noncestr", "nonceStr"} {
			rename := strings.NewReplacer("api_ticket", ticket, "nonce_str", nonce)
			var texts []string
			for _, p := range pairs {
				texts = append(texts, rename.Replace(p.name)+"="+p.value)
			}
			slices.Sort(texts)
			if s.hashes(texts, "&") || s.hashes(texts, "") {
				return true
			}
		}
	}
	return false
}

// permute tries every order of pairs[i:] and returns the names in the order
// that gives the signature, or nil.
func (s *search) permute(pairs []pair, i int) (order []string) {
	if i == len(pairs) {
		s.sorted = s.sorted[:0]
		for _, p := range pairs {
			s.sorted = append(s.sorted, p.value)
		}
		if !s.hashes(s.sorted, "") {
			return nil
		}
		for _, p := range pairs {
			order = append(order, p.name)
		}
		return order
	}
	for j := i; j < len(pairs); j++ {
		pairs[i], pairs[j] = pairs[j], pairs[i]
		if order := s.permute(pairs, i+1); order != nil {
			return order
		}
		pairs[i], pairs[j] = pairs[j], pairs[i]
	}
	return nil
}
