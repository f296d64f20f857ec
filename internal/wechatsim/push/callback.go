package push

import (
	"errors"
	"net/url"
	"regexp"
)

// The three modes of a push ("Message push"): in clear, in clear with the sealed
// form beside it, and sealed only.
const (
	ModePlain  = "plain"
	ModeCompat = "compat"
	ModeSafe   = "safe"
)

// Callback says where events go and how they are signed and sealed. Without a
// URL they go nowhere. An empty Mode is safe with an EncodingAESKey and plain
// without.
type Callback struct {
	URL            string `json:"url"`
	Token          string `json:"token"`
	EncodingAESKey string `json:"encoding_aes_key"`
	Mode           string `json:"mode"`
	AppID          string `json:"app_id"`
}

// normalize fills in the mode. The error names the field that is wrong.
func (c *Callback) normalize() error {
	if c.Mode == "" {
		c.Mode = ModePlain
		if c.EncodingAESKey != "" {
			c.Mode = ModeSafe
		}
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return errors.New("url: an http or https address")
	case c.Token == "":
		return errors.New("token: not empty")
	case c.Mode != ModePlain && c.Mode != ModeCompat && c.Mode != ModeSafe:
		return errors.New("mode: plain, compat or safe")
	case c.Mode != ModePlain && !regexp.MustCompile(`^[0-9A-Za-z]{43}$`).MatchString(c.EncodingAESKey):
		return errors.New("encoding_aes_key: 43 letters and digits")
	case c.Mode != ModePlain && c.AppID == "":
		return errors.New("app_id: not empty")
	}
	return nil
}
