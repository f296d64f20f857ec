package wechatsim

import (
	"crypto/sha1"
	"encoding/hex"
	"slices"
	"strings"
)

// digest is WeChat's one signature: SHA-1, in lower-case hex, of the values
// sorted as bytes and joined with nothing ("JS-SDK", appendix 4).
func digest(values ...string) string { return sha1Hex(joinSorted(values, "")) }

func sha1Hex(text string) string {
	sum := sha1.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// jssdkDigest is the signature of wx.config in a web page: another thing.
func jssdkDigest(jsapiTicket, nonce, timestamp, url string) string {
	url, _, _ = strings.Cut(url, "#")
	return sha1Hex("jsapi_ticket=" + jsapiTicket + "&noncestr=" + nonce + "&timestamp=" + timestamp + "&url=" + url)
}

func joinSorted(values []string, separator string) string {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	return strings.Join(sorted, separator)
}
