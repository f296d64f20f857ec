package wechat_test

import (
	"context"
	"strings"
	"testing"

	"github.com/addcard/addcard/internal/wechat"
)

// The exact bodies: raw UTF-8, whole numbers, 0 where it has a meaning, and no field
// for what was not given.
func TestClient_OperatorsCallsOnTheWire(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		path, body, answer string
		do                 func(context.Context, *wechat.Client) error
	}{
		{"/card/create", `{"card":{"card_type":"MEMBER_CARD","member_card":{"base_info":{"description":"a<b>&😀会员 ","sku":{"quantity":0}},"discount":10}}}`, `{"card_id":"p1"}`,
			func(ctx context.Context, c *wechat.Client) error {
				id, err := c.CreateCard(ctx, []byte(`{"card_type":"MEMBER_CARD","member_card":{"discount":1e1,"base_info":{"description":"a<b>&😀\u4f1a员\u0007","sku":{"quantity":0.0}}}}`))
				if id != "p1" {
					t.Errorf("card_id %q", id)
				}
				return err
			}},
		{"/card/update", `{"card_id":"p1","member_card":{"base_info":{"title":"新"}}}`, `{"send_check":true}`,
			func(ctx context.Context, c *wechat.Client) error {
				check, err := c.UpdateCard(ctx, "p1", []byte(`{"base_info":{"title":"新"}}`))
				if !check {
					t.Error("send_check is lost")
				}
				return err
			}},
		{"/card/delete", `{"card_id":"p1"}`, `{}`, func(ctx context.Context, c *wechat.Client) error { return c.DeleteCard(ctx, "p1") }},
		{"/card/modifystock", `{"card_id":"p1","increase_stock_value":7}`, `{}`,
			func(ctx context.Context, c *wechat.Client) error { return c.ModifyStock(ctx, "p1", 7) }},
		{"/card/modifystock", `{"card_id":"p1","reduce_stock_value":7}`, `{}`,
			func(ctx context.Context, c *wechat.Client) error { return c.ModifyStock(ctx, "p1", -7) }},
		{"/card/membercard/activateuserform/set", `{"card_id":"p1","required_form":{"can_modify":false}}`, `{}`,
			func(ctx context.Context, c *wechat.Client) error {
				return c.SetActivationForm(ctx, "p1", []byte(`{"required_form":{"can_modify":false}}`))
			}},
		{"/card/testwhitelist/set", `{"openid":[],"username":["ming"]}`, `{}`,
			func(ctx context.Context, c *wechat.Client) error {
				return c.SetTestWhitelist(ctx, nil, []string{"ming"})
			}},
		{"/card/qrcode/create", `{"action_name":"QR_CARD","action_info":{"card":{"card_id":"p1","is_unique_code":false}}}`,
			`{"url":"u","ticket":"t"}`,
			func(ctx context.Context, c *wechat.Client) error {
				_, err := c.CreateQRCode(ctx, wechat.QRCode{CardID: "p1"})
				return err
			}},
		{"/card/qrcode/create", `{"action_name":"QR_CARD","expire_seconds":60,"action_info":{"card":{"card_id":"p1","code":"1","openid":"o","is_unique_code":false,"outer_str":"门&"}}}`, `{"url":"u","expire_seconds":60,"show_qrcode_url":"s","ticket":"t"}`,
			func(ctx context.Context, c *wechat.Client) error {
				got, err := c.CreateQRCode(ctx, wechat.QRCode{CardID: "p1", Code: "1", OpenID: "o", OuterStr: "门&", ExpireSeconds: 60})
				if got != (wechat.QRTicket{Ticket: "t", URL: "u", ShowURL: "s", ExpireSeconds: 60}) {
					t.Errorf("%+v", got)
				}
				return err
			}},
		{"/card/landingpage/create", `{"banner":"b","can_share":false}`, `{"url":"u","page_id":3}`,
			func(ctx context.Context, c *wechat.Client) error {
				_, id, err := c.CreateShelf(ctx, []byte(`{"can_share":false,"banner":"b"}`))
				if id != 3 {
					t.Errorf("page_id %d", id)
				}
				return err
			}},
		{"/card/code/deposit", `{"card_id":"p1","code":["1","2"]}`, `{"succ_code":["1"],"duplicate_code":["2"],"fail_code":[]}`,
			func(ctx context.Context, c *wechat.Client) error {
				got, err := c.DepositCodes(ctx, "p1", []string{"1", "2"})
				if strings.Join(got.Accepted, "") != "1" || strings.Join(got.Duplicate, "") != "2" {
					t.Errorf("%+v", got)
				}
				return err
			}},
		{"/card/code/getdepositcount", `{"card_id":"p1"}`, `{"count":9}`,
			func(ctx context.Context, c *wechat.Client) error {
				n, err := c.DepositCount(ctx, "p1")
				if n != 9 {
					t.Errorf("count %d", n)
				}
				return err
			}},
		{"/card/code/checkcode", `{"card_id":"p1","code":["1"]}`, `{"exist_code":["1"],"not_exist_code":[]}`,
			func(ctx context.Context, c *wechat.Client) error {
				there, _, err := c.CheckCodes(ctx, "p1", []string{"1"})
				if len(there) != 1 {
					t.Errorf("there %v", there)
				}
				return err
			}},
		{"/card/code/unavailable", `{"card_id":"p1","code":"1"}`, `{}`,
			func(ctx context.Context, c *wechat.Client) error { return c.MakeUnavailable(ctx, "p1", "1", "") }},
		{"/card/code/unavailable", `{"card_id":"p1","code":"1","reason":"丢了"}`, `{}`,
			func(ctx context.Context, c *wechat.Client) error { return c.MakeUnavailable(ctx, "p1", "1", "丢了") }},
		{"/card/membercard/activate/geturl", `{"card_id":"p1","outer_str":""}`, `{"url":"?encrypt_card_id=a&biz=b"}`,
			func(ctx context.Context, c *wechat.Client) error { _, err := c.OpenCard(ctx, "p1", ""); return err }},
		{"/card/membercard/activate/geturl", `{"card_id":"p1","outer_str":"a&b=c+<门>😀"}`, `{"url":"?encrypt_card_id=a&biz=b"}`,
			func(ctx context.Context, c *wechat.Client) error {
				_, err := c.OpenCard(ctx, "p1", "a&b=c+<门>😀")
				return err
			}},
		{"/cgi-bin/openapi/quota/get", `{"cgi_path":"/card/get"}`, `{"quota":{"daily_limit":9,"used":2,"remain":7}}`,
			func(ctx context.Context, c *wechat.Client) error {
				q, err := c.Quota(ctx, "/card/get")
				if q.DailyLimit != 9 || q.Used != 2 || q.Left != 7 {
					t.Errorf("quota %+v", q)
				}
				return err
			}},
	} {
		u := says(t, tt.answer)
		if err := tt.do(t.Context(), u.client(t, twoTokens())); err != nil {
			t.Errorf("%s: %v", tt.path, err)
		}
		if got := u.seen()[0]; got.Method != "POST" || got.Path != tt.path || got.Body != tt.body {
			t.Errorf("%s %s\n got %s\nwant %s", got.Method, got.Path, got.Body, tt.body)
		}
	}
}

func TestClient_UploadImage_SendsAForm(t *testing.T) {
	t.Parallel()
	u := says(t, `{"url":"http://mmbiz.qpic.cn/x/0"}`)
	url, err := u.client(t, twoTokens()).UploadImage(t.Context(), "logo.png", []byte("\x89PNG…"))
	got := u.seen()[0]
	if err != nil || url != "http://mmbiz.qpic.cn/x/0" || got.Path != "/cgi-bin/media/uploadimg" ||
		!strings.Contains(got.Body, "name=\"media\"; filename=\"logo.png\"") || !strings.Contains(got.Body, "\r\n\r\n\x89PNG…\r\n--") {
		t.Errorf("%s, %v, %+v", url, err, got)
	}
}
