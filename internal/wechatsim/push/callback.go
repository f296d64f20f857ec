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

// The formats of a push and of what is sealed in it.
const (
	FormatXML  = "xml"
	FormatJSON = "json"
)

// Callback says where events go and how they are signed and sealed. Without a
// URL they go nowhere. An empty Mode is safe with an EncodingAESKey and plain
// without. An empty Format is FormatXML.
type Callback struct {
	URL            string `json:"url"`
	Token          string `json:"token"`
	EncodingAESKey string `json:"encoding_aes_key"`
	Mode           string `json:"mode"`
	AppID          string `json:"app_id"`
	Format         string `json:"format"`
}

// normalize fills in the mode and the format. The error names the field that is wrong.
func (c *Callback) normalize() error {
	if c.Mode == "" {
		c.Mode = ModePlain
		if c.EncodingAESKey != "" {
			c.Mode = ModeSafe
		}
	}
	if c.Format == "" {
		c.Format = FormatXML
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return errors.New("url: an http or https address")
	case c.Token == "":
		return errors.New("token: not empty")
	case c.Mode != ModePlain && c.Mode != ModeCompat && c.Mode != ModeSafe:
		return errors.New("mode: plain, compat or safe")
	case c.Format != FormatXML && c.Format != FormatJSON:
		return errors.New("format: xml or json")
	case c.Mode != ModePlain && !regexp.MustCompile(`^[0-9A-Za-z]{43}$`).MatchString(c.EncodingAESKey):
		return errors.New("encoding_aes_key: 43 letters and digits")
	case c.Mode != ModePlain && c.AppID == "":
		return errors.New("app_id: not empty")
	}
	return nil
}
