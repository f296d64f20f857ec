// Package phone brings phone numbers, which people write in many ways, into one
// form, so that equal numbers are equal texts. It is pure.
package phone

import (
	"strings"
	"unicode"
)

// The lengths that a number may have, in digits with the country code (E.164).
const (
	shortest = 7
	longest  = 15
)

// Normalize returns the one form of a phone number: + and the digits with the country
// code, as in +8613800138000. It returns the empty text for what is no phone number.
//
// A number without a country code is taken for one of mainland China if it is a
// mobile number, or a landline with its area code. Of any other the country is
// unknown; the form is its digits without +, which equals no form with a country
// code. A country code begins with + or 00; that of mainland China needs neither.
// Normalize ignores separators and invisible characters, and accepts the digits of
// all scripts, such as the full-width ones.
func Normalize(text string) string {
	s, ok := fold(text)
	if !ok {
		return ""
	}
	noParentheses := strings.NewReplacer("(", "", ")", "")
	number := noParentheses.Replace(s)
	international := strings.HasPrefix(number, "+") || strings.HasPrefix(number, "00")
	if i := strings.Index(s, "(0)"); international && i > 1 { // as in +44 (0)20: dialled at home only
		number = noParentheses.Replace(s[:i] + s[i+3:])
	}
	if international {
		number = strings.TrimPrefix(strings.TrimPrefix(number, "+"), "00")
	}
	if home, ok := mainland(number, international); ok {
		number, international = "86"+home, true
	}
	if len(number) < shortest || len(number) > longest || international && number[0] == '0' {
		return ""
	}
	if international {
		number = "+" + number
	}
	return number
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
	if home, ok := strings.CutPrefix(number, "+86"); ok && isMobile(home) {
		return home
	}
	return number
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
	if r >= '0' && r <= '9' {
		return byte(r)
	}
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

// mainland returns a number of mainland China without its country and trunk codes,
// and false for any other. Without a + only complete numbers count.
func mainland(digits string, international bool) (home string, ok bool) {
	rest, coded := strings.CutPrefix(digits, "86")
	home = strings.TrimPrefix(rest, "0")
	if international || coded && (isMobile(home) || isLandline(home)) {
		return home, coded
	}
	home, trunk := strings.CutPrefix(digits, "0")
	return home, isMobile(home) || trunk && isLandline(home)
}

// isMobile reports whether home is a mobile number: 1[3-9] and nine digits.
func isMobile(home string) bool {
	return len(home) == 11 && home[0] == '1' && home[1] >= '3'
}

// isLandline reports whether home is an area code without its 0 and a number: 10 or
// 2x and eight digits, or another three and seven or eight.
func isLandline(home string) bool {
	switch {
	case len(home) == 10 && (strings.HasPrefix(home, "10") || home[0] == '2'):
		return true
	case len(home) == 10 || len(home) == 11:
		return home[0] >= '3'
	}
	return false
}
