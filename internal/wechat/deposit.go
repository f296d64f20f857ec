package wechat

import "context"

// Deposited says what WeChat did with the codes of a deposit.
type Deposited struct{ Accepted, Duplicate, Refused []string }

// DepositCodes deposits at most 100 codes for a card (page "导入code").
func (c *Client) DepositCodes(ctx context.Context, cardID string, codes []string) (Deposited, error) {
	var a struct {
		Accepted  []string `json:"succ_code"`
		Duplicate []string `json:"duplicate_code"`
		Refused   []string `json:"fail_code"`
	}
	err := c.post(ctx, "/card/code/deposit", object{"card_id": cardID, "code": list(codes)}, &a)
	return Deposited(a), err
}

// DepositCount returns how many codes were deposited for a card (page
// "查询导入code数目").
func (c *Client) DepositCount(ctx context.Context, cardID string) (int64, error) {
	var a struct {
		Count int64 `json:"count"`
	}
	err := c.post(ctx, "/card/code/getdepositcount", object{"card_id": cardID}, &a)
	return a.Count, err
}

// CheckCodes returns which of at most 100 codes were deposited for a card, and which
// were not (page "核查code").
func (c *Client) CheckCodes(ctx context.Context, cardID string, codes []string) (deposited, missing []string, err error) {
	var a struct {
		Deposited []string `json:"exist_code"`
		Missing   []string `json:"not_exist_code"`
	}
	err = c.post(ctx, "/card/code/checkcode", object{"card_id": cardID, "code": list(codes)}, &a)
	return a.Deposited, a.Missing, err
}
