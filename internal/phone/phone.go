// Package phone brings phone numbers, which people write in many ways, into one
// form, so that equal numbers are equal texts. It is pure, and safe for concurrent
// use. What the numbers of each country look like is known to phonenumbers, a port of
// Google's libphonenumber.
package phone

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
)

// The lengths that a number may have, in digits with the country code (E.164).
const (
	shortest = 7
	longest  = 15
)

// Normalize returns the one form of a phone number: + and the digits with the country
// code (E.164), as in +8613800138000. It returns the empty text for what is no phone
// number.
//
// A number without a country code is taken for one of mainland China if it can be one
// there. Of any other the country is unknown; the form is its digits without +, which
// equals no form with a country code. A
// country code begins with + or 00; that of mainland China needs neither. Normalize
// ignores separators and invisible characters, and accepts the digits of all scripts,
// such as the full-width ones.
func Normalize(text string) string {
	s, ok := fold(text)
	if !ok {
		return ""
	}
	dialled := strings.NewReplacer("(", "", ")", "").Replace(s)
	for _, form := range []*regexp.Regexp{mobile, landline} {
		if m := form.FindStringSubmatch(dialled); m != nil {
			return "+86" + m[1]
		}
	}
	n, err := phonenumbers.Parse(s, "CN")
	switch {
	case err != nil:
		return ""
	case phonenumbers.IsValidNumber(n):
		return phonenumbers.Format(n, phonenumbers.E164)
	}
	return asDialled(dialled)
}

// The forms of numbers in mainland China. phonenumbers is stricter: it does not know
// the latest ranges, and takes mobile numbers with 179 for those with a carrier's prefix.
var (
	mobile   = regexp.MustCompile(`^(?:\+?(?:00)?86)?0?(1[3-9][0-9]{9})$`)
	landline = regexp.MustCompile(`^(?:\+?(?:00)?860?|0)((?:10|2[0-9])[0-9]{8}|[3-9][0-9]{9,10})$`)
)

// asDialled returns the form of a number of which it is not known what it consists of.
func asDialled(dialled string) string {
	number := strings.TrimPrefix(strings.TrimPrefix(dialled, "+"), "00")
	if len(number) < shortest || len(number) > longest {
		return ""
	}
	switch {
	case number == dialled:
		return number
	case number[0] == '0':
		return ""
	}
	return "+" + number
}

// Join returns the form of a number that comes in two parts: the country code, with
// or without +, and the number within the country, as WeChat's getuserphonenumber
// returns them in countryCode and purePhoneNumber.
func Join(countryCode, number string) string {
	if countryCode == "" {
		return Normalize(number)
	}
	return Normalize("+" + strings.TrimLeft(countryCode, "+0") + number)
}

// Short returns a normalized number as WeChat writes it: a mobile number of mainland
// China without +86, any other unchanged. The forms of two numbers differ.
func Short(number string) string {
	if m := mobile.FindStringSubmatch(number); m != nil {
		return m[1]
	}
	return number
}

// Mask returns a number without its middle, as in 138****8000. It is what people who
// know the number recognize it by.
func Mask(number string) string {
	const hidden, shown = 4, 4
	short := Short(number)
	if len(short) <= shown {
		return strings.Repeat("*", hidden)
	}
	return short[:max(0, len(short)-hidden-shown)] + strings.Repeat("*", hidden) + short[len(short)-shown:]
}

// fold returns the digits, plus signs and parentheses of text in ASCII. It reports
// false for a text with letters or other signs, or with a + among the digits.
func fold(text string) (string, bool) {
	var b strings.Builder
	for _, r := range text {
		if r >= '！' && r <= '～' { // the full-width forms of ASCII
			r -= '！' - '!'
		}
		switch d := digit(r); {
		case d != 0:
			b.WriteByte(d)
		case r == '(' || r == ')':
			b.WriteRune(r)
		case r == '+' && strings.Trim(b.String(), "(") == "":
			b.Reset() // (+86) is +86)
			b.WriteByte('+')
		case !isSeparator(r):
			return "", false
		}
	}
	return b.String(), true
}

// digit returns the ASCII digit of a digit of any script, or 0. Unicode has the ten
// digits of a script in order, and its ranges begin with a zero.
func digit(r rune) byte {
	for _, range16 := range unicode.Nd.R16 {
		if lo := rune(range16.Lo); r >= lo && r <= rune(range16.Hi) {
			return byte('0' + (r-lo)%10)
		}
	}
	for _, range32 := range unicode.Nd.R32 {
		if lo := rune(range32.Lo); r >= lo && r <= rune(range32.Hi) {
			return byte('0' + (r-lo)%10)
		}
	}
	return 0
}

// isSeparator reports whether r may stand between digits: a space, a dash, a
// control or invisible character, or one of a few signs.
func isSeparator(r rune) bool {
	return unicode.IsSpace(r) || unicode.In(r, unicode.Pd, unicode.Cc, unicode.Cf) || strings.ContainsRune("./·_−ー~", r)
}
