package doctor

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// callback sends the public listener the request that WeChat sends when the URL
// is saved in its console.
func (d *doctor) callback(ctx context.Context) Finding {
	if d.publicURL == "" {
		return skipped("server doctor --url https://api.shop.example", "the server's public URL was not given")
	}
	address, err := url.Parse(strings.TrimRight(d.publicURL, "/") + "/wechat/callback")
	if err != nil || address.Host == "" {
		return failed("server doctor --url https://api.shop.example", "--url is not a URL")
	}
	echo := rand.Text()
	address.RawQuery = d.signedQuery(echo).Encode()
	status, body, err := get(ctx, address.String())
	switch {
	case err != nil:
		return failed("start the server, and check that the domain and the proxy lead to its public listener",
			"%s does not answer", address.Host)
	case status == http.StatusForbidden:
		return failed("the running server has another CALLBACK_TOKEN: start it with this configuration",
			"%s refuses the signature", address.Host)
	case body != echo:
		return failed("route /wechat/callback to the public listener without changing the query",
			"%s answers %d and not the echo", address.Host, status)
	case address.Scheme != "https":
		return warning("put TLS in front of the server: WeChat and mini-programs require https",
			"%s answers WeChat's check, over http", address.Host)
	}
	return ok("%s answers WeChat's check; save the URL at %s > 服务器配置", address.Host, officialConsole)
}

// signedQuery returns the query of WeChat's check, signed with CALLBACK_TOKEN.
func (d *doctor) signedQuery(echo string) url.Values {
	timestamp, nonce := strconv.FormatInt(d.Clock.Now().Unix(), 10), rand.Text()[:10]
	values := []string{string(d.cfg.CallbackToken), timestamp, nonce}
	slices.Sort(values)
	sum := sha1.Sum([]byte(strings.Join(values, ""))) // WeChat's protocol
	return url.Values{
		"signature": {hex.EncodeToString(sum[:])}, "timestamp": {timestamp}, "nonce": {nonce}, "echostr": {echo},
	}
}

// get returns the status and the first KiB of the body; it follows no redirect.
func get(ctx context.Context, address string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, "", err
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	return resp.StatusCode, string(raw), nil
}
