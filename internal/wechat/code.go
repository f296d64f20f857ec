package wechat

import "context"

// maxCode is three times what WeChat lets a card's code have.
const maxCode = 64

// DecryptCode turns the code that wx.addCard's success gave, or an H5 page got
// as encrypt_code, into the card's code (page "Code解码接口"). The latter must
// be URL-decoded once before. An *Error whose EncryptedCodeRefused is true
// means that it is none of this account's.
func (c *Client) DecryptCode(ctx context.Context, encryptCode string) (code string, err error) {
	var plain plainCode
	body := struct {
		EncryptCode string `json:"encrypt_code"`
	}{encryptCode}
	if err := c.post(ctx, "/card/code/decrypt", body, &plain); err != nil {
		return "", err
	}
	return plain.Code, nil
}

type plainCode struct {
	Code string `json:"code"`
}

func (p *plainCode) lack() string {
	if !printable(p.Code, maxCode) {
		return "code"
	}
	return ""
}

// CodeState is where a code is: in whose wallet, of which card.
type CodeState struct {
	CardID     string // compare it with the card that was asked for
	OpenID     string // the Official Account's; empty if WeChat did not say
	Status     string // NORMAL, CONSUMED, EXPIRE, GIFTING, GIFT_SUCC, GIFT_TIMEOUT, DELETE, UNAVAILABLE
	CanConsume bool
	OuterStr   string
}

// Code asks for the state of a code (page "查询Code接口"), whatever that state
// is: check_consume is false. A code that nobody took, or that was given away,
// is an *Error whose UnknownCode is true.
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

func (a *codeAnswer) lack() string {
	switch {
	case !printable(a.Card.CardID, maxCardID):
		return "card_id"
	case a.OpenID != "" && !printable(a.OpenID, maxOpenID):
		return "openid"
	}
	return ""
}

// Held is one card in a wallet.
type Held struct {
	CardID string `json:"card_id"`
	Code   string `json:"code"`
}

// CardList lists the cards that a user of the Official Account holds, of one
// card or, with an empty cardID, of all (page "获取用户已领取卡券接口"). The
// openid of a mini-program is refused (40003).
func (c *Client) CardList(ctx context.Context, openID, cardID string) ([]Held, error) {
	var list heldList
	body := struct {
		OpenID string `json:"openid"`
		CardID string `json:"card_id,omitempty"`
	}{openID, cardID}
	if err := c.post(ctx, "/card/user/getcardlist", body, &list); err != nil {
		return nil, err
	}
	return list.Cards, nil
}

type heldList struct {
	Cards []Held `json:"card_list"`
}

func (l *heldList) lack() string {
	for _, held := range l.Cards {
		if !printable(held.CardID, maxCardID) || !printable(held.Code, maxCode) {
			return "card_list"
		}
	}
	return ""
}
