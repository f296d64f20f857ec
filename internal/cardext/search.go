package cardext

import (
	"crypto/sha1"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// slot is one position of a value in the hash: the right value, and the values
// that may have been used by mistake.
type slot struct {
	name, right string
	wrong       []guess
}

// guess is a value that proves a cause if it reproduces the signature.
type guess struct{ text, cause string }

// search finds the mistakes that give the signature of a cardExt.
type search struct {
	slots     []slot   // sorted by name: api_ticket first
	values    []string // the value tried in each slot
	signature [sha1.Size]byte
	explainer *explainer

	sorted []string // both buffers are reused for each try
	joined []byte
}

// maxClockStep is how many seconds the signed and the sent time may differ when
// each was taken from the clock.
const maxClockStep = 300

func (x *explainer) matches(apiTicket, cardID string, m fields) bool {
	return hexSum(signedValues(apiTicket, cardID, m), "") == m["signature"].text
}

// search adds the mistakes that explain the signature and reports whether it
// found any. It tries one wrong value, a wrong arrangement with at most one
// wrong value, and two wrong values.
func (x *explainer) search(apiTicket, cardID string, m fields, f Facts) bool {
	s := &search{explainer: x, slots: slots(apiTicket, cardID, m, f)}
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

// slots returns the slots sorted by name. Those of outer_str and
// fixed_begintimestamp should be empty.
func slots(apiTicket, cardID string, m fields, f Facts) []slot {
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

// guess adds a value that is worth trying.
func (s *slot) guess(text, cause string) {
	if text != "" && text != s.right {
		s.wrong = append(s.wrong, guess{text, cause})
	}
}

// guessTimes adds the times that a program signs when it reads the clock twice,
// or once in milliseconds; the nearest first.
func (s *slot) guessTimes() {
	sent, err := strconv.ParseInt(s.right, 10, 64)
	if err != nil {
		return
	}
	if sent >= minMilliseconds {
		s.guess(strconv.FormatInt(sent/1000, 10), CauseMilliseconds)
		return
	}
	s.guess(strconv.FormatInt(sent*1000, 10), CauseMilliseconds)
	for step := int64(1); step <= maxClockStep; step++ {
		s.guess(strconv.FormatInt(sent-step, 10), CauseTimestampDiffers)
		s.guess(strconv.FormatInt(sent+step, 10), CauseTimestampDiffers)
	}
	for milli := range int64(1000) {
		s.guess(strconv.FormatInt(sent*1000+milli, 10), CauseMilliseconds)
	}
}

// substitute tries every combination of wrong values, as many as there are
// mistakes, in the slots from i on.
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
			s.explainer.add(g.cause, s.evidence(slot, g))
			return true
		}
	}
	return false
}

// evidence says which value was signed instead of which. It says nothing about
// tickets.
func (s *search) evidence(slot slot, g guess) string {
	if slot.name == "api_ticket" || g.text == "" || slot.right == "" {
		return ""
	}
	return slot.name + " " + s.explainer.quote(g.text) + " was signed, " + s.explainer.quote(slot.right) + " was sent"
}

// inOrder returns the values in the order in which they should be joined.
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
