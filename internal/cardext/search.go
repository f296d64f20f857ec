package cardext

import (
	"crypto/sha1"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// slot is one place in the hash: what belongs there, and what may have been
// put there by mistake.
type slot struct {
	name, right string
	wrong       []guess
}

// guess is one text that, if it reproduces the signature, proves a cause.
type guess struct{ text, cause string }

// search finds the mistakes that give the signature of m.
type search struct {
	slots     []slot   // by name: api_ticket first
	values    []string // what is tried in each
	signature [sha1.Size]byte
	exam      *exam

	sorted []string // both are used again for each try
	joined []byte
}

// clockSteps is how many seconds may lie between the time that was signed and
// the time that was sent when both were taken from the clock.
const clockSteps = 300

func (x *exam) matches(apiTicket, cardID string, m members) bool {
	return hexSum(hashed(apiTicket, cardID, m), "") == m["signature"].text
}

// search notes the mistakes that explain the signature and reports whether it
// found any: one wrong value, a wrong arrangement with at most one wrong value,
// or two wrong values.
func (x *exam) search(apiTicket, cardID string, m members, f Facts) bool {
	s := &search{exam: x, slots: slots(apiTicket, cardID, m, f)}
	if !isHash(m["signature"].text) {
		return false
	}
	_, _ = hex.Decode(s.signature[:], []byte(m["signature"].text))
	for _, slot := range s.slots {
		s.values = append(s.values, slot.right)
	}
	found := s.substitute(0, 0) || s.substitute(0, 1) || s.arrange() || s.substitute(0, 2)
	if found && strings.ToLower(m["signature"].text) != m["signature"].text {
		x.add(CauseSignatureUpperCase, "")
	}
	return found
}

// slots lists the places in the order of their names. Those of outer_str and
// fixed_begintimestamp should be empty.
func slots(apiTicket, cardID string, m members, f Facts) []slot {
	value := func(name, signed, differs, notSigned, notSent string) slot {
		sent := m[name].text
		s := slot{name: name, right: sent}
		_, misspelt, _ := m.misspelt(name)
		s.guess(misspelt.text, CauseMisspeltKey)
		if sent == "" {
			s.guess(signed, notSent)
			return s
		}
		s.guess(signed, differs)
		s.wrong = append(s.wrong, guess{"", notSigned})
		return s
	}
	card := slot{name: "card_id", right: cardID, wrong: []guess{{"", CauseCardIDNotSigned}}}
	card.guess(f.Signed.CardID, CauseCardIDDiffers)
	outer, fixed := slot{name: "outer_str"}, slot{name: "fixed_begintimestamp"}
	outer.guess(m["outer_str"].text, CauseOuterStrSigned)
	fixed.guess(m["fixed_begintimestamp"].text, CauseFixedBeginSigned)
	when := value("timestamp", f.Signed.Timestamp, CauseTimestampDiffers, CauseTimestampNotSigned, CauseTimestampDiffers)
	when.guessTimes()
	return []slot{
		ticketSlot(apiTicket, f),
		card,
		value("code", f.Signed.Code, CauseCodeDiffers, CauseCodeNotSigned, CauseCodeNotSent),
		fixed,
		value("nonce_str", f.Signed.NonceStr, CauseNonceDiffers, CauseNonceNotSigned, CauseNonceNotSent),
		value("openid", f.Signed.OpenID, CauseOpenIDDiffers, CauseOpenIDNotSigned, CauseOpenIDNotSent),
		outer,
		when,
	}
}

func ticketSlot(apiTicket string, f Facts) slot {
	s := slot{name: "api_ticket", right: apiTicket}
	for _, old := range f.OldTickets {
		s.guess(old, CauseOldTicket)
	}
	s.guess(f.JSAPITicket, CauseJSAPITicket)
	for _, text := range []string{
		apiTicket + " ", apiTicket + "\n", apiTicket + "\r\n", apiTicket + "\t", " " + apiTicket,
		`"` + apiTicket + `"`, strings.TrimSpace(apiTicket),
	} {
		s.guess(text, CauseTicketWhitespace)
	}
	s.wrong = append(s.wrong, guess{"", CauseTicketMissing})
	s.guess("undefined", CauseTicketMissing)
	s.guess("null", CauseTicketMissing)
	return s
}

// guess adds a text that is worth trying.
func (s *slot) guess(text, cause string) {
	if text != "" && text != s.right {
		s.wrong = append(s.wrong, guess{text, cause})
	}
}

// guessTimes adds what a program signs that reads the clock twice, or in
// milliseconds once; the nearest first.
func (s *slot) guessTimes() {
	sent, err := strconv.ParseInt(s.right, 10, 64)
	if err != nil {
		return
	}
	if sent >= firstMilli {
		s.guess(strconv.FormatInt(sent/1000, 10), CauseMilliseconds)
		return
	}
	s.guess(strconv.FormatInt(sent*1000, 10), CauseMilliseconds)
	for step := int64(1); step <= clockSteps; step++ {
		s.guess(strconv.FormatInt(sent-step, 10), CauseTimestampDiffers)
		s.guess(strconv.FormatInt(sent+step, 10), CauseTimestampDiffers)
	}
	for milli := range int64(1000) {
		s.guess(strconv.FormatInt(sent*1000+milli, 10), CauseMilliseconds)
	}
}

// substitute tries every choice of as many wrong texts as there are mistakes,
// from slot i on.
func (s *search) substitute(i, mistakes int) bool {
	if i == len(s.slots) {
		return mistakes == 0 && s.hashes(s.inOrder(), "")
	}
	if s.substitute(i+1, mistakes) {
		return true
	}
	if mistakes == 0 {
		return false
	}
	slot := s.slots[i]
	defer func() { s.values[i] = slot.right }()
	for _, g := range slot.wrong {
		s.values[i] = g.text
		if s.substitute(i+1, mistakes-1) {
			s.exam.add(g.cause, s.evidence(slot, g))
			return true
		}
	}
	return false
}

// evidence says what was signed in place of what; of a ticket it says nothing.
func (s *search) evidence(slot slot, g guess) string {
	if slot.name == "api_ticket" || g.text == "" || slot.right == "" {
		return ""
	}
	return slot.name + " " + s.exam.show(g.text) + " was signed, " + s.exam.show(slot.right) + " was sent"
}

// inOrder returns the values as they should be joined.
func (s *search) inOrder() []string {
	s.sorted = append(s.sorted[:0], s.values...)
	slices.Sort(s.sorted)
	return s.sorted
}

func (s *search) hashes(values []string, separator string) bool {
	s.joined = s.joined[:0]
	for i, v := range values {
		if i > 0 {
			s.joined = append(s.joined, separator...)
		}
		s.joined = append(s.joined, v...)
	}
	return sha1.Sum(s.joined) == s.signature
}
