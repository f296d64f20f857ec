package wechat

import (
	"context"
	"encoding/json"

	strict "github.com/go-json-experiment/json"
)

// normalizeJSON decodes the operator's JSON so that it is encoded as WeChat accepts it:
// without \u escapes (47002), and with 1e3 or 100.0 as whole numbers.
func normalizeJSON(raw json.RawMessage) (v any, err error) {
	err = strict.Unmarshal(raw, &v)
	return v, err
}

// CreateCard creates a card (page "创建会员卡"). raw is WeChat's value of "card":
// {"card_type":"MEMBER_CARD","member_card":{…}}. If the error is an
// *Error and Ambiguous returns true, the card may exist.
func (c *Client) CreateCard(ctx context.Context, raw json.RawMessage) (cardID string, err error) {
	card, err := normalizeJSON(raw)
	if err != nil {
		return "", malformedRequest("/card/create")
	}
	var made createAnswer
	err = c.post(ctx, "/card/create", object{"card": card}, &made)
	return made.CardID, err
}

type createAnswer struct {
	CardID string `json:"card_id"`
}

func (a *createAnswer) invalidField() string { return unprintable("card_id", a.CardID, maxCardID) }

// UpdateCard changes a card (page "更改会员卡信息"). raw is the value of
// "member_card": its fields change, all others stay. It reports whether the card goes
// to review again.
func (c *Client) UpdateCard(ctx context.Context, cardID string, raw json.RawMessage) (inReview bool, err error) {
	change, err := normalizeJSON(raw)
	if err != nil {
		return false, malformedRequest("/card/update")
	}
	var answer struct {
		Check bool `json:"send_check"`
	}
	err = c.post(ctx, "/card/update", object{"card_id": cardID, "member_card": change}, &answer)
	return answer.Check, err
}

// DeleteCard deletes a card (page "删除卡券"). It can no longer be claimed.
func (c *Client) DeleteCard(ctx context.Context, cardID string) error {
	return c.post(ctx, "/card/delete", object{"card_id": cardID}, nil)
}

// ModifyStock adds delta to the stock; a negative delta reduces it (page "修改库存").
// It is not idempotent.
func (c *Client) ModifyStock(ctx context.Context, cardID string, delta int64) error {
	name := "increase_stock_value"
	if delta < 0 {
		name, delta = "reduce_stock_value", -delta
	}
	return c.post(ctx, "/card/modifystock", object{"card_id": cardID, name: delta}, nil)
}

// SetActivationForm sets the one-click form of a card (page "一键激活", 设置开卡字段).
// raw is WeChat's body without card_id.
func (c *Client) SetActivationForm(ctx context.Context, cardID string, raw json.RawMessage) error {
	const path = "/card/membercard/activateuserform/set"
	v, err := normalizeJSON(raw)
	form, ok := v.(map[string]any)
	if err != nil || !ok {
		return malformedRequest(path)
	}
	form["card_id"] = cardID
	return c.post(ctx, path, form, nil)
}

// SetTestWhitelist replaces the testers, who can claim a card that is in review (page
// "设置测试白名单"). They are named by openid in the Official Account or by WeChat ID.
func (c *Client) SetTestWhitelist(ctx context.Context, openIDs, userNames []string) error {
	return c.post(ctx, "/card/testwhitelist/set", object{"openid": list(openIDs), "username": list(userNames)}, nil)
}

// list returns a copy of s that is never encoded as null.
func list(s []string) []string { return append([]string{}, s...) }

// UploadImage uploads a picture to WeChat's CDN (page "上传卡券logo"): the pictures of
// cards must be there. The extension of name must be that of the picture's format.
func (c *Client) UploadImage(ctx context.Context, name string, picture []byte) (url string, err error) {
	var answer urlAnswer
	err = c.upload(ctx, "/cgi-bin/media/uploadimg", name, picture, &answer)
	return answer.URL, err
}

// maxURL is longer than WeChat's own URLs.
const maxURL = 2048

// urlAnswer is an answer with a URL.
type urlAnswer struct {
	URL string `json:"url"`
}

func (a *urlAnswer) invalidField() string { return unprintable("url", a.URL, maxURL) }

func malformedRequest(path string) error {
	return &Error{API: path, Msg: "request is not UTF-8 JSON of the right form", failure: "malformed"}
}
