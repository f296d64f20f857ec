package wechat

import "net/http"

// Transports returns all HTTP transports of a and c.
func Transports(a *App, c *Client) (all []*http.Transport) {
	for _, w := range []*transport{a.transport, c.oneShot, c.pooled} {
		all = append(all, w.http.Transport.(*http.Transport))
	}
	return all
}

// ParseOpenCard is exported for its fuzz test.
var ParseOpenCard = parseOpenCard
