package cardext

import (
	"slices"
	"strings"
)

// pair is one value in the hash and its name.
type pair struct{ name, value string }

// arrange tries the right values in wrong arrangements, with every ticket.
func (s *search) arrange() bool {
	var pairs []pair // by name, as the slots are
	for _, slot := range s.slots {
		if slot.right != "" {
			pairs = append(pairs, pair{slot.name, slot.right})
		}
	}
	tickets := append([]guess{{s.slots[0].right, ""}}, s.slots[0].wrong...)
	for _, ticket := range tickets {
		if ticket.text == "" {
			continue
		}
		pairs[0].value = ticket.text
		cause, evidence := s.arrangement(pairs)
		if cause == "" {
			continue
		}
		if ticket.cause != "" {
			s.exam.add(ticket.cause, "")
		}
		s.exam.add(cause, evidence)
		return true
	}
	return false
}

// arrangement returns the cause of which pairs, hashed in some wrong way, give
// the signature.
func (s *search) arrangement(pairs []pair) (cause, evidence string) {
	values := make([]string, 0, len(pairs))
	for _, p := range pairs {
		values = append(values, p.value)
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
	if order := s.permute(slices.Clone(pairs), 0); order != nil {
		return CauseNotSorted, "joined as " + strings.Join(order, ", ")
	}
	return "", ""
}

// keyValue tries key=value pairs sorted by key, as wx.config wants them, under
// the names that are common for them.
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

// permute tries every order of pairs from place i on and returns the names in
// the one that was hashed, or nil.
func (s *search) permute(pairs []pair, i int) (order []string) {
	if i == len(pairs) {
		var text strings.Builder
		for _, p := range pairs {
			order = append(order, p.name)
			text.WriteString(p.value)
		}
		if s.hashes([]string{text.String()}, "") {
			return order
		}
		return nil
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
