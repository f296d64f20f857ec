package wechat

import "context"

// Quota is how much of a call's daily allowance is used. The calls of all
// systems of the account count.
type Quota struct{ DailyLimit, Used, Left int64 }

// Quota asks for the allowance of the call at path (page "查询API调用额度"). Not
// every call has one: WeChat refuses the others.
func (c *Client) Quota(ctx context.Context, path string) (Quota, error) {
	var a struct {
		Quota struct {
			DailyLimit int64 `json:"daily_limit"`
			Used       int64 `json:"used"`
			Left       int64 `json:"remain"`
		} `json:"quota"`
	}
	body := struct {
		Path string `json:"cgi_path"`
	}{path}
	err := c.post(ctx, "/cgi-bin/openapi/quota/get", body, &a)
	return Quota(a.Quota), err
}
