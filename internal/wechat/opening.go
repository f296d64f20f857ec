package wechat

import (
	"context"
	"net/url"
	"strings"
)

// OpenCard is what the open-card component (开卡组件) is given.
type OpenCard struct{ EncryptCardID, OuterStr, Biz string }

// OpenCard asks for the parameters of the open-card component of a card (page
// "获取开卡插件参数", /card/membercard/activate/geturl). WeChat hides them in a URL.
func (c *Client) OpenCard(ctx context.Context, cardID, outerStr string) (OpenCard, error) {
	var a openCardAnswer
	body := struct {
		CardID   string `json:"card_id"`
		OuterStr string `json:"outer_str"`
	}{cardID, outerStr}
	err := c.post(ctx, "/card/membercard/activate/geturl", body, &a)
	return a.parsed, err
}

type openCardAnswer struct {
	URL    string `json:"url"`
	parsed OpenCard
}

func (a *openCardAnswer) lack() string {
	var ok bool
	if a.parsed, ok = parseOpenCard(a.URL); !ok {
		return "url"
	}
	return ""
}

// parseOpenCard reads the parameters out of the URL: the fragment is cut off,
// the query split at & (there is an empty piece in it), each piece at its first
// =, and each value percent-decoded exactly once. A + stays a +: it is part of
// base64 and never a space.
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

// Form reads what a user filled in on the way through the open-card component
// (page "获取用户开卡时提交的信息", activatetempinfo/get). ticket is the
// activate_ticket as App.onShow got it. An *Error whose ActivateTicketRefused
// is true means a wrong one; whose ActivateTicketExpired, one that may be over:
// WeChat says so of good ones, too, now and then.
func (c *Client) Form(ctx context.Context, ticket string) (common, custom []FormField, err error) {
	var a struct {
		Info struct {
			Common []FormField `json:"common_field_list"`
			Custom []FormField `json:"custom_field_list"`
		} `json:"info"`
	}
	body := struct {
		Ticket string `json:"activate_ticket"`
	}{ticket}
	err = c.post(ctx, "/card/membercard/activatetempinfo/get", body, &a)
	return a.Info.Common, a.Info.Custom, err
}

// ActivateTicketRefused reports an activate_ticket that is none of this account's.
func (e *Error) ActivateTicketRefused() bool { return e.Code == 72011 }

// ActivateTicketExpired reports an activate_ticket that WeChat holds for expired.
func (e *Error) ActivateTicketExpired() bool { return e.Code == 72012 }

// OneClickNeeded reports a card without the activation form (wx_activate).
func (e *Error) OneClickNeeded() bool { return e.Code == 72026 }

// RealTimeCodeRefused reports a card whose codes the merchant gives out in real
// time, where it must be another.
func (e *Error) RealTimeCodeRefused() bool { return e.Code == 40158 }
