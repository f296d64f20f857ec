package cardext

import (
	"strconv"
	"strings"
	"time"
)

const (
	maxCode  = 20
	maxNonce = 32
	// farOff is how far a timestamp may be from now before it is worth a word.
	farOff = 10 * time.Minute
	// firstMilli is more seconds than any date has, and few milliseconds.
	firstMilli = 100_000_000_000
)

// fault returns why m cannot be a cardExt whatever it was signed with, or "".
func (m members) fault() string {
	for _, name := range known {
		if v, ok := m[name]; ok && !v.typed(name) {
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

// typed reports whether v has a type that the known member called name may have.
func (v member) typed(name string) bool {
	if name != "timestamp" && name != "fixed_begintimestamp" {
		return v.kind == '"'
	}
	return (v.kind == '"' || v.number()) && (isDigits(v.text) || v.text == "")
}

func isHash(s string) bool {
	return len(s) == 40 && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}

// form notes what is wrong with the members before any is hashed.
func (x *exam) form(m members) {
	for _, name := range known {
		if key, _, found := m.misspelt(name); found {
			x.add(CauseMisspeltKey, "it is "+name+", not "+x.show(key))
		}
	}
	if cause := m.fault(); cause != "" {
		x.add(cause, "")
	}
}

// attributes notes what WeChat refuses however well it was signed. (Official
// article 卡券签名错误排查方法.)
func (x *exam) attributes(m members, card *Card) {
	note := func(wrong bool, cause string) {
		if wrong {
			x.add(cause, "")
		}
	}
	code, openID := m["code"].text, m["openid"].text
	if card != nil {
		_, fixedBegin := m["fixed_begintimestamp"]
		note(code != "" && !card.TakesCode, CauseCodeNotAllowed)
		note(code == "" && card.TakesCode, CauseCodeMissing)
		note(openID != "" && !card.NeedsOpenID, CauseOpenIDNotAllowed)
		note(openID == "" && card.NeedsOpenID, CauseOpenIDMissing)
		note(fixedBegin && !card.FixTerm, CauseFixedBeginNotAllowed)
	}
	note(len(code) > maxCode, CauseCodeTooLong)
	note(strings.Trim(code, alphabet) != "", CauseCodeCharacters)
	note(len(m["nonce_str"].text) > maxNonce, CauseNonceTooLong)
	seconds, _ := strconv.ParseInt(m["timestamp"].text, 10, 64)
	note(seconds >= firstMilli, CauseMilliseconds)
	for _, name := range known {
		v, sent := m[name]
		note(sent && v.text == "", CauseEmptyValue)
	}
}

// time notes the time of the cardExt and whether that is far from now.
func (x *exam) time(m members, now time.Time) {
	if _, sent := m["nonce_str"]; !sent {
		x.add(CauseNonceMissing, "")
	}
	seconds, err := strconv.ParseInt(m["timestamp"].text, 10, 64)
	switch {
	case err != nil:
		return
	case seconds >= firstMilli:
		x.report.Timestamp = time.UnixMilli(seconds).UTC()
	default:
		x.report.Timestamp = time.Unix(seconds, 0).UTC()
	}
	if off := now.Sub(x.report.Timestamp); !now.IsZero() && off.Abs() > farOff {
		x.add(CauseTimestampFar, "it says "+x.report.Timestamp.Format(time.RFC3339))
	}
}
