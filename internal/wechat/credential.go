package wechat

import "time"

const (
	// maxCredential bounds tokens and tickets; WeChat advises 512 for a token.
	maxCredential = 1024
	// maxLife is far beyond the two hours of WeChat's tokens and tickets: what
	// is said to live longer is a mistake, and would be kept for ever.
	maxLife = 30 * 24 * 60 * 60
)

// tokenAnswer and ticketAnswer issue a credential.
type tokenAnswer struct {
	Value string `json:"access_token"`
	Life  int64  `json:"expires_in"` // seconds
}

type ticketAnswer struct {
	Value string `json:"ticket"`
	Life  int64  `json:"expires_in"`
}

func (a *tokenAnswer) lack() string  { return lackOfCredential("access_token", a.Value, a.Life) }
func (a *ticketAnswer) lack() string { return lackOfCredential("ticket", a.Value, a.Life) }

func lackOfCredential(name, value string, life int64) string {
	if !printable(value, maxCredential) {
		return name
	}
	if life < 1 || life > maxLife {
		return "expires_in"
	}
	return ""
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// printable reports 1 to most characters of ASCII that can be seen.
func printable(s string, most int) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return 1 <= len(s) && len(s) <= most
}
