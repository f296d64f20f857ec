package wechat

import "time"

const (
	// maxCredential limits tokens and tickets; WeChat advises to store 512
	// characters for a token.
	maxCredential = 1024
	// maxLife, in seconds, is far beyond the two hours of WeChat's tokens and
	// tickets. A longer lifetime is a mistake and would keep a credential for ever.
	maxLife = 30 * 24 * 60 * 60
)

// tokenAnswer and ticketAnswer contain a new credential.
type tokenAnswer struct {
	Value string `json:"access_token"`
	Life  int64  `json:"expires_in"` // seconds
}

type ticketAnswer struct {
	Value string `json:"ticket"`
	Life  int64  `json:"expires_in"`
}

func (a *tokenAnswer) invalidField() string {
	return invalidCredentialField("access_token", a.Value, a.Life)
}
func (a *ticketAnswer) invalidField() string {
	return invalidCredentialField("ticket", a.Value, a.Life)
}

func invalidCredentialField(name, value string, life int64) string {
	if !printable(value, maxCredential) {
		return name
	}
	if life < 1 || life > maxLife {
		return "expires_in"
	}
	return ""
}

// unprintable returns name if value is not printable, otherwise "".
func unprintable(name, value string, most int) string {
	if printable(value, most) {
		return ""
	}
	return name
}

func unprintableIfSet(name, value string, most int) string {
	if value == "" {
		return ""
	}
	return unprintable(name, value, most)
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// printable reports whether s has 1 to most characters, all of them visible ASCII.
func printable(s string, most int) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return 1 <= len(s) && len(s) <= most
}
