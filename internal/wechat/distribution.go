package wechat

import (
	"context"
	"encoding/json"
)

// QRCode describes a QR code that leads to a card. A real-time custom-code card needs
// Code, and its QR code works once; a card with bind_openid needs OpenID.
// ExpireSeconds 0 is WeChat's default.
type QRCode struct {
	CardID, Code, OpenID string
	OuterStr             string
	ExpireSeconds        int64 // 60 to 1800
}

// QRTicket is a QR code that was created.
type QRTicket struct {
	Ticket        string
	URL           string // the content of the QR code
	ShowURL       string // the picture
	ExpireSeconds int64
}

// CreateQRCode creates a QR code (page "创建二维码接口").
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
	return QRTicket{a.Ticket, a.URL, a.ShowURL, a.ExpireSeconds}, err
}

type qrAnswer struct {
	urlAnswer
	Ticket        string `json:"ticket"`
	ShowURL       string `json:"show_qrcode_url"`
	ExpireSeconds int64  `json:"expire_seconds"`
}

// CreateShelf creates a page that shows cards (page "创建货架接口"). raw is WeChat's own
// body.
func (c *Client) CreateShelf(ctx context.Context, raw json.RawMessage) (url string, pageID int64, err error) {
	shelf, err := normalizeJSON(raw)
	if err != nil {
		return "", 0, malformedRequest("/card/landingpage/create")
	}
	var a shelfAnswer
	err = c.post(ctx, "/card/landingpage/create", shelf, &a)
	return a.URL, a.PageID, err
}

type shelfAnswer struct {
	urlAnswer
	PageID int64 `json:"page_id"`
}
