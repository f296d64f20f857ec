package wechat

import (
	"cmp"
	"context"
)

// maxCode is three times the longest code that WeChat allows.
const maxCode = 64

// DecryptCode returns the code of a card (page "Code解码接口"). encryptCode is the code
// that wx.addCard returned, or the encrypt_code of a web page, URL-decoded once. If it
// is not one of this account, the error is an *Error and EncryptedCodeRefused returns
// true.
func (c *Client) DecryptCode(ctx context.Context, encryptCode string) (code string, err error) {
	var plain plainCode
	if err := c.post(ctx, "/card/code/decrypt", object{"encrypt_code": encryptCode}, &plain); err != nil {
		return "", err
	}
	return string(plain.Code), nil
}

type plainCode struct {
	Code id `json:"code"`
}

func (p *plainCode) invalidField() string { return unprintable("code", string(p.Code), maxCode) }

// CodeState is the state of a code: its card and the wallet that it is in.
type CodeState struct {
	CardID     string // may be another card than the one in the request
	OpenID     string // the Official Account's; empty if WeChat did not say
	Status     string // NORMAL, CONSUMED, EXPIRE, GIFTING, GIFT_SUCC, GIFT_TIMEOUT, DELETE, UNAVAILABLE
	CanConsume bool
	OuterStr   string
}

// Code returns the state of a code (page "查询Code接口"), also of one that cannot be
// used: check_consume is false. For a code that is in no wallet, or was given away,
// the error is an *Error and UnknownCode returns true.
func (c *Client) Code(ctx context.Context, cardID, code string) (CodeState, error) {
	var state codeAnswer
	body := struct {
		CardID       string `json:"card_id,omitempty"`
		Code         string `json:"code"`
		CheckConsume bool   `json:"check_consume"`
	}{cardID, code, false}
	if err := c.post(ctx, "/card/code/get", body, &state); err != nil {
		return CodeState{}, err
	}
	return CodeState{state.Card.CardID, state.OpenID, state.Status, state.CanConsume, state.OuterStr}, nil
}

type codeAnswer struct {
	Card struct {
		CardID string `json:"card_id"`
	} `json:"card"`
	OpenID     string `json:"openid"`
	Status     string `json:"user_card_status"`
	CanConsume bool   `json:"can_consume"`
	OuterStr   string `json:"outer_str"`
}

func (a *codeAnswer) invalidField() string {
	return cmp.Or(unprintable("card_id", a.Card.CardID, maxCardID), unprintableIfSet("openid", a.OpenID, maxOpenID))
}

// WalletCard is one card in a wallet.
type WalletCard struct {
	CardID string `json:"card_id"`
	Code   string `json:"code"`
}

// CardList returns the cards in the wallet of a user of the Official Account: the
// copies of one card or, with an empty cardID, of all cards (page
// "获取用户已领取卡券接口"). WeChat refuses the openid of a mini-program (40003).
func (c *Client) CardList(ctx context.Context, openID, cardID string) ([]WalletCard, error) {
	var list walletCards
	body := struct {
		OpenID string `json:"openid"`
		CardID string `json:"card_id,omitempty"`
	}{openID, cardID}
	if err := c.post(ctx, "/card/user/getcardlist", body, &list); err != nil {
		return nil, err
	}
	return list.Cards, nil
}

type walletCards struct {
	Cards []WalletCard `json:"card_list"`
}

func (l *walletCards) invalidField() string {
	for _, card := range l.Cards {
		if !printable(card.CardID, maxCardID) || !printable(card.Code, maxCode) {
			return "card_list"
		}
	}
	return ""
}

// MakeUnavailable ends a code for ever; its holder sees 失效 (page "设置卡券失效接口").
func (c *Client) MakeUnavailable(ctx context.Context, cardID, code, reason string) error {
	body := struct {
		CardID string `json:"card_id"`
		Code   string `json:"code"`
		Reason string `json:"reason,omitempty"`
	}{cardID, code, reason}
	return c.post(ctx, "/card/code/unavailable", body, nil)
}
