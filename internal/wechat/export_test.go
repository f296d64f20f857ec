package wechat

import "net/http"

// Transports are those over which requests go out.
func Transports(a *App, c *Client) (all []*http.Transport) {
	for _, w := range []*wire{a.wire, c.once, c.kept} {
		all = append(all, w.http.Transport.(*http.Transport))
	}
	return all
}

// ParseOpenCard is fuzzed: it reads a URL of somebody else's making.
var ParseOpenCard = parseOpenCard
