package web

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CardPath names one card.
type CardPath struct {
	CardID string `path:"card_id" minLength:"1" maxLength:"64" pattern:"^[0-9A-Za-z_-]+$"`
}

// CodePath names one code of one card.
type CodePath struct {
	CardPath
	Code string `path:"code" minLength:"1" maxLength:"64" pattern:"^[0-9A-Za-z_-]+$"`
}

// MaxOuterStr is the longest outer_str that WeChat accepts, in bytes.
const MaxOuterStr = 128

// CheckText returns what is wrong with a text that WeChat keeps or shows, or ""
// for one that is right. most is in bytes.
func CheckText(s string, most int) string {
	switch {
	case len(s) > most:
		return fmt.Sprintf("longer than %d bytes", most)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl):
		return "control characters are not allowed"
	}
	return ""
}
