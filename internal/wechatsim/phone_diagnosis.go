package wechatsim

import (
	"slices"
	"strings"
	"time"

	"github.com/addcard/addcard/internal/wechatsim/signature"
)

// diagnose explains a wrong signature by trying the mistakes that developers are
// known to make.
func (s *Sim) diagnose(o *offer, now time.Time) *RejectionError {
	if o.signature == "" {
		return reject(saysSignature, "signature_missing", "cardExt has no signature")
	}
	if strings.ToLower(o.signature) != o.signature {
		return reject(saysSignature, "signature_upper_case", "signature must be lower-case hex")
	}
	if r := s.wrongTicket(o, now); r != nil {
		return r
	}
	for _, t := range s.official.tickets["wx_card"] {
		if r := o.wrongValues(t.value); r != nil {
			return r
		}
	}
	if len(s.official.tickets["wx_card"]) == 0 {
		return reject(saysSignature, "no_ticket", "no wx_card ticket of the Official Account has been fetched yet")
	}
	return reject(saysSignature, "signature_wrong",
		"the signature fits no ticket and no common mistake; compare sorted_values with what was signed")
}

// wrongTicket tries the right values with other tickets.
func (s *Sim) wrongTicket(o *offer, now time.Time) *RejectionError {
	by := func(list []*ticket) bool {
		for _, t := range list {
			if signature.Sorted(append(o.signedValues(), t.value)...) == o.signature {
				return true
			}
		}
		return false
	}
	switch {
	case by(s.official.tickets["wx_card"]):
		return reject(saysSignature, "ticket_expired", "signed with a wx_card ticket that is expired, replaced or killed")
	case by(s.official.tickets["jsapi"]):
		return reject(saysSignature, "ticket_kind", "signed with the jsapi ticket; cards want the wx_card one")
	case s.mini != s.official && (by(s.mini.tickets["wx_card"]) || by(s.mini.tickets["jsapi"])):
		return reject(saysSignature, "ticket_account", "signed with a ticket of the mini-program; the card is the Official Account's")
	}
	return nil
}

// wrongValues tries the mistakes with the right ticket.
func (o *offer) wrongValues(ticket string) *RejectionError {
	all := append(o.signedValues(), ticket)
	without := func(drop string) []string {
		var kept []string
		for _, value := range all {
			if value != drop {
				kept = append(kept, value)
			}
		}
		return kept
	}
	const byKey = "the values were sorted by their keys; sort the values"
	tries := []struct {
		cause, why string
		digest     string
	}{
		{"code_not_signed", "code is in cardExt but was not signed", signature.Sorted(without(o.code)...)},
		{"openid_not_signed", "openid is in cardExt but was not signed", signature.Sorted(without(o.openID)...)},
		{"nonce_not_signed", "nonce_str is in cardExt but was not signed", signature.Sorted(without(o.nonce)...)},
		{"outer_str_signed", "outer_str must not be signed", signature.Sorted(append([]string{o.outerStr}, all...)...)},
		{"timestamp_differs", "milliseconds were signed, seconds sent", signature.Sorted(append(without(o.timestamp), o.timestamp+"000")...)},
		{"ticket_space", "the ticket was signed with a space behind it", signature.Sorted(append(without(ticket), ticket+" ")...)},
		{"sorted_by_key", byKey, signature.Hash(ticket + o.cardID + o.code + o.nonce + o.openID + o.timestamp)},
		{"sorted_by_key", byKey, signature.Hash(ticket + o.cardID + o.code + o.openID + o.nonce + o.timestamp)},
		{"not_sorted", "the values were joined unsorted", signature.Hash(strings.Join(append([]string{ticket}, o.signedValues()...), ""))},
		{"joined_with_separator", "the values were joined with &; join them with nothing",
			signature.Hash(strings.Join(slices.Sorted(slices.Values(all)), "&"))},
	}
	for _, try := range tries {
		if try.digest == o.signature {
			return reject(saysSignature, try.cause, "%s", try.why)
		}
	}
	return nil
}
