package wechat

import (
	"context"
	"encoding/json"
)

// QRCode is a picture that leads to a card. Code is needed for a card whose
// codes are the merchant's in real time, and such a picture works once; OpenID
// for one with bind_openid. ExpireSeconds 0 is WeChat's default.
type QRCode struct {
	CardID, Code, OpenID string
	OuterStr             string
	ExpireSeconds        int64 // 60 to 1800
}

// QRTicket is where the picture is.
type QRTicket struct {
	Ticket        string
	URL           string // what the picture says
	ShowURL       string // where WeChat draws it
	ExpireSeconds int64
}

// CreateQRCode makes one (page "创建二维码接口").
func (c *Client) CreateQRCode(ctx context.Context, q QRCode) (QRTicket, error) {
	type card struct {
		CardID       string `json:"card_id"`
		Code         string `json:"code,omitempty"`
		OpenID       string `json:"openid,omitempty"`
		IsUniqueCode bool   `json:"is_unique_code"`
		OuterStr     string `json:"outer_str,omitempty"`
	}
	body := struct {
		ActionName    string `json:"action_name"`
		ExpireSeconds int64  `json:"expire_seconds,omitzero"`
		ActionInfo    struct {
			Card card `json:"card"`
		} `json:"action_info"`
	}{ActionName: "QR_CARD", ExpireSeconds: q.ExpireSeconds}
	body.ActionInfo.Card = card{CardID: q.CardID, Code: q.Code, OpenID: q.OpenID, OuterStr: q.OuterStr}
	var a qrAnswer
	err := c.post(ctx, "/card/qrcode/create", body, &a)
	return QRTicket(a), err
}

type qrAnswer struct {
	Ticket        string `json:"ticket"`
	URL           string `json:"url"`
	ShowURL       string `json:"show_qrcode_url"`
	ExpireSeconds int64  `json:"expire_seconds"`
}

func (a *qrAnswer) lack() string {
	if !printable(a.URL, maxURL) {
		return "url"
	}
	return ""
}

// CreateShelf makes a page that shows cards (page "创建货架接口"). raw is
// WeChat's own body.
func (c *Client) CreateShelf(ctx context.Context, raw json.RawMessage) (url string, pageID int64, err error) {
	shelf, err := tree(raw)
	if err != nil {
		return "", 0, malformedRequest("/card/landingpage/create")
	}
	var a shelfAnswer
	err = c.post(ctx, "/card/landingpage/create", shelf, &a)
	return a.URL, a.PageID, err
}

type shelfAnswer struct {
	URL    string `json:"url"`
	PageID int64  `json:"page_id"`
}

func (a *shelfAnswer) lack() string {
	if !printable(a.URL, maxURL) {
		return "url"
	}
	return ""
}

// Deposited is what became of codes that were handed to WeChat.
type Deposited struct{ Taken, Duplicate, Refused []string }

// DepositCodes hands WeChat codes of a card, at most 100 (page "导入code").
func (c *Client) DepositCodes(ctx context.Context, cardID string, codes []string) (Deposited, error) {
	var a struct {
		Taken     []string `json:"succ_code"`
		Duplicate []string `json:"duplicate_code"`
		Refused   []string `json:"fail_code"`
	}
	err := c.post(ctx, "/card/code/deposit", map[string]any{"card_id": cardID, "code": list(codes)}, &a)
	return Deposited(a), err
}

// DepositCount tells how many codes of the card WeChat was handed (page
// "查询导入code数目").
func (c *Client) DepositCount(ctx context.Context, cardID string) (int64, error) {
	var a struct {
		Count int64 `json:"count"`
	}
	err := c.post(ctx, "/card/code/getdepositcount", map[string]any{"card_id": cardID}, &a)
	return a.Count, err
}

// CheckCodes tells which of at most 100 codes WeChat was handed (page "核查code").
func (c *Client) CheckCodes(ctx context.Context, cardID string, codes []string) (there, missing []string, err error) {
	var a struct {
		There   []string `json:"exist_code"`
		Missing []string `json:"not_exist_code"`
	}
	err = c.post(ctx, "/card/code/checkcode", map[string]any{"card_id": cardID, "code": list(codes)}, &a)
	return a.There, a.Missing, err
}

// MakeUnavailable ends a code for good; its holder sees 失效 (page
// "设置卡券失效接口").
func (c *Client) MakeUnavailable(ctx context.Context, cardID, code, reason string) error {
	body := struct {
		CardID string `json:"card_id"`
		Code   string `json:"code"`
		Reason string `json:"reason,omitempty"`
	}{cardID, code, reason}
	return c.post(ctx, "/card/code/unavailable", body, nil)
}
