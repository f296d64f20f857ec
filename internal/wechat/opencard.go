package wechat

import (
	"context"
	"net/url"
	"strings"
)

// OpenCard has the parameters of the open-card component (开卡组件) for one card.
type OpenCard struct{ EncryptCardID, OuterStr, Biz string }

// OpenCard returns the parameters of the open-card component for a card (page
// "获取开卡插件参数", /card/membercard/activate/geturl). WeChat sends them in a URL.
func (c *Client) OpenCard(ctx context.Context, cardID, outerStr string) (OpenCard, error) {
	var a openCardAnswer
	err := c.post(ctx, "/card/membercard/activate/geturl", object{"card_id": cardID, "outer_str": outerStr}, &a)
	return a.parsed, err
}

type openCardAnswer struct {
	URL    string `json:"url"`
	parsed OpenCard
}

func (a *openCardAnswer) invalidField() string {
	var ok bool
	if a.parsed, ok = parseOpenCard(a.URL); !ok {
		return "url"
	}
	return ""
}

// parseOpenCard returns the parameters in the URL: it cuts off the fragment, splits
// the query at & (one piece is empty) and each piece at its first =, and
// percent-decodes each value exactly once. A + stays a +: it is part of base64 and
// never a space.
func parseOpenCard(text string) (p OpenCard, ok bool) {
	text, _, _ = strings.Cut(text, "#")
	_, query, found := strings.Cut(text, "?")
	if !found {
		return p, false
	}
	for piece := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(piece, "=")
		plain, err := url.PathUnescape(value)
		if err != nil {
			return OpenCard{}, false
		}
		switch name {
		case "encrypt_card_id":
			p.EncryptCardID = plain
		case "outer_str":
			p.OuterStr = plain
		case "biz":
			p.Biz = plain
		}
	}
	return p, printable(p.EncryptCardID, 512) && printable(p.Biz, 128)
}

// Form returns what a user submitted in the open-card component (page
// "获取用户开卡时提交的信息", activatetempinfo/get). ticket is the activate_ticket as
// App.onShow got it. The error is an *Error: ActivateTicketRefused reports a wrong
// ticket, and ActivateTicketExpired one that may have expired; WeChat sometimes
// returns the latter for a valid ticket.
func (c *Client) Form(ctx context.Context, ticket string) (common, custom []FormField, err error) {
	var a struct {
		Info formAnswers `json:"info"`
	}
	err = c.post(ctx, "/card/membercard/activatetempinfo/get", object{"activate_ticket": ticket}, &a)
	return a.Info.Common, a.Info.Custom, err
}

// ActivateTicketRefused reports whether the activate_ticket is not one of this account.
func (e *Error) ActivateTicketRefused() bool { return e.Code == 72011 }

// ActivateTicketExpired reports whether WeChat considers the activate_ticket expired.
func (e *Error) ActivateTicketExpired() bool { return e.Code == 72012 }

// OneClickNeeded reports whether the card has no activation form (wx_activate).
func (e *Error) OneClickNeeded() bool { return e.Code == 72026 }

// RealTimeCodeRefused reports whether the call refuses real-time custom-code cards,
// for which the merchant issues each code.
func (e *Error) RealTimeCodeRefused() bool { return e.Code == 40158 }
