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
		return skipped(same("server doctor --url https://api.shop.example"),
			say("the server's public URL was not given, and PUBLIC_URL is not set", "没有给出服务器的公网地址，也没有设置 PUBLIC_URL"))
	}
	address, err := url.Parse(strings.TrimRight(d.publicURL, "/") + "/wechat/callback")
	if err != nil || address.Host == "" {
		return failed(same("server doctor --url https://api.shop.example"), say("--url is not a URL", "--url 不是网址"))
	}
	echo := rand.Text()
	address.RawQuery = d.signedQuery(echo).Encode()
	status, body, err := get(ctx, address.String())
	switch {
	case err != nil:
		return failed(say("start the server, and check that the domain and the proxy lead to its public listener",
			"启动服务器，并检查域名和反向代理是否指向它的公开端口"),
			say("%s does not answer", "%s 没有响应", address.Host))
	case status == http.StatusForbidden:
		return failed(say("the running server has another CALLBACK_TOKEN: start it with this configuration",
			"正在运行的服务器用的是另一个 CALLBACK_TOKEN：请用这份配置启动"),
			say("%s refuses the signature", "%s 拒绝了签名", address.Host))
	case body != echo:
		return failed(say("route /wechat/callback to the public listener without changing the query",
			"把 /wechat/callback 原样转发到公开端口，不要改动参数"),
			say("%s answers %d and not the echo", "%s 返回 %d，没有返回 echostr", address.Host, status))
	case address.Scheme != "https":
		return warning(say("put TLS in front of the server: WeChat and mini-programs require https",
			"在服务器前面配置 HTTPS：微信和小程序都要求"),
			say("%s answers WeChat's check, over http", "%s 通过了微信的验证，但用的是 http", address.Host))
	}
	return ok("%s answers WeChat's check; save the URL at %s > 服务器配置",
		"%s 通过了微信的验证；在 %s > 服务器配置 里保存这个地址", address.Host, officialConsole)
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
