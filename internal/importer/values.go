package importer

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/width"

	"github.com/addcard/addcard/internal/ledger"
	"github.com/addcard/addcard/internal/phone"
)

// values are the values of a line, and the first reason to refuse one of them.
type values struct {
	texts   map[string]string
	refusal *LineError
}

// refuse refuses the value of a column.
func (v *values) refuse(column, reason string) {
	if v.refusal == nil {
		v.refusal = &LineError{column, reason}
	}
}

// text returns the text of a column.
func (v *values) text(column string, most int) string {
	text := v.texts[column]
	switch {
	case len(text) > most:
		v.refuse(column, fmt.Sprintf("is longer than %d bytes (%d 汉字)", most, most/3))
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		v.refuse(column, "has control characters")
	}
	return text
}

const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// mark returns an identifier of letters, digits and some signs.
func (v *values) mark(column string, most int, signs string) string {
	text := width.Narrow.String(v.texts[column])
	switch {
	case len(text) > most:
		v.refuse(column, fmt.Sprintf("is longer than %d characters", most))
	case strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(letters+signs, r) }):
		v.refuse(column, "has other characters than letters and digits")
	}
	return text
}

// phone returns the number in its one form.
func (v *values) phone() string {
	text := v.texts[colPhone]
	if text == "" {
		return ""
	}
	number := phone.Normalize(text)
	if number == "" {
		v.refuse(colPhone, "is no phone number")
	}
	return number
}

// amountForm is a number as people write it, with or without a sign of the currency and
// separators of thousands.
var amountForm = regexp.MustCompile(`^(-?)[¥￥]?(-?)([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.([0-9]+))?元?$`)

// amount returns a number of which decimals digits are behind the point, as a whole one.
func (v *values) amount(column string, decimals int) int64 {
	text := strings.ReplaceAll(width.Narrow.String(v.texts[column]), " ", "")
	if text == "" || text == "-" { // what a spreadsheet shows for zero
		return 0
	}
	parts := amountForm.FindStringSubmatch(text)
	if parts == nil {
		v.refuse(column, "is no number")
		return 0
	}
	fraction := strings.TrimRight(parts[4], "0")
	if len(fraction) > decimals {
		v.refuse(column, map[int]string{0: "is no whole number", 2: "has more than two decimals"}[decimals])
		return 0
	}
	digits := strings.ReplaceAll(parts[3], ",", "") + fraction + strings.Repeat("0", decimals-len(fraction))
	n, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case err != nil || n > ledger.MaxAdd:
		v.refuse(column, fmt.Sprintf("is larger than %d", int64(ledger.MaxAdd)))
	case n != 0 && parts[1]+parts[2] != "":
		v.refuse(column, "is negative, which the total of a card never is")
	}
	return n
}
