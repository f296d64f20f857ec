package wechat

import (
	"context"
	"encoding/json"

	strict "github.com/go-json-experiment/json"
)

// tree makes the operator's JSON fit for WeChat: escapes become what they stand
// for (\u escapes are refused, 47002), and a whole number written as 1e3 or
// 100.0 becomes one.
func tree(raw json.RawMessage) (v any, err error) {
	err = strict.Unmarshal(raw, &v)
	return v, err
}

// CreateCard creates a card (page "创建会员卡"). raw is the value of "card" as
// WeChat wants it: {"card_type":"MEMBER_CARD","member_card":{…}}. It is not
// repeated: after an *Error whose Ambiguous is true the card may exist.
func (c *Client) CreateCard(ctx context.Context, raw json.RawMessage) (cardID string, err error) {
	card, err := tree(raw)
	if err != nil {
		return "", malformedRequest("/card/create")
	}
	var made madeCard
	err = c.post(ctx, "/card/create", map[string]any{"card": card}, &made)
	return made.CardID, err
}

type madeCard struct {
	CardID string `json:"card_id"`
}

func (m *madeCard) lack() string {
	if !printable(m.CardID, maxCardID) {
		return "card_id"
	}
	return ""
}

// UpdateCard changes a card (page "更改会员卡信息"). raw is the value of
// "member_card": what is in it changes, the rest stays. checked tells that the
// card goes to review again.
func (c *Client) UpdateCard(ctx context.Context, cardID string, raw json.RawMessage) (checked bool, err error) {
	change, err := tree(raw)
	if err != nil {
		return false, malformedRequest("/card/update")
	}
	var answer struct {
		Check bool `json:"send_check"`
	}
	err = c.post(ctx, "/card/update", map[string]any{"card_id": cardID, "member_card": change}, &answer)
	return answer.Check, err
}

// DeleteCard deletes a card (page "删除卡券"): nobody can take it any more.
func (c *Client) DeleteCard(ctx context.Context, cardID string) error {
	return c.post(ctx, "/card/delete", map[string]any{"card_id": cardID}, nil)
}

// ModifyStock adds delta to the stock, or takes it away below 0 (page
// "修改库存"). A repeat counts twice.
func (c *Client) ModifyStock(ctx context.Context, cardID string, delta int64) error {
	name := "increase_stock_value"
	if delta < 0 {
		name, delta = "reduce_stock_value", -delta
	}
	return c.post(ctx, "/card/modifystock", map[string]any{"card_id": cardID, name: delta}, nil)
}

// SetActivationForm sets the one-click form of a card (page "一键激活", 设置开卡字段).
// raw is WeChat's body without card_id.
func (c *Client) SetActivationForm(ctx context.Context, cardID string, raw json.RawMessage) error {
	const path = "/card/membercard/activateuserform/set"
	v, err := tree(raw)
	form, ok := v.(map[string]any)
	if err != nil || !ok {
		return malformedRequest(path)
	}
	form["card_id"] = cardID
	return c.post(ctx, path, form, nil)
}

// SetTestWhitelist replaces the testers, who may take a card that is still in
// review (page "设置测试白名单"). They are named by openid in the Official
// Account or by WeChat ID.
func (c *Client) SetTestWhitelist(ctx context.Context, openIDs, userNames []string) error {
	return c.post(ctx, "/card/testwhitelist/set", map[string]any{"openid": list(openIDs), "username": list(userNames)}, nil)
}

// list is never null on the wire.
func list(s []string) []string { return append([]string{}, s...) }

// UploadImage puts a picture on WeChat's CDN (page "上传卡券logo"): card pictures
// must be there. name has the extension that says what it is.
func (c *Client) UploadImage(ctx context.Context, name string, picture []byte) (url string, err error) {
	var answer uploaded
	err = c.upload(ctx, "/cgi-bin/media/uploadimg", name, picture, &answer)
	return answer.URL, err
}

type uploaded struct {
	URL string `json:"url"`
}

func (u *uploaded) lack() string {
	if !printable(u.URL, maxURL) {
		return "url"
	}
	return ""
}

// maxURL is more than WeChat's own URLs have.
const maxURL = 2048

func malformedRequest(path string) error {
	return &Error{API: path, Msg: "request is not UTF-8 JSON of the right form", kind: "malformed"}
}
