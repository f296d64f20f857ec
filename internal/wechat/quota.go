package wechat

import "context"

// Quota is the daily quota of a call. The calls of all systems of the account
// count.
type Quota struct{ DailyLimit, Used, Left int64 }

// Quota returns the quota of the call at path (page "查询API调用额度"). WeChat refuses
// a call that has none.
func (c *Client) Quota(ctx context.Context, path string) (Quota, error) {
	var a struct {
		Quota struct {
			DailyLimit int64 `json:"daily_limit"`
			Used       int64 `json:"used"`
			Left       int64 `json:"remain"`
		} `json:"quota"`
	}
	err := c.post(ctx, "/cgi-bin/openapi/quota/get", object{"cgi_path": path}, &a)
	return Quota(a.Quota), err
}
