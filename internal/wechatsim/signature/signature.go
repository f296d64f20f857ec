// Package signature computes the signatures of WeChat's protocol for the
// simulator. It shares no code with addcard: the agreement of the two
// implementations is the test.
package signature

import (
	"crypto/sha1"
	"encoding/hex"
	"slices"
	"strings"
)

// Sorted returns the signature of a cardExt or of a push: the SHA-1, in
// lower-case hex, of the values sorted as bytes and joined without a separator
// ("JS-SDK", appendix 4). It does not change values.
func Sorted(values ...string) string {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return Hash(strings.Join(sorted, ""))
}

// WebPage returns the signature of wx.config in a web page; the fragment of url
// does not count.
func WebPage(jsapiTicket, nonce, timestamp, url string) string {
	url, _, _ = strings.Cut(url, "#")
	return Hash("jsapi_ticket=" + jsapiTicket + "&noncestr=" + nonce + "&timestamp=" + timestamp + "&url=" + url)
}

// Hash returns the SHA-1 of text in lower-case hex.
func Hash(text string) string {
	sum := sha1.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}
