package cardext

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

const (
	maxCode     = 20
	maxNonce    = 32
	maxOuterStr = 128 // bytes
	// maxClockDifference is how far a timestamp may be from now without a
	// finding.
	maxClockDifference = 10 * time.Minute
	// minMilliseconds is larger than the seconds of any date and smaller than
	// the milliseconds of a recent one.
	minMilliseconds = 100_000_000_000
)

// fault returns why m cannot be a cardExt regardless of its signature, or "".
func (m fields) fault() string {
	for _, name := range known {
		if v, ok := m[name]; ok && !v.hasTypeOf(name) {
			return CauseWrongType
		}
	}
	switch {
	case m["timestamp"].text == "":
		return CauseTimestampMissing
	case m["signature"].text == "":
		return CauseSignatureMissing
	case !isHash(m["signature"].text):
		return CauseSignatureFormat
	}
	return ""
}

// hasTypeOf reports whether v has a type that the known field called name may
// have.
func (v field) hasTypeOf(name string) bool {
	if name != "timestamp" && name != "fixed_begintimestamp" {
		return v.kind == '"'
	}
	return (v.kind == '"' || v.isNumber()) && (isDigits(v.text) || v.text == "")
}

func isHash(s string) bool {
	return len(s) == 40 && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// checkForm adds what is wrong with the fields before any of them is hashed.
func (x *explainer) checkForm(m fields) {
	for _, name := range known {
		if key, _, found := m.misspelt(name); found {
			x.add(CauseMisspeltKey, "it is "+name+", not "+x.quote(key))
		}
	}
	if outer := m["outer_str"]; outer.kind != '"' && holdsJSON(outer.text) {
		x.add(CauseOuterStrJSON, "")
	}
	if cause := m.fault(); cause != "" {
		x.add(cause, "")
	}
}

// holdsJSON reports whether text is an object or an array.
func holdsJSON(text string) bool {
	text = strings.TrimSpace(text)
	return (strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[")) && json.Valid([]byte(text))
}

// hasTicket reports whether a field is named after a ticket, or contains one
// that is known.
func (x *explainer) hasTicket(m fields) bool {
	for name, v := range m {
		if strings.HasSuffix(normalize(name), "ticket") || x.mask.Replace(v.text) != v.text {
			return true
		}
	}
	return false
}

// checkAttributes adds what WeChat refuses even with the right signature.
// (Official article 卡券签名错误排查方法.)
func (x *explainer) checkAttributes(m fields, card *Card) {
	addIf := func(wrong bool, cause string) {
		if wrong {
			x.add(cause, "")
		}
	}
	code, openID, outer := m["code"].text, m["openid"].text, m["outer_str"].text
	addIf(x.hasTicket(m), CauseTicketSent)
	if card != nil {
		_, fixedBegin := m["fixed_begintimestamp"]
		addIf(code != "" && !card.TakesCode, CauseCodeNotAllowed)
		addIf(code == "" && card.TakesCode, CauseCodeMissing)
		addIf(openID != "" && !card.NeedsOpenID, CauseOpenIDNotAllowed)
		addIf(openID == "" && card.NeedsOpenID, CauseOpenIDMissing)
		addIf(fixedBegin && !card.FixTerm, CauseFixedBeginNotAllowed)
	}
	addIf(len(code) > maxCode, CauseCodeTooLong)
	addIf(strings.Trim(code, alphabet) != "", CauseCodeCharacters)
	addIf(len(m["nonce_str"].text) > maxNonce, CauseNonceTooLong)
	addIf(holdsJSON(outer), CauseOuterStrJSON)
	addIf(len(outer) > maxOuterStr, CauseOuterStrTooLong)
	seconds, _ := strconv.ParseInt(m["timestamp"].text, 10, 64)
	addIf(seconds >= minMilliseconds, CauseMilliseconds)
	for _, name := range known {
		v, sent := m[name]
		addIf(sent && v.text == "", CauseEmptyValue)
	}
}

// checkTime records the time of the cardExt and adds a finding if it is far
// from now.
func (x *explainer) checkTime(m fields, now time.Time) {
	if _, sent := m["nonce_str"]; !sent {
		x.add(CauseNonceMissing, "")
	}
	seconds, err := strconv.ParseInt(m["timestamp"].text, 10, 64)
	switch {
	case err != nil:
		return
	case seconds >= minMilliseconds:
		x.report.Timestamp = time.UnixMilli(seconds).UTC()
	default:
		x.report.Timestamp = time.Unix(seconds, 0).UTC()
	}
	if off := now.Sub(x.report.Timestamp); !now.IsZero() && off.Abs() > maxClockDifference {
		x.add(CauseTimestampFar, "it says "+x.report.Timestamp.Format(time.RFC3339))
	}
}
